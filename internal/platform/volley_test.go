package platform

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson"
	"azx/internal/delivery"
)

// resting is a Writer of one lane in which the Things T0, T1 ... of one property rest. What it sends to each then comes back.
func resting(t *testing.T, things int, test func(b *bench, last []*result)) {
	gathering(t, func(b *bench) {
		for i := range things {
			b.platform.add(fmt.Sprint("T", i), "n:NUMBER")
			b.want(b.send(fmt.Sprint("T", i), `{"n":1}`), "accepted")
		}
		last := make([]*result, things)
		for i := range last {
			last[i] = b.send(fmt.Sprint("T", i), `{"n":2}`)
			b.want(last[i], "open")
		}
		test(b, last)
	})
}

// onPush has pushes to a Thing answered by f from now on; "" is each but "Busy".
func (b *bench) onPush(thing string, f func(ctx context.Context) (alwayson.Response, bool, error)) {
	b.platform.with(func() {
		b.platform.hook = func(ctx context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
			if r.Target != alwayson.PushService || r.Name == "Busy" || thing != "" && r.Name != thing {
				return alwayson.Response{}, false, nil
			}
			return f(ctx)
		}
	})
}

// flights has no push to Things answered, and tells how many are under way once those that rest have risen.
func (b *bench) flights() int {
	var mu sync.Mutex
	flying := 0
	b.onPush("", func(ctx context.Context) (alwayson.Response, bool, error) {
		mu.Lock()
		flying++
		mu.Unlock()
		<-ctx.Done()
		return alwayson.Response{}, true, ctx.Err()
	})
	busy(b, "Busy", 95*time.Millisecond) // else few come, and nothing gathers
	synctest.Wait()
	mu.Lock()
	defer mu.Unlock()
	return flying
}

func TestThingsOfALaneThatRiseTogetherAreWrittenAtOnce(t *testing.T) {
	resting(t, 3, func(b *bench, last []*result) {
		if got := b.flights(); got != 3 {
			t.Errorf("%d requests are under way, want one for each of 3 Things", got)
		}
		b.platform.with(func() { b.platform.hook = nil })
		pass(time.Minute)
		for _, r := range last {
			b.want(r, "accepted")
		}
	})
}

func TestAVolleyHasNoMoreRequestsThanItMay(t *testing.T) {
	resting(t, mostFlights+3, func(b *bench, _ []*result) {
		if got := b.flights(); got != mostFlights {
			t.Errorf("%d requests are under way, want %d", got, mostFlights)
		}
	})
}

func TestAVolleyThatHoldsManyValuesIsFull(t *testing.T) {
	resting(t, 3, func(b *bench, _ []*result) {
		for range volleyValues {
			b.send("T0", `{"n":3}`)
		}
		if got := b.flights(); got != 1 {
			t.Errorf("%d requests are under way beside one of %d values", got-1, volleyValues)
		}
	})
}

func TestToAPlatformThatIsFarAwayAVolleyHoldsMore(t *testing.T) {
	resting(t, 3, func(b *bench, last []*result) {
		b.onPush("T2", func(context.Context) (alwayson.Response, bool, error) {
			pass(farAway)
			return alwayson.Response{}, false, nil
		})
		busy(b, "Busy", 100*time.Millisecond)
		b.want(last[2], "accepted")
		for range volleyValues {
			b.send("T0", `{"n":3}`)
		}
		b.send("T1", `{"n":3}`)
		b.send("T2", `{"n":3}`)
		if got := b.flights(); got != 3 {
			t.Errorf("%d requests are under way, want one for each of 3 Things", got)
		}
	})
}

func TestWhatIsNotAcceptedInAVolleyTakesATurnOfItsOwn(t *testing.T) {
	refused := alwayson.Refuse(alwayson.BadRequest, "not today")
	for name, c := range map[string]struct {
		answer alwayson.Response
		err    error
		lasts  int // times
		want   string
	}{
		"rejected":          {answer: refused, lasts: 100, want: "refused bad-request"},
		"unavailable":       {answer: alwayson.Refuse(alwayson.ServiceUnavailable, ""), lasts: 2, want: "accepted"},
		"connection lost":   {err: fmt.Errorf("read: %w", alwayson.ErrClosed), lasts: 1, want: "accepted"},
		"server error once": {answer: alwayson.Refuse(alwayson.InternalServerError, ""), lasts: 1, want: "accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			resting(t, 3, func(b *bench, last []*result) {
				left := c.lasts
				b.onPush("T1", func(context.Context) (alwayson.Response, bool, error) {
					left--
					return c.answer, left >= 0, c.err
				})
				busy(b, "Busy", 100*time.Millisecond)
				pass(time.Second)
				b.want(last[0], "accepted")
				b.want(last[1], c.want)
				b.want(last[2], "accepted")
			})
		})
	}
}

