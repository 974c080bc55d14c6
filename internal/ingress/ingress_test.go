package ingress

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/message"
)

func TestMessagesGoToTheirThingsInOrderAndTheCheckpointFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, msg(0, "a", `{"x":1}`), msg(1, "b#", `{"x":2}`), msg(2, "a", `{"x":3}`))
		stop := r.start(t)
		elapse(1500 * time.Millisecond) // fake time: one checkpoint interval passes
		if got := r.writer.sequences(); !slices.Equal(got, []int64{0, 1, 2}) {
			t.Errorf("written: %v", got)
		}
		if got := r.writer.seen[1].Thing; got != "b_x23_" {
			t.Errorf("the second message went to %q", got)
		}
		if r.store.last() != 2 {
			t.Errorf("checkpoint at %d, want 2", r.store.last())
		}
		stop()
	})
}

func TestTheCheckpointStaysBeforeWhatIsNotSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := func(q *delivery.Queued) *delivery.Outcome {
			if q.Message.Sequence == 1 {
				return nil
			}
			return &delivery.Outcome{}
		}
		r := newRig(KeepUnknown, hold, msg(0, "a", `{}`), msg(1, "a", `{"x":1}`), msg(2, "b", `{"x":1}`))
		stop := r.start(t)
		elapse(3 * time.Second)
		if r.store.last() != 0 {
			t.Errorf("checkpoint at %d with message 1 in flight", r.store.last())
		}
		stop() // gives up after the drain timeout
		if r.store.last() != 0 {
			t.Errorf("checkpoint at %d after a stop with message 1 in flight", r.store.last())
		}
	})
}

func TestAStopWaitsForWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, func(q *delivery.Queued) *delivery.Outcome {
			time.AfterFunc(2*time.Second, func() { q.Settle(delivery.Outcome{}) })
			return nil
		}, msg(0, "a", `{"x":1}`), msg(1, "a", `{"x":1}`))
		stop := r.start(t)
		synctest.Wait()
		stop()
		if r.store.last() != 1 {
			t.Errorf("last checkpoint at %d, want 1", r.store.last())
		}
	})
}

func TestALostLinkIsOpenedAgainBehindWhatWasReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, msg(0, "a", `{"x":1}`), msg(1, "a", `{"x":2}`), msg(2, "a", `{"x":3}`))
		r.hub.failAt = 2
		stop := r.start(t)
		elapse(5 * time.Second)
		stop()
		if got := r.writer.sequences(); !slices.Equal(got, []int64{0, 1, 2}) {
			t.Errorf("written: %v, want each once", got)
		}
		if got := strings.Join(r.hub.opened, ", "); got != "earliest, after sequence 1" {
			t.Errorf("opened at %s", got)
		}
	})
}

func TestARuleSkipsAndAFaultQuarantines(t *testing.T) {
	twin, life := msg(0, "a", `{"x":1}`), msg(0, "a", `{"x":1}`)
	twin.Source, life.Source = "twinChangeEvents", "deviceLifecycleEvents"
	tests := []struct {
		name    string
		m       *message.Message
		outcome delivery.Outcome
		ends    string // as the meter counts it
	}{
		{"a life cycle event that nobody follows is skipped", life, delivery.Outcome{}, "skipped life-cycle"},
		{"a changed twin is skipped: it is for others", twin, delivery.Outcome{}, "skipped twin-change"},
		{"an empty body is a heartbeat", msg(0, "a", ``), delivery.Outcome{}, "skipped heartbeat"},
		{"a body that is no JSON goes to quarantine", msg(0, "a", `{`), delivery.Outcome{}, "quarantined undecodable"},
		{"a message of nobody goes to quarantine", msg(0, "", `{}`), delivery.Outcome{}, "quarantined undecodable"},
		{"what the platform refuses goes to quarantine", msg(0, "a", `{"x":1}`),
			delivery.Outcome{Kind: delivery.Refused, Reason: "wrong-type", Err: errors.New("x")}, "quarantined wrong-type"},
		{"no key with a property is skipped", msg(0, "a", `{"y":1}`),
			delivery.Outcome{Kind: delivery.Nothing, Reason: "unknown-property"}, "skipped unknown-property"},
		{"no Thing: the message is kept", msg(0, "a", `{"y":1}`),
			delivery.Outcome{Kind: delivery.NoThing, Reason: "no-thing"}, "quarantined no-thing"},
		{"delivered", msg(0, "a", `{"y":1}`), delivery.Outcome{}, "delivered "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(KeepUnknown, func(*delivery.Queued) *delivery.Outcome { return &tt.outcome }, tt.m)
				stop := r.start(t)
				synctest.Wait()
				stop()
				if r.meter.count(tt.ends) != 1 {
					t.Errorf("ended as %v, want %q", r.meter.ended, tt.ends)
				}
				if c := r.counts(); c.InFlight != 0 || c.Received != 1 {
					t.Errorf("account %+v", c)
				}
			})
		})
	}
}

func TestAChangedTwinIsToldAndWrittenNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		twin := msg(0, "a", `{"version":2,"properties":{"reported":{"x":1}}}`)
		twin.Source = message.SourceTwinChanges
		r := newRig(KeepUnknown, accept, twin, msg(1, "a", `{"x":1}`))
		told := &fakeTwins{}
		r.flow.Pump.Twins = told
		stop := r.start(t)
		synctest.Wait()
		stop()
		if len(told.changes) != 1 || told.changes[0] != twin {
			t.Errorf("told %v", told.changes)
		}
		if got := r.writer.sequences(); !slices.Equal(got, []int64{1}) {
			t.Errorf("written: %v, want the telemetry alone", got)
		}
	})
}

func TestWhileQuarantineFailsNothingIsSettledAndReadingStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept)
		for i := range int64(100) {
			r.hub.log = append(r.hub.log, msg(i, "a", `no JSON`))
		}
		r.flow.Pump.Budget = NewBudget(int64(10 * r.hub.log[0].Size()))
		r.quarantine.err = errors.New("disk full")
		stop := r.start(t)
		elapse(time.Minute)
		if c := r.counts(); c.Received != 10 || c.InFlight != 10 {
			t.Errorf("with a full disk: %+v, want the ten that the budget holds", c)
		}
		if r.writer.hurried != 1 {
			t.Errorf("the lanes were hurried %d times, want once: there is no room", r.writer.hurried)
		}
		if r.aside.Failing() == nil {
			t.Error("the failure is not told")
		}
		r.quarantine.heal()
		elapse(time.Minute)
		if c := r.counts(); c.Quarantined != 100 || r.aside.Failing() != nil {
			t.Errorf("after the disk is free: %+v, failing %v", c, r.aside.Failing())
		}
		stop()
	})
}

func TestKeptMessagesComeBackWhenTheThingAppears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		none := delivery.Outcome{Kind: delivery.NoThing, Reason: "no-thing"}
		r := newRig(KeepUnknown, func(*delivery.Queued) *delivery.Outcome { return &none },
			msg(0, "a", `{"x":0}`), msg(1, "a", `{"x":1}`), msg(2, "a", `{"x":2}`))
		stop := r.start(t)
		synctest.Wait()
		if r.meter.count("quarantined no-thing") != 3 {
			t.Fatalf("ended as %v", r.meter.ended)
		}
		released := r.aside.Release("a")
		if len(released) != 2 || released[0].Message.Sequence != 1 || released[1].Message.Sequence != 2 {
			t.Fatalf("released %v, want the last two, oldest first", released)
		}
		released[0].Settle(delivery.Outcome{})
		released[1].Settle(delivery.Outcome{Kind: delivery.Refused, Reason: "wrong-type", Err: errors.New("x")})
		synctest.Wait()
		if left, _ := r.shelf.Kept("a"); len(left) != 0 {
			t.Errorf("%d messages are still kept", len(left))
		}
		if got := r.quarantine.reasons(); !slices.Equal(got, []string{"2 replay/wrong-type"}) {
			t.Errorf("quarantined: %v", got)
		}
		stop()
	})
}

