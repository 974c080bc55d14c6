package delivery

import (
	"context"

	"azx/internal/message"
)

// Kind is what became of a message at the platform.
type Kind uint8

const (
	// Accepted: the platform acknowledged every value of the message that is meant for it.
	Accepted Kind = iota
	// Refused: the message, or a value of it, will never be accepted as things stand.
	Refused
	// NoThing: the device has no Thing.
	NoThing
	// Nothing: no key of the message belongs to a remote property.
	Nothing
	// Unwanted: the message was not wanted any more when its turn came, and was not written.
	Unwanted
	// Superseded: the platform has values that are as new or newer, so the message was not written.
	Superseded
)

// Outcome tells what became of a message and, unless it was accepted, why.
type Outcome struct {
	Kind   Kind
	Reason string // short and from a fixed set, fit for a metric label: "wrong-type"
	Err    error  // for people, with a hint; nil when accepted
}

// Undecodable is the reason of a message whose body cannot be read.
const Undecodable = "undecodable"

// Stage says where a message ended: "decode" if its body cannot be read, else "write".
func (o Outcome) Stage() string {
	if o.Reason == Undecodable {
		return "decode"
	}
	return "write"
}

// Queued is a message on its way to its Thing, with what has to be called once it has ended. Nobody copies it: it waits in queues
// as it is.
type Queued struct {
	message.Telemetry
	Members int           // the outermost object of its body has at most; noted by the Writer
	Settle  func(Outcome) // called exactly once, from any goroutine; it does not block for long
	// Wanted reports whether the message is still to be written, asked right before; nil: it is. It does not block.
	Wanted func() bool
	// OnlyNewer leaves out values that the platform has newer ones of. That costs a question for each, so it is for messages
	// that are written again long after their time.
	OnlyNewer bool
	// Act is done instead of a write: after all that came before it for the Thing, and before anything behind it. It may take
	// its time, other Things go on. nil: the values are written.
	Act func(ctx context.Context) Outcome
}
