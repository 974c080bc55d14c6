package ingress

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/delivery"
)

// onlyFirst is a hub that has messages in partition 0 only.
type onlyFirst struct{ *fakeHub }

func (h *onlyFirst) Open(ctx context.Context, partition string, from delivery.Start) (Source, error) {
	if partition == "0" {
		return h.fakeHub.Open(ctx, partition, from)
	}
	return newHub().Open(ctx, partition, from)
}

func TestAPositionThatTheHubDoesNotKnowIsReadOnByItsTime(t *testing.T) {
	tests := []struct {
		name   string
		stored func(at *delivery.Checkpoint)
		opened string
		want   []int64
	}{
		{"the time of the last message", func(at *delivery.Checkpoint) { at.Enqueued = msg(1, "a", "").Enqueued },
			"after sequence 900, 2026-11-22T12:00:01Z", []int64{1, 2}},
		{"without a time the earliest, never the latest", func(at *delivery.Checkpoint) { at.Enqueued = time.Time{} },
			"after sequence 900, earliest", []int64{0, 1, 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(KeepUnknown, accept, three()...)
				r.hub.unknown = 900
				at := delivery.Checkpoint{Sequence: 900, Offset: "90000"}
				tt.stored(&at)
				r.store.at = &at
				r.flow.Partitions[0].Start.Latest = true
				stop := r.start(t)
				elapse(time.Minute)
				stop()
				if got := strings.Join(r.hub.opened, ", "); got != tt.opened {
					t.Errorf("opened at %s", got)
				}
				if got := r.writer.sequences(); !slices.Equal(got, tt.want) {
					t.Errorf("written: %v", got)
				}
				if r.store.last() != 2 || r.meter.count("position unknown") != 1 || r.meter.count("checkpoint failed") != 0 {
					t.Errorf("checkpoint at %d, counted %v", r.store.last(), r.meter.ended)
				}
			})
		})
	}
}

func TestAPositionIsAskedForByTimeAlsoWhenTheHubForgetsItLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, three()...)
		r.hub.failAt, r.hub.unknown = 2, 1
		stop := r.start(t)
		elapse(time.Minute)
		stop()
		if got := strings.Join(r.hub.opened, ", "); got != "earliest, after sequence 1, 2026-11-22T12:00:01Z" {
			t.Errorf("opened at %s", got)
		}
		if r.store.last() != 2 || r.meter.count("position unknown") != 1 {
			t.Errorf("checkpoint at %d, counted %v", r.store.last(), r.meter.ended)
		}
	})
}

func TestMessagesThatTheHubDidNotKeepAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := position(msg(0, "a", ""))
		r := newRig(KeepUnknown, accept, nil, nil, nil, msg(3, "a", `{"x":3}`), msg(4, "a", `{"x":4}`))
		r.store.at = &at
		stop := r.start(t)
		elapse(2 * time.Second)
		stop()
		if r.meter.count("missed 2") != 1 {
			t.Errorf("counted %v", r.meter.ended)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, nil, msg(1, "a", `{"x":3}`))
		stop := r.start(t)
		elapse(2 * time.Second)
		stop()
		if r.meter.count("missed 1") != 0 {
			t.Error("what was there before the first start is taken for missing")
		}
	})
}

func TestAPartitionThatIsSilentIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(KeepUnknown, accept, three()...)
		r.hub.silent = true
		stop := r.start(t)
		elapse(time.Minute)
		p := r.flow.Partitions[0]
		if at, known := p.View().Received(); at != -1 || !known || !p.View().Waiting || !p.View().Reading {
			t.Fatalf("before: %+v", p.View())
		}
		r.hub.mu.Lock()
		r.hub.silent = false // for a new link
		r.hub.mu.Unlock()
		r.flow.Reopen(p)
		elapse(2 * time.Second)
		if v := p.View(); v.Since.Last.Sequence != 2 || !v.Reading || r.meter.count("stalled") != 1 {
			t.Errorf("after: %+v, counted %v", v, r.meter.ended)
		}
		stop()
	})
}
