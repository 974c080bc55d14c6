package platform

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

// withThings runs a test in a bubble with Things over a Writer that remembers values.
func withThings(t *testing.T, change func(*ThingsConfig), test func(b *bench, things *Things)) {
	t.Helper()
	inBubble(t, func(c *WriterConfig) { c.LastBytes = 1 << 20 }, func(b *bench) {
		cfg := ThingsConfig{Writer: b.writer, AzxExtension: true}
		if change != nil {
			change(&cfg)
		}
		things, err := NewThings(cfg)
		if err != nil {
			t.Fatal(err)
		}
		test(b, things)
	})
}

// answers makes the platform answer one service, as long as answer returns true.
func (p *fakePlatform) answers(service string, answer func() (alwayson.Response, bool)) {
	p.with(func() {
		p.hook = func(_ context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
			if r.Target != service {
				return alwayson.Response{}, false, nil
			}
			resp, ok := answer()
			return resp, ok, nil
		}
	})
}

func serviceRows(rows ...[]infotable.Value) alwayson.Response {
	t := infotable.New(infotable.Column("name", infotable.TypeString), infotable.Column("edgeName", infotable.TypeString),
		infotable.Column("resultType", infotable.TypeString), infotable.Column("resultFields", infotable.TypeJSON),
		infotable.Column("timeout", infotable.TypeNumber))
	for _, row := range rows {
		t.Add(row...)
	}
	return alwayson.Response{Code: alwayson.Success, Content: t}
}

func TestServicesAreReadAsThePlatformDeclaresThem(t *testing.T) {
	s, j := infotable.String, func(text string) infotable.Value { return infotable.Text(infotable.TypeJSON, text) }
	n, none := infotable.Number, infotable.Nothing()
	variant := func(name string) mapping.Service {
		return mapping.Service{EdgeName: name, Result: infotable.TypeVariant}
	}
	for _, tc := range []struct {
		name string
		row  []infotable.Value
		ask  string
		want mapping.Service
	}{
		{"everything told", []infotable.Value{s("Restart"), s("reboot"), s("INFOTABLE"), j(`[{"name":"a","baseType":"NUMBER"},{"name":"b","baseType":"ODD"}]`), n(2500)},
			"reboot", mapping.Service{EdgeName: "reboot", Result: infotable.TypeInfotable, Timeout: 2500 * time.Millisecond,
				Fields: []infotable.Field{infotable.Column("a", infotable.TypeNumber), infotable.Column("b", infotable.TypeVariant)}}},
		{"no edge name of its own", []infotable.Value{s("Restart"), none, s("NOTHING"), none, none}, "Restart",
			mapping.Service{EdgeName: "Restart", Result: infotable.TypeNothing}},
		{"a module's", []infotable.Value{s("Restart"), s("m::reboot"), s("STRING"), none, infotable.Integer(0)}, "m::reboot",
			mapping.Service{EdgeName: "m::reboot", Result: infotable.TypeString}},
		{"strange types and numbers", []infotable.Value{s("Restart"), s("reboot"), s("ODD"), j("{"), n(-1)}, "reboot", variant("reboot")},
		{"a time-out beyond reason", []infotable.Value{s("Restart"), s("reboot"), none, j(`[{"baseType":"NUMBER"}]`), n(1e18)}, "reboot", variant("reboot")},
		{"by its own name it is not known", []infotable.Value{s("Restart"), s("reboot"), s("STRING"), none, none}, "Restart", variant("Restart")},
		{"a row without names", []infotable.Value{none, none, s("STRING"), none, none}, "", variant("")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			withThings(t, nil, func(b *bench, things *Things) {
				b.platform.answers(remoteServicesService, func() (alwayson.Response, bool) { return serviceRows(tc.row), true })
				got, err := things.Service(b.t.Context(), "Pump", tc.ask)
				if err != nil || got.EdgeName != tc.want.EdgeName || got.Result != tc.want.Result || got.Timeout != tc.want.Timeout ||
					!slices.EqualFunc(got.Fields, tc.want.Fields, func(a, b infotable.Field) bool { return a.Name == b.Name && a.Type == b.Type }) {
					t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
				}
			})
		})
	}
}

