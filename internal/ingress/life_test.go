package ingress

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/delivery"
	"azx/internal/message"
)

type lives struct{ carried []string }

func (l *lives) Carry(_ context.Context, m *message.Message) {
	l.carried = append(l.carried, m.DeviceID)
}

func TestALifeCycleEventHasItsPlaceInTheLaneOfItsThing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := msg(0, "a:b", `{}`)
		made.Source = message.SourceLifecycle
		var followed lives
		r := newRig(KeepUnknown, func(q *delivery.Queued) *delivery.Outcome {
			if q.Act == nil || q.Thing != message.ThingName("a:b") {
				return &delivery.Outcome{}
			}
			o := q.Act(t.Context())
			return &o
		}, made, msg(1, "a:b", `{"x":1}`))
		r.flow.Pump.Life = &followed
		stop := r.start(t)
		synctest.Wait()
		stop()
		if !slices.Equal(followed.carried, []string{"a:b"}) || r.meter.count("skipped life-cycle") != 1 || r.meter.count("delivered ") != 1 {
			t.Errorf("followed %v, ended as %v", followed.carried, r.meter.ended)
		}
	})
}

func TestALifeCycleEventThatIsNotFollowedYetHoldsTheCheckpointAndIsTheLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := msg(1, "b", `{}`)
		made.Source = message.SourceLifecycle
		var act *delivery.Queued
		r := newRig(KeepUnknown, func(q *delivery.Queued) *delivery.Outcome {
			if q.Act == nil {
				return &delivery.Outcome{}
			}
			act = q
			return nil
		}, msg(0, "a", `{"x":1}`), made, msg(2, "a", `{"x":2}`))
		r.flow.Pump.Life = &lives{}
		stop := r.start(t)
		elapse(time.Minute)
		if v := r.flow.Partitions[0].View(); v.Since.InFlight != 1 || v.Since.Oldest.Sequence != 1 || r.store.last() != 0 {
			t.Errorf("saved up to %d, %+v", r.store.last(), v.Since)
		}
		act.Settle(act.Act(t.Context()))
		elapse(time.Minute)
		if v := r.flow.Partitions[0].View(); v.Since.InFlight != 0 || r.store.last() != 2 {
			t.Errorf("saved up to %d, %+v", r.store.last(), v.Since)
		}
		stop()
	})
}
