package platform

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"azx/internal/delivery"
)

func TestMessagesThatAreNotWantedAnyMoreAreNotWritten(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		var lost atomic.Bool
		b.platform.add("Pump", "n:NUMBER")
		send := func(wanted func() bool) *result {
			r := &result{}
			b.writer.Write(delivery.Queued{Telemetry: b.telemetry("Pump", `{"n":1}`), Settle: r.settle, Wanted: wanted})
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
