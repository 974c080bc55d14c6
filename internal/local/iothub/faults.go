package iothub

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of faults, so that a test which forgets one does not stop the hub for good.
const (
	maxFaults     = 100
	maxFaultDelay = time.Minute
)

// Fault is what happens to the next operations of a kind instead of what should. It is for tests.
type Fault struct {
	// Operation is the kind.
	Operation Operation `json:"operation"`
	// Times is how many operations it happens to; 0 is one.
	Times int `json:"times"`
	// Status refuses them: 429 or 503. 0 does them, after the delay.
	Status int `json:"status,omitempty"`
	// RetryAfterSeconds goes with a refusal, to clients whose protocol has a place for it.
	RetryAfterSeconds int `json:"retryAfterSeconds,omitempty"`
	// DelayMilliseconds is how long each of them waits first, at most a minute.
	DelayMilliseconds int `json:"delayMilliseconds,omitempty"`
}

// faults are those that have not happened yet.
type faults struct {
	on atomic.Bool // there are any: else meet costs nothing

	mu      sync.Mutex
	waiting []Fault
	over    chan struct{} // closed when the faults are replaced: nobody waits any longer
}

// SetFaults replaces all faults. What waits because of an older one goes on at once. Error: ArgumentInvalid.
func (h *Hub) SetFaults(all ...Fault) error {
	all = slices.Clone(all)
	if len(all) > maxFaults {
		return refusal(ArgumentInvalid, "%d faults: at most %d", len(all), maxFaults)
	}
	for i := range all {
		if err := all[i].check(); err != nil {
			return err
		}
	}
	f := &h.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over != nil {
		close(f.over)
	}
	f.waiting, f.over = all, make(chan struct{})
	f.on.Store(len(all) > 0)
	return nil
}

// Faults are those that have not happened yet, each with the times that are left.
func (h *Hub) Faults() []Fault {
	h.faults.mu.Lock()
	defer h.faults.mu.Unlock()
	return slices.Clone(h.faults.waiting)
}

func (f *Fault) check() error {
	if f.Times == 0 {
		f.Times = 1
	}
	switch {
	case f.Operation >= operations:
		return refusal(ArgumentInvalid, "fault: operation %d: there are %d", f.Operation, operations)
	case f.Times < 0:
		return refusal(ArgumentInvalid, "fault of %s: times %d: want 1 or more", f.Operation, f.Times)
	case f.Status != 0 && f.Status != Throttled.Status() && f.Status != ServiceUnavailable.Status():
		return refusal(ArgumentInvalid, "fault of %s: status %d: want 429, 503, or none", f.Operation, f.Status)
	case f.DelayMilliseconds < 0 || f.DelayMilliseconds > int(maxFaultDelay.Milliseconds()):
		return refusal(ArgumentInvalid, "fault of %s: delay of %d ms: at most %s", f.Operation, f.DelayMilliseconds, maxFaultDelay)
	case f.RetryAfterSeconds < 0 || f.RetryAfterSeconds > 0 && f.Status == 0:
		return refusal(ArgumentInvalid, "fault of %s: retry after %d s: goes with a status", f.Operation, f.RetryAfterSeconds)
	case f.Status == 0 && f.DelayMilliseconds == 0:
		return refusal(ArgumentInvalid, "fault of %s: want a status or a delay", f.Operation)
	}
	return nil
}

// meet lets the next fault of a kind of operation happen.
func (f *faults) meet(op Operation) error {
	fault, over, ok := f.next(op)
	if !ok {
		return nil
	}
	if fault.DelayMilliseconds > 0 {
		timer := time.NewTimer(time.Duration(fault.DelayMilliseconds) * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-over:
			return nil
		}
	}
	switch fault.Status {
	case Throttled.Status():
		return fault.refusal(Throttled)
	case ServiceUnavailable.Status():
		return fault.refusal(ServiceUnavailable)
	}
	return nil
}

func (f Fault) refusal(code Code) error {
	err := refusal(code, "%s was told to be refused", f.Operation)
	err.RetryAfter = time.Duration(f.RetryAfterSeconds) * time.Second
	return err
}

// next takes one operation out of the first fault of its kind.
func (f *faults) next(op Operation) (fault Fault, over <-chan struct{}, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.waiting, func(w Fault) bool { return w.Operation == op })
	if i < 0 {
		return Fault{}, nil, false
	}
	fault = f.waiting[i]
	if f.waiting[i].Times--; f.waiting[i].Times == 0 {
		f.waiting = slices.Delete(f.waiting, i, i+1)
		f.on.Store(len(f.waiting) > 0)
	}
	return fault, f.over, true
}

// operationNames are the operations as texts.
var operationNames = [operations]string{"connect", "telemetry", "cloudToDevice", "receive", "method", "twinRead", "twinUpdate", "registry", "query", "job", "jobDevice"}

// String is the operation's name, as in the control interface.
func (op Operation) String() string {
	if op < operations {
		return operationNames[op]
	}
	return fmt.Sprintf("operation %d", op)
}

// MarshalText is String.
func (op Operation) MarshalText() ([]byte, error) { return []byte(op.String()), nil }

// UnmarshalText reads an operation's name.
func (op *Operation) UnmarshalText(text []byte) error {
	i := slices.Index(operationNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("operation %q: want one of %q", text, operationNames)
	}
	*op = Operation(i)
	return nil
}