func TestDeclarationsAreKeptForAWhile(t *testing.T) {
	withThings(t, nil, func(b *bench, things *Things) {
		name := "reboot"
		b.platform.answers(remoteServicesService, func() (alwayson.Response, bool) {
			return serviceRows([]infotable.Value{infotable.String("Restart"), infotable.String(name), infotable.String("STRING")}), true
		})
		ask := func(name string, want infotable.BaseType, questions int) {
			t.Helper()
			s, err := things.Service(b.t.Context(), "Pump", name)
			if err != nil || s.Result != want {
				t.Errorf("%s: got %v %v", name, s.Result, err)
			}
			b.wantCount(remoteServicesService, questions)
		}
		ask("reboot", infotable.TypeString, 1)
		ask("reboot", infotable.TypeString, 1)
		ask("other", infotable.TypeVariant, 1) // it was asked just now
		pass(5 * time.Second)
		ask("reboot", infotable.TypeString, 1)
		name = "other"
		ask("other", infotable.TypeString, 2)
		ask("reboot", infotable.TypeVariant, 2)
		pass(10 * time.Minute)
		ask("other", infotable.TypeString, 3)
		things.Forget("Pump")
		ask("other", infotable.TypeString, 4)
	})
}

func TestAPlatformWithoutOurServicesIsAskedSeldom(t *testing.T) {
	withThings(t, nil, func(b *bench, things *Things) {
		for range 3 {
			if s, err := things.Service(b.t.Context(), "Pump", "reboot"); err != nil || s.Result != infotable.TypeVariant {
				t.Errorf("got %+v, %v", s, err)
			}
			pass(20 * time.Second)
		}
		b.wantCount(remoteServicesService, 1)
	})
	withThings(t, func(c *ThingsConfig) { c.AzxExtension = false }, func(b *bench, things *Things) {
		if s, err := things.Service(b.t.Context(), "Pump", "reboot"); err != nil || s.Result != infotable.TypeVariant {
			t.Errorf("got %+v, %v", s, err)
		}
		b.wantCalls("")
	})
}

func TestOneAsksForMany(t *testing.T) {
	withThings(t, nil, func(b *bench, things *Things) {
		b.platform.add("Pump", "temp:NUMBER")
		open := b.platform.gate(remotePropertiesService)
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				p, ok, err := things.Property(b.t.Context(), "Pump", "temp")
				if p.Type != infotable.TypeNumber || !ok || err != nil {
					t.Errorf("got %+v, %v, %v", p, ok, err)
				}
			})
		}
		synctest.Wait() // the first of them asks
		hasty, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		if _, _, err := things.Property(hasty, "Pump", "temp"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who could not wait got %v", err)
		}
		things.Forget("Pump") // the answer under way is out of date
		open()
		wait.Wait()
		if n := len(b.platform.calls(remotePropertiesService)); n != 2 {
			t.Errorf("the platform was asked %d times", n)
		}
	})
}

func TestPropertiesAreReadWhicheverWayThePlatformTells(t *testing.T) {
	for name, adjust := range map[string]func(*fakeThing){
		"our template's":     func(*fakeThing) {},
		"the platform's own": func(thing *fakeThing) { thing.extension = false },
	} {
		t.Run(name, func(t *testing.T) {
			withThings(t, nil, func(b *bench, things *Things) {
				adjust(b.platform.add("Pump", "temp:NUMBER"))
				p, ok, err := things.Property(b.t.Context(), "Pump", "temp")
				if p != (mapping.Property{EdgeName: "temp", Type: infotable.TypeNumber}) || !ok || err != nil {
					t.Errorf("got %+v, %v, %v", p, ok, err)
				}
				if _, ok, err := things.Property(b.t.Context(), "Pump", "p_temp"); ok || err != nil {
					t.Errorf("a property is known by its own name: %v, %v", ok, err)
				}
				if via, err := things.WriteVia(b.t.Context(), "Pump"); via != "" || err != nil {
					t.Errorf("got %q, %v", via, err)
				}
			})
		})
	}
}

func TestAThingMaySayHowWritesTravelAndHowLongItsDeviceMayBeSilent(t *testing.T) {
	withThings(t, nil, func(b *bench, things *Things) {
		rows := infotable.New(infotable.Column("edgeName", infotable.TypeString), infotable.Column("writeVia", infotable.TypeString),
			infotable.Column("presenceTimeout", infotable.TypeInteger)).
			Add(infotable.String("a"), infotable.Nothing(), infotable.Nothing()).
			Add(infotable.String("b"), infotable.String("method:set"), infotable.Integer(90))
		b.platform.answers(remotePropertiesService, func() (alwayson.Response, bool) {
			return alwayson.Response{Code: alwayson.Success, Content: rows}, true
		})
		if via, err := things.WriteVia(b.t.Context(), "Pump"); via != "method:set" || err != nil {
			t.Errorf("got %q, %v", via, err)
		}
		if silence, err := things.Silence(b.t.Context(), "Pump"); silence != 90*time.Second || err != nil {
			t.Errorf("got %s, %v", silence, err)
		}
	})
}

