package platform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

func TestAMessageIsWrittenWithItsOwnTimeAndRemoteNames(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		pump := b.platform.add("Pump", "temp:NUMBER", "on:BOOLEAN")
		b.want(b.send("Pump", `{"temp":21.5,"on":true}`), "accepted")
		b.wantCalls("", "GetAzureRemoteProperties Pump", "push Pump temp=21.5 on=true")
		for _, v := range pump.values {
			if v.TimeMs != 1 || v.Quality != "GOOD" {
				t.Errorf("%s has time %d and quality %s", v.Name, v.TimeMs, v.Quality)
			}
		}
	})
}

func TestWaitingMessagesOfAThingJoinInOneRequest(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		pump := b.platform.add("Pump", "n:NUMBER")
		b.platform.add("Fan", "n:NUMBER")
		b.send("Pump", `{"n":0}`)
		b.send("Fan", `{"n":0}`)
		synctest.Wait()
		open := b.platform.gate("")
		b.send("Pump", `{"n":1}`)
		synctest.Wait() // in flight
		last := []*result{b.send("Pump", `{"n":2}`), b.send("Fan", `{"n":3}`), b.send("Pump", `{"n":4}`), b.send("Pump", `{"n":5}`)}
		open()
		for _, r := range last {
			b.want(r, "accepted")
		}
		b.wantCalls("push", "push Pump n=0", "push Fan n=0", "push Pump n=1", "push Fan n=3", "push Pump n=2 n=4 n=5")
		if at := pump.values[3].TimeMs; at != 6 {
			t.Errorf("a joined value has the time %d, want its message's, 6", at)
		}
	})
}

func TestARequestIsBoundedInValuesAndBytes(t *testing.T) {
	tests := []struct {
		name   string
		change func(*WriterConfig)
		want   []string
	}{
		{"three values", func(c *WriterConfig) { c.MaxValues = 3 }, []string{"push Pump n=1 n=2 n=3", "push Pump n=4 n=5"}},
		{"bytes of two", func(c *WriterConfig) { c.MaxBytes = 2 * (32 + len(`{"n":1}`)) }, []string{"push Pump n=1 n=2", "push Pump n=3 n=4", "push Pump n=5"}},
		{"less than one message", func(c *WriterConfig) { c.MaxBytes = 1 },
			[]string{"push Pump n=1", "push Pump n=2", "push Pump n=3", "push Pump n=4", "push Pump n=5"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.change, func(b *bench) {
				b.platform.add("Pump", "n:NUMBER")
				open := b.platform.gate(remotePropertiesService)
				for i := 1; i <= 5; i++ {
					b.send("Pump", `{"n":`+strconv.Itoa(i)+`}`)
				}
				open()
				b.wantCalls("push", tt.want...)
			})
		})
	}
}

func TestOneRequestIsInFlightPerLane(t *testing.T) {
	inBubble(t, func(c *WriterConfig) { c.Lanes = 4 }, func(b *bench) {
		var now, most atomic.Int64
		b.platform.hook = func(_ context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			pass(time.Millisecond)
			now.Add(-1)
			return alwayson.Response{}, false, nil
		}
		for i := range 200 {
			b.platform.add("T"+strconv.Itoa(i%50), "n:NUMBER")
			b.send("T"+strconv.Itoa(i%50), `{"n":1}`)
		}
		if err := b.writer.Drain(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		if most.Load() != 4 {
			t.Errorf("up to %d requests were in flight at once, want 4", most.Load())
		}
	})
}

func TestWhoMayBeWritten(t *testing.T) {
	tests := []struct{ name, thing, gateway, allow, want string }{
		{"a Thing of this hub", "Pump", "Hub", "", "accepted"},
		{"a Thing of another hub", "Pump", "OtherHub", "*", "refused not-allowed"},
		{"a Thing of no hub that is allowed", "Pump", "", "P*", "accepted"},
		{"a Thing of no hub", "Pump", "", "", "refused not-allowed"},
		{"a Thing of the system", "ConnectionServicesHub", "", "*", "refused not-allowed"},
		{"a subsystem", "WSCommunicationsSubsystem", "Hub", "*", "refused not-allowed"},
		{"the hub's own Thing", "Hub", "Hub", "*", "refused not-allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(c *WriterConfig) { c.AllowThings = strings.Fields(tt.allow) }, func(b *bench) {
				b.platform.add(tt.thing, "n:NUMBER").gateway = tt.gateway
				r := b.send(tt.thing, `{"n":1}`)
				b.want(r, tt.want)
				if tt.want != "accepted" {
					b.wantCount("push", 0)
					if fault.HintOf(r.err()) == "" {
						t.Errorf("no hint in %v", r.err())
					}
				}
			})
		})
	}
}

