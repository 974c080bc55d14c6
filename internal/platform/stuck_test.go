package platform

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson"
	"azx/internal/delivery"
)

// answering makes a platform answer with a code whatever is asked of the Things named.
func (p *fakePlatform) answering(code alwayson.Code, things ...string) {
	p.with(func() {
		p.hook = func(_ context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
			return alwayson.Refuse(code, "not now"), slices.Contains(things, r.Name), nil
		}
	})
}

func TestAThingThatIsNeverAvailableIsParkedAndTheOthersOfItsLaneGoOn(t *testing.T) {
	for _, code := range []alwayson.Code{alwayson.ServiceUnavailable, alwayson.GatewayTimeout, alwayson.BadGateway} {
		t.Run(code.String(), func(t *testing.T) {
			inBubble(t, func(c *WriterConfig) { c.Lanes = 2 }, func(b *bench) {
				b.platform.add("Pump", "n:NUMBER")
				neighbour := neighbourOf(b, "Pump")
				b.platform.add(neighbour, "n:NUMBER")
				own := &bench{t: t, writer: b.writer, platform: b.platform}
				own.want(own.send("Pump", `{"n":1}`), "accepted")
				stop := twoLanes(b, "Pump")
				defer stop()
				b.platform.answering(code, "Pump")
				results := []*result{own.send("Pump", `{"n":2}`), own.send("Pump", `{"n":3}`)}
				waiting := own.send(neighbour, `{"n":1}`)
				pass(20 * time.Second)
				own.want(results[0], "open") // a Thing may take half a minute to restart
				pass(70 * time.Second)
				for _, r := range append(results, own.send("Pump", `{"n":4}`)) {
					own.want(r, "refused unavailable")
				}
				own.want(waiting, "accepted")
				own.wantCount("drop", 0) // all was answered: no connection is in doubt
				b.platform.with(func() { b.platform.hook = nil })
				pass(time.Minute)
				own.want(own.send("Pump", `{"n":5}`), "accepted")
				if got := b.platform.valuesOf("Pump"); !slices.Equal(got, []float64{1, 5}) || b.writer.Parked() != 0 {
					t.Errorf("the Thing has %v, %d are parked", got, b.writer.Parked())
				}
			})
		})
	}
}

// The Things of a lane share one request in flight, but for one that keeps its request waiting: the others go on soon,
// and each Thing keeps its order.
func TestAThingThatDoesNotAnswerHoldsTheOthersOfItsLaneUpForAMoment(t *testing.T) {
	inBubble(t, func(c *WriterConfig) { c.Lanes = 1 }, func(b *bench) {
		things := []string{"Stuck", "Slow", "Fast"}
		for _, thing := range things {
			b.platform.add(thing, "n:NUMBER")
			b.want(b.send(thing, `{"n":1}`), "accepted")
		}
		release := make(chan struct{})
		var waiting, most atomic.Int64
		b.platform.with(func() {
			b.platform.hook = func(ctx context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
				most.Store(max(most.Load(), waiting.Add(1)))
				defer waiting.Add(-1)
				if r.Name == "Fast" {
					return alwayson.Response{}, false, nil
				}
				select {
				case <-release:
				case <-ctx.Done():
					return alwayson.Response{}, true, ctx.Err()
				}
				return alwayson.Response{}, false, nil
			}
		})
		stuck := []*result{b.send("Stuck", `{"n":2}`), b.send("Stuck", `{"n":3}`)}
		fast := b.send("Fast", `{"n":2}`)
		pass(2 * lookAfter)
		b.want(fast, "accepted")
		b.want(stuck[0], "open")

		slow := b.send("Slow", `{"n":2}`) // the only hand that a lane of one may have beside the first
		pass(3 * lookAfter)
		late := b.send("Fast", `{"n":3}`)
		pass(10 * time.Second)
		b.want(late, "open")
		close(release)
		synctest.Wait()
		for _, r := range append(stuck, slow, late) {
			b.want(r, "accepted")
		}
		for _, thing := range things {
			if problem := inOrder(b.platform.valuesOf(thing), len(b.platform.valuesOf(thing)), nil); problem != "" {
				t.Errorf("%s: %s", thing, problem)
			}
		}
		if most.Load() != 2 || b.writer.overtaken.Load() != 0 {
			t.Errorf("%d requests were in flight, %d hands are left over", most.Load(), b.writer.overtaken.Load())
		}
	})
}

