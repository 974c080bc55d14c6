package iothub

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestFaultsHappenToTheNextOperationsOfTheirKind(t *testing.T) {
	h := newHub(t, Config{})
	err := h.SetFaults(
		Fault{Operation: OpTelemetry, Times: 2, Status: 429, RetryAfterSeconds: 7},
		Fault{Operation: OpTelemetry, Status: 503},
		Fault{Operation: OpQuery, Status: 503},
	)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []*Error{{Code: Throttled, RetryAfter: 7 * time.Second}, {Code: Throttled, RetryAfter: 7 * time.Second}, {Code: ServiceUnavailable}, nil} {
		err := h.Admit(OpTelemetry, 0)
		var got *Error
		switch {
		case want == nil && err == nil:
		case want != nil && errors.As(err, &got) && got.Code == want.Code && got.RetryAfter == want.RetryAfter:
		default:
			t.Errorf("operation %d: got %v, want %+v", i, err, want)
		}
	}
	if err := h.Admit(OpMethod, 0); err != nil {
		t.Errorf("an operation of another kind: %v", err)
	}
	if left := h.Faults(); len(left) != 1 || left[0].Operation != OpQuery || left[0].Times != 1 {
		t.Errorf("left are %+v, want that of queries", left)
	}
	if err := h.SetFaults(); err != nil {
		t.Fatal(err)
	}
	if err := h.Admit(OpQuery, 0); err != nil {
		t.Errorf("after the end of all faults: %v", err)
	}
}

func TestASlowOperationTakesItsTimeAndNoLonger(t *testing.T) {
	for name, c := range map[string]struct {
		fault     Fault
		replaced  time.Duration // when the faults are replaced; 0: not
		takes     time.Duration
		isRefused bool
	}{
		"slow":                               {Fault{Operation: OpMethod, DelayMilliseconds: 1500}, 0, 1500 * time.Millisecond, false},
		"slow, then refused":                 {Fault{Operation: OpMethod, DelayMilliseconds: 1500, Status: 503}, 0, 1500 * time.Millisecond, true},
		"slow, until the faults are removed": {Fault{Operation: OpMethod, DelayMilliseconds: 60_000, Status: 503}, time.Second, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, Config{})
				if err := h.SetFaults(c.fault); err != nil {
					t.Fatal(err)
				}
				if c.replaced > 0 {
					time.AfterFunc(c.replaced, func() { _ = h.SetFaults() })
				}
				began := time.Now()
				err := h.Admit(OpMethod, 0)
				if took := time.Since(began); took != c.takes || (err != nil) != c.isRefused {
					t.Errorf("took %s and ended with %v, want %s", took, err, c.takes)
				}
			})
		})
	}
}

func TestFaultsThatAreNone(t *testing.T) {
	h := newHub(t, Config{})
	for name, text := range map[string]string{
		"an unknown operation":           `{"operation":"coffee","status":429}`,
		"another status":                 `{"operation":"query","status":404}`,
		"neither status nor delay":       `{"operation":"query"}`,
		"a delay beyond a minute":        `{"operation":"query","delayMilliseconds":60001}`,
		"a time to come again on a slow": `{"operation":"query","delayMilliseconds":1,"retryAfterSeconds":1}`,
		"fewer than no times":            `{"operation":"query","times":-1,"status":503}`,
	} {
		t.Run(name, func(t *testing.T) {
			var f Fault
			err := json.Unmarshal([]byte(text), &f)
			if err == nil {
				err = h.SetFaults(f)
			}
			if err == nil {
				t.Fatal("taken")
			}
		})
	}
	if err := h.SetFaults(make([]Fault, maxFaults+1)...); err == nil {
		t.Error("too many are taken")
	}
	if err := h.SetFaults(Fault{Operation: operations, Status: 429}); err == nil {
		t.Error("an operation that there is not is taken")
	}
}

func TestOperationsAreWrittenAsTheyAreRead(t *testing.T) {
	for op := range operations {
		text, err := op.MarshalText()
		var again Operation
		if err == nil {
			err = again.UnmarshalText(text)
		}
		if err != nil || again != op {
			t.Errorf("operation %d: %q becomes %d, %v", op, text, again, err)
		}
	}
}
