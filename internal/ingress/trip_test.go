package ingress

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"azx/internal/delivery"
	"azx/internal/message"
)

func newTrip(after int, told *int) *Trip {
	return NewTrip(after, slog.New(slog.DiscardHandler), func(error) { *told++ })
}

func refuse(t *Trip, n, devices int) {
	for i := range n {
		t.Refused("rejected", fmt.Sprint("pump-", i%devices))
	}
}

func TestReadingPausesWhenEverythingIsRefusedForOneReason(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*Trip)
		want bool
	}{
		"a run of many devices":              {func(t *Trip) { refuse(t, 20, 10) }, true},
		"one less":                           {func(t *Trip) { refuse(t, 19, 10) }, false},
		"a run of few devices":               {func(t *Trip) { refuse(t, 500, 9) }, false},
		"a delivery between":                 {func(t *Trip) { refuse(t, 19, 10); t.Delivered(); refuse(t, 19, 10) }, false},
		"another reason between":             {func(t *Trip) { refuse(t, 19, 10); t.Refused("no-reply", "pump-1"); refuse(t, 19, 10) }, false},
		"a device without a Thing between":   {func(t *Trip) { refuse(t, 19, 10); t.Refused("no-thing", "x"); refuse(t, 1, 1) }, true},
		"a delivery at the end":              {func(t *Trip) { refuse(t, 20, 10); t.Delivered() }, false},
		"an operator at the end":             {func(t *Trip) { refuse(t, 20, 10); t.Resume() }, false},
		"it goes on after an operator's try": {func(t *Trip) { refuse(t, 20, 10); t.Resume(); refuse(t, 20, 10) }, true},
	} {
		told := 0
		trip := newTrip(20, &told)
		c.do(trip)
		if got := trip.Paused() != nil; got != c.want {
			t.Errorf("%s: paused %v", name, got)
		}
	}
	told := 0
	trip := newTrip(20, &told)
	refuse(trip, 60, 12)
	if told != 1 {
		t.Errorf("a pause was told %d times", told)
	}
	never := newTrip(0, &told)
	if refuse(never, 10_000, 100); never.Paused() != nil {
		t.Error("it pauses although nobody wants it to")
	}
}

func TestWhileReadingPausesAMessagePassesNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		trip := newTrip(20, &told)
		began := time.Now()
		pass := func(after time.Duration) {
			t.Helper()
			if err := trip.Pass(t.Context()); err != nil || time.Since(began) != after {
				t.Errorf("passed after %v, %v; want %v", time.Since(began), err, after)
			}
		}
		refuse(trip, 19, 10)
		pass(0)
		pass(0)
		refuse(trip, 1, 1)
		pass(probeEvery)
		trip.Refused("rejected", "pump-1")
		pass(2 * probeEvery)

		passed := make(chan error)
		go func() { passed <- trip.Pass(t.Context()) }()
		synctest.Wait()
		trip.Delivered() // what was on its way
		if err := <-passed; err != nil || time.Since(began) != 2*probeEvery {
			t.Errorf("after a delivery: %v, %v", time.Since(began), err)
		}
		pass(2 * probeEvery)

		refuse(trip, 20, 10)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { passed <- trip.Pass(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-passed; err == nil {
			t.Error("a message passed after the stop")
		}
	})
}

// TestAPauseIsARunWithoutADelivery compares a Trip with what its sentence says.
func TestAPauseIsARunWithoutADelivery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		told := 0
		trip := newTrip(15, &told)
		var run []string // devices
		reason, paused := "", false
		t.Repeat(map[string]func(*rapid.T){
			"refuse": func(t *rapid.T) {
				r := rapid.SampledFrom([]string{"a", "a", "a", "a", "a", "a", "a", "a", "b"}).Draw(t, "reason")
				for range rapid.IntRange(1, 20).Draw(t, "times") {
					device := fmt.Sprint(rapid.IntRange(0, 14).Draw(t, "device"))
					trip.Refused(r, device)
					if r != reason {
						reason, run = r, nil
					}
					run = append(run, device)
					distinct := map[string]bool{}
					for _, d := range run {
						distinct[d] = true
					}
					paused = paused || len(run) >= 15 && len(distinct) >= tripThings
				}
			},
			"deliver": func(*rapid.T) { trip.Delivered(); reason, run, paused = "", nil, false },
			"": func(t *rapid.T) {
				if got := trip.Paused() != nil; got != paused {
					t.Fatalf("paused %v, want %v", got, paused)
				}
			},
		})
	})
}

// TestAPumpTakesNothingInWhileReadingPauses sends messages of ten devices that are all refused, until the platform is mended.
func TestAPumpTakesNothingInWhileReadingPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []*message.Message
		for i := range int64(100) {
			all = append(all, msg(i, fmt.Sprint("pump-", i%10), `{"a":1}`))
		}
		var mended atomic.Bool
		r := newRig(KeepUnknown, func(*delivery.Queued) *delivery.Outcome {
			if mended.Load() {
				return &delivery.Outcome{}
			}
			return &delivery.Outcome{Kind: delivery.Refused, Reason: "rejected"}
		}, all...)
		told := 0
		r.flow.Pump.Trip = newTrip(20, &told)
		r.flow.Pump.Budget = NewBudget(int64(all[0].Size())) // one in flight, so that each has ended before the next
		defer r.start(t)()
		elapse(time.Second)
		first := len(r.writer.sequences())
		if first < 20 || first > 21 || told != 1 { // one may have passed before the pause began
			t.Errorf("%d messages were taken in, and %d pauses told", first, told)
		}
		elapse(2 * probeEvery)
		if n := len(r.writer.sequences()) - first; n != 2 {
			t.Errorf("%d were taken in with two probes", n)
		}
		mended.Store(true)
		elapse(probeEvery)
		if n := len(r.writer.sequences()); n != 100 {
			t.Errorf("%d were taken in once it was mended", n)
		}
	})
}