func TestWhatThePlatformDoesNotTellIsAnErrorOfItsClass(t *testing.T) {
	for _, tc := range []struct {
		name  string
		code  alwayson.Code // 0: no answer
		class fault.Class
		want  alwayson.Code // of the refusal
	}{
		{"forbidden", alwayson.Forbidden, fault.Rejected, alwayson.BadRequest},
		{"unauthorized", alwayson.Unauthorized, fault.Credential, alwayson.BadGateway},
		{"unavailable", alwayson.ServiceUnavailable, fault.Transient, alwayson.ServiceUnavailable},
		{"server error", alwayson.InternalServerError, fault.Transient, alwayson.ServiceUnavailable},
		{"no answer", 0, fault.Transient, alwayson.GatewayTimeout},
	} {
		t.Run(tc.name, func(t *testing.T) {
			withThings(t, nil, func(b *bench, things *Things) {
				b.platform.with(func() {
					b.platform.hook = func(ctx context.Context, _ alwayson.Request) (alwayson.Response, bool, error) {
						if tc.code != 0 {
							return alwayson.Refuse(tc.code, "no"), true, nil
						}
						<-ctx.Done()
						return alwayson.Response{}, true, ctx.Err()
					}
				})
				_, bad := things.Service(b.t.Context(), "Pump", "reboot")
				_, _, worse := things.Property(b.t.Context(), "Pump", "temp")
				for _, err := range []error{bad, worse, things.Fire(b.t.Context(), "Pump", "Alarm", nil),
					things.Push(b.t.Context(), "Pump", []message.Write{{Property: "temp"}})} {
					if err == nil || fault.ClassOf(err) != tc.class || refusal(err).Code != tc.want {
						t.Errorf("got %v, class %s, refusal %s", err, fault.ClassOf(err), refusal(err).Code)
					}
				}
			})
		})
	}
	withThings(t, nil, func(b *bench, things *Things) {
		if _, _, err := things.Property(b.t.Context(), "Nobody", "temp"); err == nil || refusal(err).Code != alwayson.NotFound {
			t.Errorf("of a Thing that is not there: %v", err)
		}
	})
}

func TestAPushWritesWhatNoDeviceMayAndIsRemembered(t *testing.T) {
	withThings(t, nil, func(b *bench, things *Things) {
		b.platform.add("Pump", "temp:NUMBER", "twinReported:JSON")
		b.want(b.send("Pump", `{"temp":1,"twinReported":{}}`), "accepted")
		if v, at, ok := things.Last("Pump", "temp"); !ok || at != 1 || !v.Equal(infotable.Number(1)) {
			t.Errorf("remembered is %v, %d, %v", v, at, ok)
		}
		if _, _, ok := things.Last("Pump", "twinReported"); ok {
			t.Error("a device wrote its twin")
		}
		twin := infotable.Text(infotable.TypeJSON, `{"a":1}`)
		if err := things.Push(b.t.Context(), "Pump", []message.Write{{Property: "twinReported", Value: twin, Time: 7}}); err != nil {
			t.Fatal(err)
		}
		if v, at, ok := things.Last("Pump", "twinReported"); !ok || at != 7 || !v.Equal(twin) {
			t.Errorf("remembered is %v, %d, %v", v, at, ok)
		}
		b.wantCalls("push", "push Pump temp=1", `push Pump twinReported={"a":1}`)
		if err := things.Push(b.t.Context(), "Pump", nil); err != nil {
			t.Error(err)
		}
		if err := things.Push(b.t.Context(), "Pump", []message.Write{{Property: "other", Value: twin}}); fault.ClassOf(err) != fault.Rejected {
			t.Errorf("got %v", err)
		}
	})
}