func TestWithoutAnAnswerInTimeAVolleyDropsTheSocketAndIsWrittenAgain(t *testing.T) {
	resting(t, 3, func(b *bench, last []*result) {
		silent := true
		b.onPush("T1", func(ctx context.Context) (alwayson.Response, bool, error) {
			if !silent {
				return alwayson.Response{}, false, nil
			}
			silent = false
			<-ctx.Done()
			return alwayson.Response{}, true, ctx.Err()
		})
		busy(b, "Busy", 100*time.Millisecond)
		pass(time.Second)
		b.want(last[0], "accepted")
		b.want(last[1], "open")
		b.want(last[2], "accepted")
		b.wantCount("drop", 0)
		pass(b.writer.cfg.ReplyTimeout)
		b.want(last[1], "accepted")
		b.wantCount("drop", 1)
		b.wantCount("push T1 n=2", 2)
	})
}

func TestAThingThatDoesNotAnswerInAVolleyHoldsUpNoOther(t *testing.T) {
	resting(t, 3, func(b *bench, last []*result) {
		b.onPush("T1", func(ctx context.Context) (alwayson.Response, bool, error) {
			<-ctx.Done()
			return alwayson.Response{}, true, ctx.Err()
		})
		busy(b, "Busy", 100*time.Millisecond)
		for range 5 {
			next := b.send("T0", `{"n":3}`)
			pass(4 * lookAfter)
			b.want(next, "accepted")
		}
		b.want(last[1], "open")
	})
}

func TestAThingThatIsForgottenIsAskedForBeforeAVolley(t *testing.T) {
	resting(t, 3, func(b *bench, last []*result) {
		b.platform.with(func() { b.platform.log = nil })
		b.writer.Forget("T1")
		busy(b, "Busy", 100*time.Millisecond)
		for _, r := range last {
			b.want(r, "accepted")
		}
		b.wantCount("GetAzureRemoteProperties", 1)
	})
}

func TestWhatNobodyWantsAnyMoreIsNotInAVolley(t *testing.T) {
	resting(t, 2, func(b *bench, last []*result) {
		r := &result{}
		b.writer.Write(&delivery.Queued{Telemetry: b.telemetry("T1", `{"n":7}`), Settle: r.settle, Wanted: func() bool { return false }})
		busy(b, "Busy", 100*time.Millisecond)
		b.want(last[1], "accepted")
		b.want(r, "unwanted")
		b.wantCount("n=7", 0)
	})
}

func TestWhatAVolleyGotIsNotHeldAgainstLaterMessages(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("T", "n:NUMBER")
		b.want(b.send("T", `{"n":1}`), "accepted")
		wanted := true
		first, later := &result{}, &result{}
		b.onPush("T", func(context.Context) (alwayson.Response, bool, error) {
			if !wanted {
				return alwayson.Response{}, false, nil
			}
			wanted = false // somebody took its partition over, and gave it back
			later = b.send("T", `{"n":3}`)
			return alwayson.Refuse(alwayson.BadRequest, "not today"), true, nil
		})
		b.writer.Write(&delivery.Queued{Telemetry: b.telemetry("T", `{"n":2}`), Settle: first.settle, Wanted: func() bool { return wanted }})
		b.want(first, "unwanted")
		b.want(later, "accepted")
	})
}

// questions is the most questions that are under way at once in a lane with many Things to ask for, if each takes so long.
func questions(t *testing.T, each time.Duration) int {
	var now, most atomic.Int64
	inBubble(t, nil, func(b *bench) {
		b.platform.with(func() {
			b.platform.hook = func(_ context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
				if r.Target == remotePropertiesService {
					most.Store(max(most.Load(), now.Add(1)))
					pass(each)
					now.Add(-1)
				}
				return alwayson.Response{}, false, nil
			}
		})
		var last *result
		for i := range 20 {
			b.platform.add(fmt.Sprint("T", i), "n:NUMBER")
			last = b.send(fmt.Sprint("T", i), `{"n":1}`)
		}
		pass(time.Minute)
		b.want(last, "accepted")
	})
	return int(most.Load())
}

func TestALaneAsksForTwoThingsAtOnceWhileThePlatformIsFarAway(t *testing.T) {
	if near, far := questions(t, farAway/2), questions(t, farAway); near != 1 || far != 2 {
		t.Errorf("%d questions are under way at once, and %d while the platform is far away; want 1 and 2", near, far)
	}
}
