package platform

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/message"
)

// busy has six messages of a Thing come each millisecond, until it has been so for a time: more than gatherFrom.
func busy(b *bench, thing string, lasting time.Duration) (last *result) {
	for range lasting / time.Millisecond {
		for range 6 {
			last = b.send(thing, `{"n":1}`)
		}
		pass(time.Millisecond)
	}
	return last
}

// gathering is a Writer whose Thing "Busy" rests between two requests, with "Seldom" beside it in the same lane.
func gathering(t *testing.T, test func(b *bench)) {
	inBubble(t, func(c *WriterConfig) { c.Gather = 100 * time.Millisecond }, func(b *bench) {
		b.platform.add("Busy", "n:NUMBER")
		b.platform.add("Seldom", "n:NUMBER")
		b.want(b.send("Seldom", `{"n":1}`), "accepted")
		busy(b, "Busy", 1510*time.Millisecond) // rests begin and end at multiples of 25 ms
		test(b)
	})
}

func TestWhileManyMessagesComeThoseOfAThingTravelTogetherAndInTheirOrder(t *testing.T) {
	gathering(t, func(b *bench) {
		before := len(b.platform.calls("push Busy"))
		last := busy(b, "Busy", time.Second)
		if requests := len(b.platform.calls("push Busy")) - before; requests < 9 || requests > 14 {
			t.Errorf("6,000 messages of a second took %d requests, want one for each 75 to 100 ms", requests)
		}
		pass(100 * time.Millisecond)
		b.want(last, "accepted")
		times := int64(0)
		for _, v := range b.platform.things["Busy"].values {
			if v.TimeMs <= times {
				t.Fatalf("the value of %d came after that of %d", v.TimeMs, times)
			}
			times = v.TimeMs
		}
	})
}

func TestAThingThatSendsSeldomDoesNotRestWhileOthersSendMuch(t *testing.T) {
	gathering(t, func(b *bench) {
		for range 5 {
			busy(b, "Busy", 200*time.Millisecond)
			b.want(b.send("Seldom", `{"n":1}`), "accepted")
		}
	})
}

func TestWhileFewMessagesComeEachIsWrittenAtOnce(t *testing.T) {
	gathering(t, func(b *bench) {
		pass(200 * time.Millisecond) // they are counted each 100 ms
		for range 100 {
			b.want(b.send("Busy", `{"n":1}`), "accepted")
			pass(time.Millisecond)
		}
	})
}

func TestWithoutRoomNothingRestsForAWhile(t *testing.T) {
	gathering(t, func(b *bench) {
		waiting := b.send("Busy", `{"n":1}`)
		b.want(waiting, "open")
		b.writer.Hurry()
		b.want(waiting, "accepted")
		for range hurriedFor / (4 * time.Millisecond) {
			b.want(busy(b, "Busy", time.Millisecond), "accepted")
		}
		busy(b, "Busy", 500*time.Millisecond)
		b.want(b.send("Busy", `{"n":1}`), "open")
	})
}

func TestWhatSomebodyElseWritesToAThingEndsItsRest(t *testing.T) {
	gathering(t, func(b *bench) {
		waiting := b.send("Busy", `{"n":1}`)
		b.want(waiting, "open")
		if err := b.writer.Push(b.t.Context(), "Busy", []message.Write{{Property: "n", Value: infotable.Number(7)}}); err != nil {
			t.Error(err)
		}
		b.want(waiting, "accepted")
	})
}

func TestMessagesThatMayNotJoinOthersDoNotRest(t *testing.T) {
	gathering(t, func(b *bench) {
		b.tellsTimes()
		var last *result
		for n := range int64(20) {
			last = b.again("Busy", `{"n":1}`, 1_000_000+n)
		}
		busy(b, "Seldom", 100*time.Millisecond) // else few come, and nothing rests
		b.want(last, "accepted")
	})
}

func TestMoreThanARequestHoldsDoesNotRest(t *testing.T) {
	gathering(t, func(b *bench) {
		b.writer.cfg.MaxValues = 10
		var last *result
		for range 100 {
			last = b.send("Busy", `{"n":1}`)
		}
		busy(b, "Seldom", 100*time.Millisecond) // else few come, and nothing rests
		b.want(last, "accepted")
	})
}

func TestAThingThatDoesNotAnswerDoesNotHoldUpThoseThatRest(t *testing.T) {
	gathering(t, func(b *bench) {
		b.platform.add("Stuck", "n:NUMBER")
		b.want(b.send("Stuck", `{"n":1}`), "accepted")
		b.platform.with(func() {
			b.platform.hook = func(ctx context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
				if r.Name == "Stuck" {
					<-ctx.Done()
				}
				return alwayson.Response{}, false, ctx.Err()
			}
		})
		busy(b, "Busy", 200*time.Millisecond)
		b.send("Stuck", `{"n":2}`)
		rests := b.send("Busy", `{"n":1}`)
		b.want(rests, "open")
		pass(time.Second / 2)
		b.want(rests, "accepted")
	})
}

func TestADrainDoesNotWaitForTheRest(t *testing.T) {
	gathering(t, func(b *bench) {
		b.want(b.send("Busy", `{"n":1}`), "open")
		began := time.Now()
		if err := b.writer.Drain(context.Background()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %s", took)
		}
	})
}