func TestAPushWaitsForItsTurnAndAsksNothing(t *testing.T) {
	withThings(t, nil, func(b *bench, things *Things) {
		b.platform.add("Pump", "n:NUMBER")
		open := b.platform.gate("UpdateSubscribedPropertyValues Pump")
		first := b.send("Pump", `{"n":1}`)
		synctest.Wait()
		errs := make(chan error, 3)
		push := func(ctx context.Context, n float64) {
			errs <- things.Push(ctx, "Pump", []message.Write{{Property: "n", Value: infotable.Number(n)}})
		}
		go push(b.t.Context(), 2)
		hasty, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		go push(hasty, 3)
		pass(2 * time.Second)
		if err := <-errs; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who could not wait got %v", err)
		}
		second := b.send("Pump", `{"n":4}`)
		synctest.Wait()
		open()
		if err := <-errs; err != nil {
			t.Error(err)
		}
		b.want(first, "accepted")
		b.want(second, "accepted")
		b.wantCalls("push", "push Pump n=1", "push Pump n=2", "push Pump n=4")
		b.platform.add("Other", "n:NUMBER")
		if err := things.Push(b.t.Context(), "Other", []message.Write{{Property: "n", Value: infotable.Number(1)}}); err != nil {
			t.Error(err)
		}
		b.wantCount(remotePropertiesService+" Other", 0)
	})
}

func TestAPushThatComesDuringATurnHasTheNext(t *testing.T) {
	withThings(t, nil, func(b *bench, things *Things) {
		b.platform.add("Pump", "n:NUMBER")
		open := b.platform.gate("UpdateSubscribedPropertyValues Pump")
		b.send("Pump", `{"n":1}`)
		synctest.Wait()
		pushed := make(chan error, 1)
		go func() {
			pushed <- things.Push(b.t.Context(), "Pump", []message.Write{{Property: "n", Value: infotable.Number(2)}})
		}()
		synctest.Wait()
		open()
		if err := <-pushed; err != nil {
			t.Error(err)
		}
		b.wantCalls("push", "push Pump n=1", "push Pump n=2")
	})
}

func TestAPushWithoutAnAnswerClosesTheSocket(t *testing.T) {
	withThings(t, nil, func(b *bench, things *Things) {
		b.platform.add("Pump", "n:NUMBER")
		open := b.platform.gate("UpdateSubscribedPropertyValues Pump")
		defer open()
		err := things.Push(b.t.Context(), "Pump", []message.Write{{Property: "n", Value: infotable.Number(1)}})
		if refusal(err).Code != alwayson.GatewayTimeout {
			t.Errorf("got %v", err)
		}
		b.wantCount("drop", 1)
		if _, _, ok := things.Last("Pump", "n"); ok {
			t.Error("what nobody acknowledged is remembered")
		}
	})
}

func TestAPushAfterTheEndReturns(t *testing.T) {
	w, err := NewWriter(WriterConfig{Sockets: []Socket{newFakePlatform()}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
	err = w.Push(t.Context(), "Pump", []message.Write{{Property: "n"}})
	if !errors.Is(err, errWriterEnded) || fault.ClassOf(err) != fault.Transient {
		t.Errorf("got %v", err)
	}
}

func TestAnEventIsFired(t *testing.T) {
	withThings(t, nil, func(b *bench, things *Things) {
		row := infotable.Single("messageId", infotable.String("m"))
		if err := things.Fire(b.t.Context(), "Pump", "Outcome", row); err != nil {
			t.Fatal(err)
		}
		if e := b.platform.events; len(e) != 1 || e[0].Name != "Pump" || e[0].Target != "Outcome" || !e[0].Params.Equal(row) {
			t.Errorf("got %+v", e)
		}
	})
}

func TestThingsNeedAWriter(t *testing.T) {
	if _, err := NewThings(ThingsConfig{}); err == nil || !strings.HasPrefix(err.Error(), "set up Things: ") {
		t.Errorf("got %v", err)
	}
}

func TestTheWriterTellsWhichThingsItLearned(t *testing.T) {
	var told []string
	inBubble(t, func(c *WriterConfig) {
		c.AllowThings = []string{"Free*"}
		c.Learned = func(thing, gateway string) { told = append(told, thing+" of "+gateway) }
	}, func(b *bench) {
		b.platform.add("Pump", "n:NUMBER")
		b.platform.add("Empty")
		for _, name := range []string{"Free-1", "Closed-1"} {
			b.platform.add(name, "n:NUMBER").extension = false
		}
		for _, name := range []string{"Pump", "Free-1", "Closed-1", "Nobody", "Empty", "Pump"} {
			b.send(name, `{"n":1}`)
			synctest.Wait()
		}
		if got := strings.Join(told, ", "); got != "Pump of Hub, Free-1 of " {
			t.Errorf("told %q", got)
		}
	})
}