func TestWhatCannotBeWrittenSaysWhy(t *testing.T) {
	tests := []struct{ name, body, want, push string }{
		{"a wrong value does not keep the others back", `{"n":"hot","s":"x"}`, "refused wrong-type", "push Pump s=x"},
		{"a wrong value alone", `{"n":"hot"}`, "refused wrong-type", ""},
		{"a key that names a module", `{"m::n":1,"s":"x"}`, "refused module-key", "push Pump s=x"},
		{"an unknown key does not keep the others back", `{"zzz":1,"s":"x"}`, "accepted", "push Pump s=x"},
		{"only unknown keys", `{"zzz":1}`, "nothing no-property", ""},
		{"an empty object", `{}`, "nothing no-property", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				b.platform.add("Pump", "n:NUMBER", "s:STRING")
				b.want(b.send("Pump", tt.body), tt.want)
				if got := strings.Join(b.platform.calls("push"), "; "); got != tt.push {
					t.Errorf("got %q, want %q", got, tt.push)
				}
			})
		})
	}
}

func TestARejectedRequestIsHalvedToTheGuiltyMessages(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		pump := b.platform.add("Pump", "n:NUMBER")
		open := b.platform.gate(remotePropertiesService)
		var results []*result
		for i := 1; i <= 9; i++ {
			results = append(results, b.send("Pump", `{"n":`+strconv.Itoa(i)+`}`))
		}
		synctest.Wait()
		gated := b.platform.hook
		b.platform.with(func() {
			b.platform.hook = func(ctx context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
				if r.Target == alwayson.PushService && slices.ContainsFunc(pushed(r), func(v alwayson.PropertyValue) bool {
					n, _ := v.Value.Number()
					return n == 3 || n == 6
				}) {
					return alwayson.Refuse(alwayson.Forbidden, "out of range"), true, nil
				}
				return gated(ctx, r)
			}
		})
		open()
		for i, r := range results {
			want := "accepted"
			if i == 2 || i == 5 {
				want = "refused forbidden"
			}
			b.want(r, want)
		}
		if err := results[2].err(); err == nil || !strings.Contains(err.Error(), "out of range") || fault.HintOf(err) == "" {
			t.Errorf("the refusal says %v, want the platform's reason and a hint", err)
		}
		if !slices.IsSortedFunc(pump.values, func(a, b alwayson.PropertyValue) int { return int(a.TimeMs - b.TimeMs) }) || len(pump.values) != 7 {
			t.Errorf("the values are out of order: %v", pump.values)
		}
	})
}

func TestATimeOutClosesTheSocketBeforeTheRequestIsSentAgain(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		b.platform.gate("Update")
		r := b.send("Pump", `{"n":1}`)
		pass(29 * time.Second)
		b.wantCalls("p", "GetAzureRemoteProperties Pump", "push Pump n=1")
		b.platform.with(func() { b.platform.hook = nil })
		b.want(r, "open")
		pass(2 * time.Second)
		b.wantCalls("p", "GetAzureRemoteProperties Pump", "push Pump n=1", "drop", "push Pump n=1")
		b.want(r, "accepted")
	})
}

