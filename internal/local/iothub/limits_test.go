package iothub

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTheBasicTierHasNoWayToDevices(t *testing.T) {
	h := newHub(t, Config{})
	d := mustAdd(t, h, ID{Device: "d1"})
	h.SetLimits(Limits{Basic: true})
	_, err := h.ReadTwin(d.ID)
	wantCode(t, err, NotInThisTier)
	_, err = h.PatchTwin(d.ID, "", TwinUpdate{})
	wantCode(t, err, NotInThisTier)
	_, err = h.PatchReported(principalOf(d), []byte(`{}`))
	wantCode(t, err, NotInThisTier)
	_, err = h.Invoke(t.Context(), d.ID, MethodCall{Name: "m"})
	wantCode(t, err, NotInThisTier)
	wantCode(t, h.SendToDevice(d.ID, CloudMessage{}), NotInThisTier)
	wantCode(t, h.Admit(OpQuery, 0), NotInThisTier)
	for _, there := range []Operation{OpConnect, OpTelemetry, OpRegistry} {
		if err := h.Admit(there, 0); err != nil {
			t.Errorf("operation %d: %v", there, err)
		}
	}
	if _, err := h.Accept(principalOf(d), Message{}); err != nil {
		t.Error(err)
	}
}

func TestOperationsAreThrottledAtTheRatesOfS1(t *testing.T) {
	for name, c := range map[string]struct {
		op    Operation
		bytes int
		at    int // once
		then  time.Duration
	}{
		"queries":                  {OpQuery, 0, 20, 3 * time.Second},
		"changes of twins":         {OpTwinUpdate, 0, 50, 20 * time.Millisecond},
		"methods of 4 KB":          {OpMethod, 4096, 40, 25 * time.Millisecond},
		"methods of over 4 KB":     {OpMethod, 4097, 20, 50 * time.Millisecond},
		"changes of the registry":  {OpRegistry, 0, 100, 600 * time.Millisecond},
		"messages to devices":      {OpCloudToDevice, 9999, 100, 600 * time.Millisecond},
		"telemetry, by the second": {OpTelemetry, 9999, 100, 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHub(t, Config{Clock: time.Now})
				h.SetLimits(Limits{Throttle: true})
				for i := range c.at {
					if err := h.Admit(c.op, c.bytes); err != nil {
						t.Fatalf("operation %d: %v", i+1, err)
					}
				}
				refused := h.Admit(c.op, c.bytes)
				wantCode(t, refused, Throttled)
				if wait := AsError(refused).RetryAfter; wait <= 0 || wait > c.then {
					t.Errorf("come again in %s, want %s", wait, c.then)
				}
				<-time.After(c.then + time.Microsecond)
				if err := h.Admit(c.op, c.bytes); err != nil {
					t.Errorf("after %s: %v", c.then, err)
				}
				wantCode(t, h.Admit(c.op, c.bytes), Throttled)
			})
		})
	}
}

func TestTheMessagesOfADayAreCountedInPiecesOf4KB(t *testing.T) {
	now := noon
	h := newHub(t, Config{Clock: func() time.Time { return now }})
	h.SetLimits(Limits{DailyMessages: 3})
	if err := h.Admit(OpTelemetry, 2*meter); err != nil {
		t.Fatal(err)
	}
	wantCode(t, h.Admit(OpCloudToDevice, meter+1), QuotaExceeded)
	if err := h.Admit(OpTwinRead, 0); err != nil {
		t.Error(err)
	}
	wantCode(t, h.Admit(OpTwinRead, 0), QuotaExceeded)
	if err := h.Admit(OpRegistry, 0); err != nil {
		t.Errorf("the registry has no part in it: %v", err)
	}
	now = now.Add(12 * time.Hour)
	if err := h.Admit(OpTwinRead, 0); err != nil {
		t.Errorf("the next day: %v", err)
	}
	h.SetLimits(Limits{})
	for range 10 {
		if err := h.Admit(OpTelemetry, 0); err != nil {
			t.Fatal(err)
		}
	}
}
