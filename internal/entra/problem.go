package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"azx/internal/fault"
	"azx/internal/secret"
)

// maxText bounds what is told of an answer, in bytes.
const maxText = 300

// answers are codes of Entra ID with what to do (read: reference-error-codes in Microsoft's documentation).
var answers = []struct{ code, hint string }{
	{"AADSTS7000215", "the client secret is wrong: take its value, not its id, from the app registration"},
	{"AADSTS7000222", "the client secret has expired: make a new one in the app registration"},
	{"AADSTS700027", "the app registration does not know the certificate, or it has expired: upload it there"},
	{"AADSTS700016", "the tenant has no application with this clientId: is identity.tenant right?"},
	{"AADSTS90002", "there is no such tenant: is identity.tenant right?"},
	{"AADSTS70021", "no federated credential of the application has this issuer and subject: add one for the service account"},
	{"AADSTS50034", "there is no such account in the tenant"},
	{"AADSTS500011", "the tenant has never used this Azure service: is the cloud of identity.authority right?"},
	{"AADSTS53003", "a conditional access policy keeps the application out: ask who looks after the tenant"},
}

// problem makes a fault.Problem of an error of the library. Its own text has the whole answer, over many lines.
func (c *Credential) problem(seen *hop, l *login, err error) error {
	p := &fault.Problem{Op: "sign in to Entra ID (" + string(c.o.Kind) + ")", Class: fault.Credential, Hint: c.o.hint()}
	var failed *azidentity.AuthenticationFailedError
	errors.As(err, &failed)
	switch {
	case seen.err != nil:
		p.Class, p.Cause, p.Hint = unreached(seen.err)
		return p
	case failed != nil && failed.RawResponse != nil:
		status := failed.RawResponse.StatusCode
		if status == http.StatusTooManyRequests || status >= http.StatusInternalServerError {
			p.Class, p.Hint = fault.Transient, "Entra ID is busy; it is asked again"
		}
		text := without(said(failed.RawResponse), l.secret)
		for _, a := range answers {
			if strings.Contains(text, a.code) && p.Class == fault.Credential {
				p.Hint = a.hint
			}
		}
		p.Cause = fmt.Errorf("%d %s", status, text)
	default:
		p.Cause = errors.New(short(without(err.Error(), l.secret)))
		if c.o.Kind == Managed {
			p.Class = fault.Transient // the endpoint of the machine may just be starting
		}
	}
	return p
}

// unreached is no answer at all.
func unreached(err error) (fault.Class, error, string) {
	var known *fault.Problem
	var wrapped *url.Error
	switch {
	case errors.As(err, &known):
		return known.Class, known, fault.HintOf(known)
	case errors.As(err, &wrapped):
		err = wrapped.Err
	}
	return fault.Transient, err, "is the place to sign in reachable from here at port 443? see identity.authority and proxy"
}

// said is what an answer says, on one line: the error and the first sentence of its description.
func said(answer *http.Response) string {
	body, err := runtime.Payload(answer)
	if err != nil {
		return ""
	}
	var fields struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &fields) != nil {
		return "without a reason"
	}
	text, _, _ := strings.Cut(fields.Description, "Trace ID")
	return short(fields.Error + ": " + text)
}

func short(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if len(text) <= maxText {
		return text
	}
	cut := maxText
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}

// without takes a secret out of a text that somebody else wrote.
func without(text string, s secret.Secret) string {
	if s.Reveal() == "" {
		return text
	}
	return strings.ReplaceAll(text, s.Reveal(), s.String())
}

// hint says what the kind of identity needs.
func (o Options) hint() string {
	switch o.Kind {
	case Managed:
		if o.ClientID != "" {
			return "is the user-assigned managed identity with identity.clientId assigned to this machine?"
		}
		return "managed needs an Azure machine (or an Arc server) with a system-assigned identity that is on; elsewhere: kind workload, certificate or secret"
	case Workload:
		return "workload needs AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE, which the workload identity webhook sets, or identity.clientId, tenant and tokenFile"
	case Secret:
		return "secret needs identity.tenant, clientId and clientSecret of an app registration"
	case Certificate:
		return "certificate needs identity.tenant, clientId, certFile and keyFile of an app registration that knows the certificate"
	}
	return errKind.Error()
}