func TestTransientFailuresAreTriedAgainForEver(t *testing.T) {
	failures := map[string]func() (alwayson.Response, error){
		"service unavailable":    func() (alwayson.Response, error) { return alwayson.Refuse(alwayson.ServiceUnavailable, ""), nil },
		"gateway timeout":        func() (alwayson.Response, error) { return alwayson.Refuse(alwayson.GatewayTimeout, ""), nil },
		"connection lost":        func() (alwayson.Response, error) { return alwayson.Response{}, alwayson.ErrClosed },
		"not connected":          func() (alwayson.Response, error) { return alwayson.Response{}, alwayson.ErrNotConnected },
		"server error of all":    func() (alwayson.Response, error) { return alwayson.Refuse(alwayson.InternalServerError, ""), nil },
		"unknown kind of error":  func() (alwayson.Response, error) { return alwayson.Response{}, errors.New("what is this") },
		"credential was refused": func() (alwayson.Response, error) { return alwayson.Refuse(alwayson.Unauthorized, ""), nil },
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			inBubble(t, nil, func(b *bench) {
				b.platform.add("Pump", "n:NUMBER")
				b.platform.hook = func(context.Context, alwayson.Request) (alwayson.Response, bool, error) {
					resp, err := fail()
					return resp, true, err
				}
				r := b.send("Pump", `{"n":1}`)
				pass(24 * time.Hour)
				b.want(r, "open")
				b.platform.with(func() { b.platform.hook = nil })
				pass(6 * time.Minute)
				b.want(r, "accepted")
			})
		})
	}
}

func TestARefusedCredentialIsToldAndRetriedSlowly(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		b.platform.hook = func(context.Context, alwayson.Request) (alwayson.Response, bool, error) {
			return alwayson.Refuse(alwayson.Unauthorized, ""), true, nil
		}
		b.send("Pump", `{"n":1}`)
		pass(time.Hour)
		if n := len(b.platform.calls("Pump")); n < 10 || n > 40 {
			t.Errorf("%d tries in an hour, want one each 5 minutes or so", n)
		}
		if !b.writer.CredentialRefused() {
			t.Error("the writer does not tell that the credential is refused")
		}
		b.platform.with(func() { b.platform.hook = nil })
		pass(6 * time.Minute)
		if b.writer.CredentialRefused() {
			t.Error("the writer still tells that the credential is refused")
		}
	})
}

// twoLanes sends to a good Thing each second, over another lane than that of the bad one.
func twoLanes(b *bench, bad string) (stop func()) {
	good := ""
	for i := 0; good == ""; i++ {
		if name := "Good" + strconv.Itoa(i); b.writer.laneOf(name) != b.writer.laneOf(bad) {
			good = name
		}
	}
	b.platform.add(good, "n:NUMBER")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			b.writer.Write(&delivery.Queued{Telemetry: b.telemetry(good, `{"n":1}`), Settle: func(delivery.Outcome) {}})
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}()
	return func() { cancel(); <-ended }
}

func TestAServerErrorOfOneThingAloneIsARejection(t *testing.T) {
	inBubble(t, func(c *WriterConfig) { c.Lanes = 2 }, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		stop := twoLanes(b, "Pump")
		defer stop()
		b.platform.with(func() {
			b.platform.hook = func(_ context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
				return alwayson.Refuse(alwayson.InternalServerError, "script failed"), r.Name == "Pump" && r.Target == alwayson.PushService, nil
			}
		})
		r := &result{}
		b.writer.Write(&delivery.Queued{Telemetry: (&bench{t: t}).telemetry("Pump", `{"n":1}`), Settle: r.settle})
		pass(time.Hour)
		b.want(r, "refused server-error")
	})
}