// neighbourOf returns the name of a Thing of the same lane.
func neighbourOf(b *bench, thing string) string {
	for i := 0; ; i++ {
		if name := "Next" + strconv.Itoa(i); b.writer.laneOf(name) == b.writer.laneOf(thing) {
			return name
		}
	}
}

func TestATroubleOfTheWholePlatformParksNoThing(t *testing.T) {
	troubles := map[string]func(ctx context.Context) (alwayson.Response, error){
		"it is not available": func(context.Context) (alwayson.Response, error) {
			return alwayson.Refuse(alwayson.ServiceUnavailable, ""), nil
		},
		"it takes 60 s for each answer": func(ctx context.Context) (alwayson.Response, error) {
			select {
			case <-ctx.Done():
				return alwayson.Response{}, ctx.Err()
			case <-time.After(time.Minute):
				return alwayson.Done(), nil
			}
		},
		"its scripts fail": func(context.Context) (alwayson.Response, error) {
			return alwayson.Refuse(alwayson.InternalServerError, ""), nil
		},
	}
	for name, answer := range troubles {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(c *WriterConfig) { c.Lanes = 16 }, func(b *bench) {
				var results []*result
				for i := range 64 {
					b.platform.add("T"+strconv.Itoa(i), "n:NUMBER")
					b.send("T"+strconv.Itoa(i), `{"n":0}`)
				}
				synctest.Wait() // all lanes have succeeded, a moment ago
				b.platform.with(func() {
					b.platform.hook = func(ctx context.Context, _ alwayson.Request) (alwayson.Response, bool, error) {
						resp, err := answer(ctx)
						return resp, true, err
					}
				})
				for i := range 64 {
					results = append(results, b.send("T"+strconv.Itoa(i), `{"n":1}`))
				}
				pass(6 * time.Hour)
				if got := b.writer.Waiting(); got != 64 {
					t.Errorf("%d of 64 messages wait", got)
				}
				b.platform.with(func() { b.platform.hook = nil })
				pass(5 * time.Minute)
				for _, r := range results {
					b.want(r, "accepted")
				}
			})
		})
	}
}

func TestASocketLeavesAnInstanceThatCarriesOutNothing(t *testing.T) {
	tests := []struct {
		name   string
		others bool      // there are other instances
		v      []verdict // in turn, one a second
		want   int       // moves
	}{
		{"unavailable for all", true, []verdict{unavailable}, 6},
		{"server errors and time-outs", true, []verdict{doubtful, noReply}, 6},
		{"there is no other", false, []verdict{unavailable}, 0},
		{"something succeeds", true, []verdict{unavailable, accepted}, 0},
		{"something is judged", true, []verdict{unavailable, rejected}, 0},
		{"the credential is refused", true, []verdict{badCredential}, 0},
		{"there is no connection", true, []verdict{disconnected}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newFakePlatform()
				p.others = tt.others
				w := &wire{Socket: p}
				for i := range 650 { // seconds: 10, 20, 40, 80, 160, 300 and a bit
					w.judged(tt.v[i%len(tt.v)], time.Now(), time.Now())
					pass(time.Second)
				}
				if got := len(p.calls("move")); got != tt.want {
					t.Errorf("it moved %d times, want %d", got, tt.want)
				}
			})
		})
	}
}

func TestASocketLeavesAnInstanceThatHangsAfterOneTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFakePlatform()
		p.others = true
		w := &wire{Socket: p}
		sent := time.Now()
		pass(10 * time.Second)
		w.judged(accepted, sent, time.Now())
		pass(20 * time.Second)
		if w.judged(noReply, sent, time.Now()) {
			t.Error("it left although another request succeeded meanwhile")
		}
		w.judged(accepted, sent, time.Now())
		sent = time.Now()
		pass(30 * time.Second)
		if !w.judged(noReply, sent, time.Now()) || w.judged(noReply, sent, time.Now()) {
			t.Error("it did not leave, or twice")
		}
	})
}

