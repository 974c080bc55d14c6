// Package amqp10 speaks AMQP 1.0: its values, frames and messages, the serving end of a connection (Serve), and a client's end
// that receives (Connect).
//
// The section marks in this package (§) are those of the OASIS Standard "AMQP Version 1.0", parts 1 to 5.
package amqp10

import (
	"errors"
	"fmt"
)

const (
	// MaxFrameSize is the largest frame, header included, that this package accepts or sends, in bytes.
	MaxFrameSize = 64 << 10
	// MaxMessageSize is the largest message a link accepts unless its Terms allow less, in bytes.
	MaxMessageSize = 1 << 20
	// HandleMax is the highest link handle of a session.
	HandleMax = 255
	// ChannelMax is the highest channel, so a connection has at most ChannelMax+1 sessions.
	ChannelMax = 255

	maxDepth       = 32 // nested lists, maps, arrays and described values
	minFrameSize   = 512
	maxZeroWidth   = 16 // elements of an array whose elements take no bytes
	maxFieldsRoom  = 16 // room asked for at once while a list of unknown use is decoded
	frameHeaderLen = 8
)

// ErrMalformed is in every error about bytes that are not valid AMQP 1.0.
var ErrMalformed = errors.New("malformed AMQP data")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Error conditions of the standard (§2.8.15 to §2.8.18) and of Azure that this package or its users send.
const (
	CondInternalError         Symbol = "amqp:internal-error"
	CondNotFound              Symbol = "amqp:not-found"
	CondUnauthorized          Symbol = "amqp:unauthorized-access"
	CondDecodeError           Symbol = "amqp:decode-error"
	CondResourceLimitExceeded Symbol = "amqp:resource-limit-exceeded"
	CondNotAllowed            Symbol = "amqp:not-allowed"
	CondInvalidField          Symbol = "amqp:invalid-field"
	CondNotImplemented        Symbol = "amqp:not-implemented"
	CondPreconditionFailed    Symbol = "amqp:precondition-failed"
	CondConnectionForced      Symbol = "amqp:connection:forced"
	CondFramingError          Symbol = "amqp:connection:framing-error"
	CondWindowViolation       Symbol = "amqp:session:window-violation"
	CondHandleInUse           Symbol = "amqp:session:handle-in-use"
	CondUnattachedHandle      Symbol = "amqp:session:unattached-handle"
	CondDetachForced          Symbol = "amqp:link:detach-forced"
	CondTransferLimit         Symbol = "amqp:link:transfer-limit-exceeded"
	CondMessageSize           Symbol = "amqp:link:message-size-exceeded"
	CondLinkRedirect          Symbol = "amqp:link:redirect"
	CondLinkStolen            Symbol = "amqp:link:stolen"
)

// Error is an AMQP error (§2.8.14): what a peer is told when a connection, session or link ends badly.
type Error struct {
	Condition   Symbol
	Description string
	Info        Map // keys are Symbols
}

// Error gives condition and description.
func (e *Error) Error() string {
	if e.Description == "" {
		return string(e.Condition)
	}
	return string(e.Condition) + ": " + e.Description
}

// Errorf returns an Error with a formatted description.
func Errorf(condition Symbol, format string, args ...any) *Error {
	return &Error{Condition: condition, Description: fmt.Sprintf(format, args...)}
}

// asError keeps an AMQP error in err's chain, or hides any other behind the condition given.
func asError(err error, otherwise Symbol) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Condition: otherwise, Description: err.Error()}
}