func TestTheTimeOfAMessageIsItsOwn(t *testing.T) {
	enqueued := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name, property, field, body string
		want                        time.Time
		replaced                    bool
	}{
		{"the creation time the device states", "2026-11-22T11:59:30.250Z", "", `{}`, enqueued.Add(-30 * time.Second).Add(250 * time.Millisecond), false},
		{"an offset is understood", "2026-11-22T13:00:00+02:00", "", `{}`, enqueued.Add(-time.Hour), false},
		{"the field of the body", "", "ts", `{"ts":"2026-11-22T11:00:00Z"}`, enqueued.Add(-time.Hour), false},
		{"the field as milliseconds", "", "ts", `{"ts":1795345200000}`, time.UnixMilli(1795345200000).UTC(), false},
		{"the property wins over the field", "2026-11-22T11:00:00Z", "ts", `{"ts":1}`, enqueued.Add(-time.Hour), false},
		{"nothing stated: when the hub took it", "", "ts", `{}`, enqueued, false},
		{"before 2000 is not believed", "1970-01-01T00:00:10Z", "", `{}`, enqueued, true},
		{"far ahead is not believed", "2026-11-22T12:10:01Z", "", `{}`, enqueued, true},
		{"no time at all is not believed", "yesterday", "", `{}`, enqueued, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := msg(0, "a", tt.body)
			m.Enqueued = enqueued
			if tt.property != "" {
				m.Properties = map[string]string{message.PropertyCreationTime: tt.property}
			}
			p := &Translator{Names: &Names{}, Stamp: Stamp{Field: tt.field}, Meter: &fakeMeter{ended: map[string]int{}}}
			got, err := p.Translate(m)
			if err != nil {
				t.Fatal(err)
			}
			if got.Time != tt.want.UnixMilli() {
				t.Errorf("got %s, want %s", time.UnixMilli(got.Time).UTC(), tt.want)
			}
			if replaced := p.Meter.(*fakeMeter).count("time replaced") == 1; replaced != tt.replaced {
				t.Errorf("replaced: %v, want %v", replaced, tt.replaced)
			}
		})
	}
}

func TestTheSecondOfTwoIDsThatDifferByCaseIsRefusedWithBothNames(t *testing.T) {
	n := &Names{}
	if _, err := n.Thing("Pump1"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Thing("Pump1"); err != nil {
		t.Fatal(err)
	}
	_, err := n.Thing("pump1")
	if err == nil || !strings.Contains(err.Error(), `"pump1" differs from "Pump1"`) || fault.ClassOf(err) != fault.Rejected {
		t.Fatalf("got %v", err)
	}
}

func TestAFailingCheckpointStoreDoesNotStopTheMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, msg(0, "a", `{"x":1}`), msg(1, "a", `{"x":2}`))
		r.store.err = errors.New("read-only")
		stop := r.start(t)
		elapse(3 * time.Second)
		stop()
		if c := r.counts(); c.Delivered != 2 {
			t.Errorf("account %+v", c)
		}
		if r.meter.count("checkpoint failed") == 0 {
			t.Error("the failure is not counted")
		}
	})
}

func TestThingsWithKeptMessagesAreAskedAboutAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		r := Revisit{
			Things: func() []string { return []string{"a", "b", "c"} },
			Visit:  func(thing string) { asked = append(asked, thing) },
			Every:  10 * time.Second, Most: 2,
		}
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
		defer cancel()
		r.Run(ctx)
		if got := strings.Join(asked, " "); got != "a b c a b" {
			t.Errorf("asked about %s", got)
		}
	})
}

func TestAPartitionCountsAsReadOnceItStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, msg(0, "a", `{"x":1}`))
		r.hub.refuse = 3
		stop := r.start(t)
		defer stop()
		p := r.flow.Partitions[0]
		for p.View().Counts.Received == 0 {
			if p.View().Reading {
				t.Error("said to be read while no attempt had succeeded")
			}
			elapse(100 * time.Millisecond)
		}
		elapse(steadyAfter)
		if v := p.View(); !v.Reading || v.Err != nil {
			t.Errorf("reading %v, %v after it was opened", v.Reading, v.Err)
		}
	})
}