func TestAThingThatNeverAnswersIsParkedUntilAProbeIsAnswered(t *testing.T) {
	inBubble(t, func(c *WriterConfig) { c.Lanes = 2 }, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		stop := twoLanes(b, "Pump")
		defer stop()
		b.platform.gate("Pump")
		own := &bench{t: t, writer: b.writer, platform: b.platform}
		first := own.send("Pump", `{"n":1}`)
		pass(2 * time.Minute)
		own.want(first, "refused lookup-no-reply")
		tries := len(b.platform.calls("Pump"))
		second := own.send("Pump", `{"n":2}`)
		own.want(second, "refused lookup-no-reply")
		own.wantCount("Pump", tries) // parked: not even tried
		pass(2 * time.Minute)
		b.platform.with(func() { b.platform.hook = nil })
		third := own.send("Pump", `{"n":3}`)
		own.want(third, "accepted")
	})
}

func TestAThingWhoseWritesTimeOutIsParkedInOrder(t *testing.T) {
	inBubble(t, func(c *WriterConfig) { c.Lanes = 2 }, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		own := &bench{t: t, writer: b.writer, platform: b.platform}
		own.want(own.send("Pump", `{"n":1}`), "accepted")
		stop := twoLanes(b, "Pump")
		defer stop()
		b.platform.with(func() {
			b.platform.hook = func(ctx context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
				if r.Name != "Pump" || r.Target != alwayson.PushService {
					return alwayson.Response{}, false, nil
				}
				<-ctx.Done()
				return alwayson.Response{}, true, ctx.Err()
			}
		})
		results := []*result{own.send("Pump", `{"n":2}`), own.send("Pump", `{"n":3}`)}
		pass(2 * time.Minute)
		results = append(results, own.send("Pump", `{"n":4}`))
		for _, r := range results {
			own.want(r, "refused no-reply")
		}
		own.wantCount("drop", silentTries)
		if got := b.writer.Parked(); got != 1 {
			t.Errorf("%d Things are parked", got)
		}
		pass(time.Minute)
		again := own.send("Pump", `{"n":5}`)
		pass(31 * time.Second)
		own.want(again, "refused no-reply") // it tells its properties, and lets one more write time out
		own.wantCount("drop", silentTries+1)
		pass(time.Minute) // the next probe is in two
		own.want(own.send("Pump", `{"n":6}`), "refused no-reply")
		own.wantCount("push Pump", 1+silentTries+1)
		b.platform.with(func() { b.platform.hook = nil })
		pass(time.Minute)
		own.want(own.send("Pump", `{"n":7}`), "accepted")
		if got := b.writer.Parked(); got != 0 {
			t.Errorf("%d Things are parked although it answers", got)
		}
		if hint := fault.HintOf(results[0].err()); !strings.Contains(hint, "slow subscriptions") {
			t.Errorf("the hint is %q", hint)
		}
	})
}

func TestAWriterOutlivesItsSockets(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		b.platform.with(func() { b.platform.waits = alwayson.ErrClosed })
		r := b.send("Pump", `{"n":1}`)
		pass(time.Hour)
		b.want(r, "open")
		b.wantCount("Pump", 0)
		b.platform.with(func() { b.platform.waits = nil })
		pass(time.Minute)
		b.want(r, "accepted")
	})
}