// An instance that turns to read-only answers that it cannot; the lanes go to another one, and each Thing's order stays.
func TestLanesMoveToAnotherInstanceWithoutReorderingAThing(t *testing.T) {
	inBubble(t, func(c *WriterConfig) { c.Lanes = 8 }, func(b *bench) {
		const things, messages = 20, 30
		b.platform.with(func() {
			b.platform.others = true
			b.platform.hook = func(_ context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
				return alwayson.Refuse(alwayson.ServiceUnavailable, "read-only"),
					len(b.platform.calls("move")) == 0 && len(b.platform.calls("push")) > things*messages/5, nil
			}
		})
		for i := range things {
			b.platform.add("T"+strconv.Itoa(i), "n:NUMBER")
		}
		for n := range messages {
			for i := range things {
				b.writer.Write(&delivery.Queued{
					Telemetry: b.telemetry("T"+strconv.Itoa(i), `{"n":`+strconv.Itoa(n+1)+`}`), Settle: func(delivery.Outcome) {},
				})
			}
			synctest.Wait()
		}
		if err := b.writer.Drain(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		b.wantCount("move", 1)
		for i := range things {
			if problem := inOrder(b.platform.valuesOf("T"+strconv.Itoa(i)), messages, nil); problem != "" {
				t.Errorf("T%d: %s", i, problem)
			}
		}
	})
}

// F21: whatever becomes of an answer, a write is repeated at most once for each answer that is lost, with the times it had.
func TestALostAnswerRepeatsAWriteOnceWithTheSameTimes(t *testing.T) {
	fates := map[string]func(b *bench, r alwayson.Request, ctx context.Context) (alwayson.Response, error){
		"the connection ends after the write": func(b *bench, r alwayson.Request, _ context.Context) (alwayson.Response, error) {
			b.platform.answer(r)
			return alwayson.Response{}, alwayson.ErrClosed
		},
		"the answer comes too late": func(b *bench, r alwayson.Request, ctx context.Context) (alwayson.Response, error) {
			b.platform.answer(r)
			<-ctx.Done()
			return alwayson.Response{}, ctx.Err()
		},
		"the connection ends before the write": func(*bench, alwayson.Request, context.Context) (alwayson.Response, error) {
			return alwayson.Response{}, alwayson.ErrClosed
		},
	}
	for name, fate := range fates {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				pump := b.platform.add("Pump", "n:NUMBER", "s:STRING")
				const losses = 3
				var pushes [][]alwayson.PropertyValue
				b.platform.with(func() {
					b.platform.hook = func(ctx context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
						if r.Target != alwayson.PushService {
							return alwayson.Response{}, false, nil
						}
						pushes = append(pushes, pushed(r))
						if len(pushes) > losses {
							return alwayson.Response{}, false, nil
						}
						resp, err := fate(b, r, ctx)
						return resp, true, err
					}
				})
				first, second := b.send("Pump", `{"n":1,"s":"a"}`), b.send("Pump", `{"n":2,"s":"b"}`)
				pass(10 * time.Minute)
				b.want(first, "accepted")
				b.want(second, "accepted")
				texts := b.platform.calls("push")
				if len(pushes) != losses+1 || len(slices.Compact(slices.Clone(texts))) != 1 {
					t.Errorf("%d losses gave %d pushes: %s", losses, len(pushes), strings.Join(texts, "; "))
				}
				for _, values := range append(pushes, pump.values[len(pump.values)-4:]) {
					var times []int64
					for _, v := range values {
						times = append(times, v.TimeMs)
					}
					if !slices.Equal(times, []int64{1, 1, 2, 2}) {
						t.Errorf("the values have the times %v", times)
					}
				}
			})
		})
	}
}
