package platform

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson"
	"azx/internal/delivery"
)

func TestMessagesThatAreNotWantedAnyMoreAreNotWritten(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		var lost atomic.Bool
		b.platform.add("Pump", "n:NUMBER")
		send := func(wanted func() bool) *result {
			r := &result{}
			b.writer.Write(&delivery.Queued{Telemetry: b.telemetry("Pump", `{"n":1}`), Settle: r.settle, Wanted: wanted})
			return r
		}
		ours := func() bool { return !lost.Load() }
		b.want(send(ours), "accepted")
		open := b.platform.gate("")
		sent := send(ours)
		synctest.Wait() // in flight
		waiting := []*result{send(ours), send(nil), send(ours)}
		lost.Store(true)
		open()
		b.want(sent, "accepted")
		for i, want := range []string{"unwanted", "accepted", "unwanted"} {
			b.want(waiting[i], want)
		}
		b.wantCount("push", 3)
		if n := b.writer.Waiting(); n != 0 {
			t.Errorf("%d messages are not settled", n)
		}
	})
}

func TestARequestWhoseAnswerWasLostIsNotSentAgainOnceNobodyWantsIt(t *testing.T) {
	for name, c := range map[string]struct {
		before bool // the partition is lost before the answer is
		wants  []string
		most   int // requests
	}{
		"lost":                {true, []string{"unwanted", "unwanted"}, 1},
		"still this reader's": {false, []string{"accepted", "accepted"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				var lost atomic.Bool
				ours := func() bool { return !lost.Load() }
				b.platform.add("Pump", "n:NUMBER")
				b.want(b.send("Pump", `{"n":0}`), "accepted")
				gone := make(chan struct{})
				b.platform.with(func() {
					b.platform.hook = func(context.Context, alwayson.Request) (alwayson.Response, bool, error) {
						<-gone
						b.platform.with(func() { b.platform.hook = nil })
						return alwayson.Response{}, true, alwayson.ErrClosed
					}
				})
				var results []*result
				for range c.wants {
					r := &result{}
					results = append(results, r)
					b.writer.Write(&delivery.Queued{Telemetry: b.telemetry("Pump", `{"n":1}`), Settle: r.settle, Wanted: ours})
				}
				synctest.Wait()
				lost.Store(c.before)
				close(gone)
				pass(time.Minute)
				for i, want := range c.wants {
					b.want(results[i], want)
				}
				if n := len(b.platform.calls("push Pump n=1")); n == 0 || n > c.most {
					t.Errorf("%d requests, want at most %d", n, c.most)
				}
				b.want(b.send("Pump", `{"n":2}`), "accepted") // others go on
			})
		})
	}
}
