package ingress

import (
	"errors"
	"runtime/debug"

	"azx/internal/decode"
	"azx/internal/fault"
	"azx/internal/message"
)

// Translator addresses messages to their Things.
type Translator struct {
	Names *Names
	Stamp Stamp
	Meter Meter
}

// Translate addresses a message to its Thing, and finds the time of its values. The error is the rule that skips the message, or
// a *fault.Problem of class Rejected. A panic on what a device sent is that message's problem, not the end of the partition.
func (t *Translator) Translate(m *message.Message) (tel message.Telemetry, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.Panicked("address message", cause, debug.Stack())
		}
	}()
	switch m.Source {
	case message.SourceTelemetry, "":
	case message.SourceTwinChanges:
		return tel, twinChange
	case message.SourceLifecycle:
		return tel, lifeCycle
	default:
		return tel, skip("not-telemetry")
	}
	if m.IsHeartbeat() || decode.IsEmpty(m.Body) {
		return tel, skip("heartbeat")
	}
	thing, err := t.Names.Thing(m.DeviceID)
	if err != nil {
		return tel, err
	}
	at, replaced := t.Stamp.Time(m)
	if replaced {
		t.Meter.TimeReplaced(m.Hub)
	}
	return message.Telemetry{Message: m, Thing: thing, Time: at.UnixMilli()}, nil
}

// skip is the rule that leaves a message out, as metrics name it.
type skip string

// twinChange skips what is for Twins, lifeCycle what is for Life.
const (
	twinChange = skip("twin-change")
	lifeCycle  = skip("life-cycle")
)

// SkippedBy returns the rule that an error of Translate stands for, as metrics name it; false for any other error.
func SkippedBy(err error) (rule string, skipped bool) {
	var s skip
	if errors.As(err, &s) {
		return string(s), true
	}
	return "", false
}

// Error names the rule.
func (s skip) Error() string { return "skipped: " + string(s) }
