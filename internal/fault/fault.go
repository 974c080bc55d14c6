// Package fault classes errors: it is the one place that decides whether something is tried again.
package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Class says what to do about an error.
type Class uint8

const (
	// Transient errors pass: try again, later each time. An error that nobody classed is transient,
	// because trying again loses nothing and giving up may.
	Transient Class = iota
	// Rejected input will not get better: put it aside and go on.
	Rejected
	// Credential errors need a person or a new key: try again slowly.
	Credential
	// Fatal errors end the process.
	Fatal
)

// String names the class as logs and metrics do.
func (c Class) String() string {
	return [...]string{"transient", "rejected", "credential", "fatal"}[c]
}

// Problem is an error with what the operator needs: the operation, the cause, and what to do.
type Problem struct {
	Op    string // what was being done: "open checkpoint"
	Class Class
	Cause error
	Hint  string // what to try; may be empty
}

// Error is "operation: cause", without the hint: that is shown at the edge only.
func (p *Problem) Error() string { return p.Op + ": " + p.Cause.Error() }

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// Reject makes a Problem of class Rejected from a formatted cause.
func Reject(op, hint, format string, args ...any) *Problem {
	return &Problem{Op: op, Class: Rejected, Cause: fmt.Errorf(format, args...), Hint: hint}
}

// PanicError is what is left of a panic: it was stopped where it could do no more harm.
type PanicError struct {
	Value any
	Stack []byte
}

// Error has the stack below the value.
func (p *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", p.Value, p.Stack) }

// Panicked makes a Problem of class Rejected of a panic: the same input would bring it on again.
func Panicked(op string, value any, stack []byte) *Problem {
	return &Problem{Op: op, Class: Rejected, Cause: &PanicError{value, stack}, Hint: "please report this, with the log"}
}

// IsPanic reports whether err comes from a panic.
func IsPanic(err error) bool {
	var p *PanicError
	return errors.As(err, &p)
}

// ClassOf returns the class of the outermost Problem in err; Transient if there is none.
func ClassOf(err error) Class {
	var p *Problem
	if errors.As(err, &p) {
		return p.Class
	}
	return Transient
}

// HintOf returns the hint nearest to the surface of err, or "".
func HintOf(err error) string {
	for p := (*Problem)(nil); errors.As(err, &p); err = p.Cause {
		if p.Hint != "" {
			return p.Hint
		}
	}
	return ""
}

// Same reports whether two errors are the same trouble for people, so that it is told once: the same operation, class and
// hint. A cause may have the time or a port in it. Without a hint the texts have to be equal.
func Same(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	var p, q *Problem
	if hint := HintOf(a); hint != "" && errors.As(a, &p) && errors.As(b, &q) {
		return p.Op == q.Op && p.Class == q.Class && hint == HintOf(b)
	}
	return a.Error() == b.Error()
}

// Backoff spaces repeated tries. The zero value is not useful: set both bounds.
type Backoff struct {
	Min, Max time.Duration
	tries    int
}

// Next returns the pause before the next try: it doubles from Min to Max, and is drawn from the
// upper half of that span so that many who failed together do not come back together.
func (b *Backoff) Next() time.Duration {
	d := b.Max
	if b.tries < 30 && b.Min<<b.tries < b.Max {
		d = b.Min << b.tries
	}
	b.tries++
	return d/2 + rand.N(d/2+1)
}

// Reset makes the next pause start from Min again.
func (b *Backoff) Reset() { b.tries = 0 }

// Pause waits for the next pause or until ctx ends, whose error it returns.
func (b *Backoff) Pause(ctx context.Context) error {
	t := time.NewTimer(b.Next())
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