func TestKnownThingsAreNotHeldUpByUnknownOnes(t *testing.T) {
	const known, unknown = 300, 5000
	inBubble(t, func(c *WriterConfig) { c.Lanes = 64 }, func(b *bench) {
		members := map[*lane]int{}
		for i := range known {
			name := "Known" + strconv.Itoa(i)
			members[b.writer.laneOf(name)]++
			b.platform.add(name, "n:NUMBER")
			b.send(name, `{"n":0}`)
		}
		synctest.Wait()
		open := b.platform.gate("")
		b.platform.with(func() { b.platform.log = nil })
		for i := range unknown {
			b.send("Unknown"+strconv.Itoa(i), `{"n":1}`)
		}
		for i := range known {
			b.send("Known"+strconv.Itoa(i), `{"n":1}`)
		}
		open()
		if err := b.writer.Drain(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		before := map[*lane]int{} // requests of the lane so far
		for _, line := range b.platform.calls("") {
			thing := strings.Fields(line)[1]
			if thing == servicesHub {
				continue
			}
			l := b.writer.laneOf(thing)
			before[l]++
			if most := 3 * (members[l] + 1); strings.HasPrefix(line, "push") && before[l] > most {
				t.Errorf("%s was request %d of its lane with %d known Things, want at most %d", thing, before[l], members[l], most)
			}
		}
	})
}

func TestDrainReturnsWhenAllIsSettled(t *testing.T) {
	inBubble(t, func(c *WriterConfig) { c.Lanes = 8 }, func(b *bench) {
		open := b.platform.gate("")
		var results []*result
		for i := range 40 {
			name := fmt.Sprintf("T%d", i)
			b.platform.add(name, "n:NUMBER")
			results = append(results, b.send(name, `{"n":1}`))
		}
		short, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		if err := b.writer.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v with requests in flight, want the deadline", err)
		}
		if got := b.writer.Waiting(); got != 40 {
			t.Errorf("%d messages wait, want 40", got)
		}
		open()
		if err := b.writer.Drain(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if got := r.String(); got != "accepted" {
				t.Fatalf("after the drain a message is %q", got)
			}
		}
	})
}

func TestMessagesInFlightStayUnsettledWhenTheWriterEnds(t *testing.T) {
	var r *result
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		b.platform.gate("Update")
		r = b.send("Pump", `{"n":1}`)
		synctest.Wait()
	})
	if got := r.String(); got != "open" {
		t.Errorf("the message is %q, want open", got)
	}
}

func TestABadConfigurationIsRefused(t *testing.T) {
	socket := []Socket{newFakePlatform()}
	for name, cfg := range map[string]WriterConfig{
		"no sockets":    {},
		"a bad pattern": {Sockets: socket, AllowThings: []string{"[x"}},
	} {
		if _, err := NewWriter(cfg); err == nil || !strings.HasPrefix(err.Error(), "set up writer: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAPanicInTheMappingIsTheProblemOfOneMessage(t *testing.T) {
	var h hand
	h.values.Add(message.Write{Property: "n", Value: infotable.Number(1)})
	it := item{queued: &delivery.Queued{Telemetry: telemetryOf(t, "Pump", 2)}, from: 1}
	if h.encode(&mapping.Table{}, &it); !fault.IsPanic(it.err) || h.values.Len() != 1 { // no such table is made
		t.Errorf("got %v, with %d values", it.err, h.values.Len())
	}
}

func TestAMessageThatCannotBeReadIsRefusedAlone(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER", "on:BOOLEAN")
		open := b.platform.gate(remotePropertiesService)
		first, broken, last := b.send("Pump", `{"n":1,"on":true}`), b.send("Pump", `{"n":2,"on":tru}`), b.send("Pump", `{"n":3,"on":true}`)
		nobody := b.send("Nobody", `{"n":`)
		open()
		b.want(first, "accepted")
		b.want(broken, "refused undecodable")
		b.want(last, "accepted")
		b.want(nobody, "refused undecodable")
		b.wantCalls("push", "push Pump n=1 on=true n=3 on=true")
	})
}

func TestAModuleWritesPropertiesOfItsDevicesThing(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Edge", "cam::n:NUMBER")
		b.platform.with(func() {
			b.platform.things["Edge"].properties = map[string]infotable.BaseType{"cam::n": infotable.TypeNumber}
		})
		tel := b.telemetry("Edge", `{"n":4}`)
		tel.Message.ModuleID = "cam"
		r := &result{}
		b.writer.Write(&delivery.Queued{Telemetry: tel, Settle: r.settle})
		b.want(r, "accepted")
		b.wantCalls("push", "push Edge cam::n=4")
	})
}
