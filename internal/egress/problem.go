package egress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"azx/internal/fault"
	"azx/internal/message"
)

// What a caller may tell apart; the Problem around it is Transient. A request that was not answered in time wraps
// context.DeadlineExceeded.
var (
	ErrBusy    = errors.New("the connector has too many requests at once")
	ErrStopped = errors.New("the connector takes no requests: it is starting or stopping")
)

var errNoValue = errors.New("the device has sent no value since the connector started")

// StatusError is the answer of a device to a direct method with a status other than 2xx.
type StatusError struct {
	Status  int
	Payload string // JSON text, cut short if it is long; "" for none
}

// Error names status and payload.
func (e *StatusError) Error() string {
	if e.Payload == "" {
		return fmt.Sprintf("the device answered with status %d", e.Status)
	}
	return fmt.Sprintf("the device answered with status %d: %s", e.Status, e.Payload)
}

// AnswerError is the answer of a device to a direct method that is not what the service's result has to be.
type AnswerError struct {
	Result string // base type of the result
	Cause  error
}

// Error says that the method ran all the same.
func (e *AnswerError) Error() string {
	return fmt.Sprintf("the method ran, and its answer is no %s: %v", e.Result, e.Cause)
}

// Unwrap returns the cause.
func (e *AnswerError) Unwrap() error { return e.Cause }

// busy is the outcome of a request that was not let in.
func busy(op string, err error) error {
	return &fault.Problem{Op: op, Class: fault.Transient, Cause: err, Hint: "it was not carried out; try again in a moment"}
}

// explain makes a Problem of any error, and says why a request ended whose time or whose connector did.
func explain(ctx context.Context, op string, err error) error {
	var p *fault.Problem
	known := errors.As(err, &p)
	switch {
	case err == nil:
		return nil
	case (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) && errors.Is(context.Cause(ctx), ErrStopped):
		return &fault.Problem{Op: op, Class: fault.Transient, Cause: fmt.Errorf("%w (%w)", ErrStopped, err), Hint: cmp.Or(fault.HintOf(err), hintMaybe)}
	case errors.Is(err, context.DeadlineExceeded):
		return &fault.Problem{Op: op, Class: fault.Transient, Cause: fmt.Errorf("not answered in time: %w", err), Hint: cmp.Or(fault.HintOf(err), hintMaybe)}
	case known:
		return err
	}
	return &fault.Problem{Op: op, Class: fault.ClassOf(err), Cause: err, Hint: fault.HintOf(err)}
}

// Hints about requests that ended without an answer.
const (
	hintMaybe   = "it may have been carried out all the same"
	hintNotSent = "it was not sent"
)

// outcome is the metric's word for how a request ended.
func (j *job) outcome(err error) string {
	switch {
	case err == nil && j.stale:
		return "stale"
	case err == nil:
		return "ok"
	case errors.Is(err, ErrBusy):
		return "busy"
	case errors.Is(err, ErrStopped):
		return "stopped"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline"
	}
	return fault.ClassOf(err).String()
}

// operation names a request in errors.
func operation(r message.Request) string {
	return fmt.Sprintf("%s %s of %s", r.Verb, short(r.Name, mostName), short(r.Thing, mostName))
}

const mostName = 128 // bytes of a name that an error shows

// short cuts text from outside to something that an error can hold.
func short(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "..."
}
