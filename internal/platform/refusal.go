package platform

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"azx/alwayson"
	"azx/internal/fault"
)

// errStopping answers requests that come while the connector stops.
var errStopping = errors.New("the connector is stopping")

// maxReason is how many bytes of text a refusal carries.
const maxReason = 500

// missing is a rejected request for what is not here.
type missing struct{ error }

// NotFound makes the code of the refusal "not found"; errors of others may have the same method.
func (missing) NotFound() bool { return true }

// Unwrap returns the Problem.
func (m missing) Unwrap() error { return m.error }

// refusal answers a request that ended with an error. The text is for the person who made it: operation, cause, hint.
func refusal(err error) alwayson.Response {
	text := err.Error()
	if hint := fault.HintOf(err); hint != "" {
		text += " (" + hint + ")"
	}
	return alwayson.Refuse(refusalCode(err), shorten(conceal(text)))
}

// refusalCode is the one place that says which code tells the platform what. How a real platform treats each is
// unknown; local and real ones show the text.
func refusalCode(err error) alwayson.Code {
	var absent interface{ NotFound() bool }
	switch class := fault.ClassOf(err); {
	case class == fault.Fatal:
		return alwayson.InternalServerError
	case class == fault.Credential:
		return alwayson.BadGateway
	case class == fault.Rejected && errors.As(err, &absent) && absent.NotFound():
		return alwayson.NotFound
	case class == fault.Rejected:
		return alwayson.BadRequest
	case errors.Is(err, context.DeadlineExceeded):
		return alwayson.GatewayTimeout
	}
	return alwayson.ServiceUnavailable
}

// secrets are how credentials look in connection strings, tokens and addresses.
var secrets = regexp.MustCompile(`(?i)\b(SharedAccessKey|AccountKey|sig|appKey|password)=[^;&\s"']+`)

// conceal takes credentials out of a text, should one have got into an error in spite of all.
func conceal(text string) string { return secrets.ReplaceAllString(text, "$1=...") }

// shorten cuts a text to maxReason bytes, between characters.
func shorten(text string) string {
	if len(text) <= maxReason {
		return strings.ToValidUTF8(text, "?")
	}
	const more = " ..."
	return strings.ToValidUTF8(text[:maxReason-len(more)], "") + more
}
