package egress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

func TestARequestThatNobodyCanCarryIsRefusedWithItsReason(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		for _, c := range []struct {
			name    string
			request message.Request
			want    string
		}{
			{"a Thing that no device id gives", reading("a b", "temp"), "read temp of a b: no device id gives this Thing name"},
			{"no Thing", reading("", "temp"), "no device id"},
			{"no name", reading("d", ""), "there is no remote name"},
			{"a module without a name", writing("d", "::temp", infotable.Integer(1)), "the remote name has no module"},
			{"a name without a property", writing("d", "mod::", infotable.Integer(1)), "there is no remote name"},
			{"a property of the hub Thing", reading("Hub", "temp"), "a hub Thing has no remote properties"},
			{"an unknown service of the hub Thing", calling("Hub", "Reboot"), `the connector has no service "Reboot"`},
			{"a long name", reading("a b", strings.Repeat("ä", 1000)), "read " + strings.Repeat("ä", 64) + "... of a b"},
		} {
			a := r.do(c.request)
			if r.want(a, fault.Rejected, c.want); fault.HintOf(a.err) == "" {
				t.Errorf("%s: no hint", c.name)
			}
		}
	})
}

func TestAPropertyIsReadFromWhatThePlatformAcknowledged(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.things.values["d temp"], r.things.values["d mod::vib"] = infotable.Number(21.5), infotable.Integer(7)
		r.wantValue(r.do(reading("d", "temp")), infotable.Number(21.5))
		r.wantValue(r.do(reading("d", "mod::vib")), infotable.Integer(7))
		a := r.do(reading("d", "hum"))
		if r.want(a, fault.Transient, "read hum of d: the device has sent no value"); fault.HintOf(a.err) == "" || a.took != 0 {
			t.Errorf("the hint is %q, after %s", fault.HintOf(a.err), a.took)
		}
	})
}

func TestAPingIsAnsweredOnEveryThing(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxRequests = 1 }, func(r *rig) {
		r.hub.onCall = func(ctx context.Context, _ Method) (Answer, error) {
			pass(time.Second)
			return Answer{Status: 200}, nil
		}
		busy := r.start(r.t.Context(), calling("d", "slow"))
		synctest.Wait()
		r.wantValue(r.do(calling("Hub", ServicePing)), infotable.Nothing())
		r.wantValue(r.do(calling("d", ServicePing)), infotable.Nothing())
		<-busy
	})
}

func TestAServiceIsADirectMethod(t *testing.T) {
	table := []infotable.Field{infotable.Column("n", infotable.TypeLong)}
	rows := infotable.New(table...).Add(infotable.Long(9007199254740993))
	inBubble(t, nil, func(r *rig) {
		for _, c := range []struct {
			name    string
			request message.Request
			service mapping.Service
			answer  string
			called  string
			want    infotable.Value
		}{
			{"parameters go out and come back", calling("d", "reboot", infotable.Cell{Name: "in", Value: infotable.Integer(5)}), mapping.Service{Result: infotable.TypeJSON},
				`{"ok":true}`, `d reboot {"in":5}`, text(`{"ok":true}`)},
			{"no parameters", message.Request{Thing: "d", Verb: message.VerbCall, Name: "reboot"}, mapping.Service{Result: infotable.TypeNothing},
				`"whatever"`, `d reboot `, infotable.Nothing()},
			{"of a module", calling("d", "mod::reset"), mapping.Service{Result: infotable.TypeString}, `"done"`, `d/mod reset `, infotable.String("done")},
			{"a table", calling("d", "list"), mapping.Service{Result: infotable.TypeInfotable, Fields: table}, `[{"n":9007199254740993}]`, `d list `, infotable.FromTable(rows)},
			{"an unknown result", calling("d", "get"), mapping.Service{Result: infotable.TypeVariant}, `2.5`, `d get `, infotable.Number(2.5)},
			{"of a module that ends with a colon", calling("d", "m:::x"), mapping.Service{Result: infotable.TypeVariant}, `1`, `d/m: x `, infotable.Number(1)},
			{"a device with a colon", calling("a_x3A_b", "get"), mapping.Service{Result: infotable.TypeVariant}, `null`, `a:b get `, infotable.Nothing()},
		} {
			r.things.services[c.request.Thing+" "+c.request.Name] = c.service
			r.hub.onCall = func(context.Context, Method) (Answer, error) {
				return Answer{Status: 200, Payload: json.RawMessage(c.answer)}, nil
			}
			r.wantValue(r.do(c.request), c.want)
			last := r.hub.called[len(r.hub.called)-1]
			if got := fmt.Sprintf("%s %s %s", last.to, last.Name, last.Payload); got != c.called {
				t.Errorf("%s: called %s, want %s", c.name, got, c.called)
			}
		}
	})
}

func TestAMethodThatFailsSaysHow(t *testing.T) {
	offline := &fault.Problem{Op: "call reboot of d", Class: fault.Transient, Cause: errors.New("the device is not connected: 404103"), Hint: "wait until it is"}
	inBubble(t, nil, func(r *rig) {
		for _, c := range []struct {
			name   string
			answer Answer
			err    error
			class  fault.Class
			want   string
		}{
			{"a status other than 2xx", Answer{404, []byte(`{"why":"no such file"}`)}, nil, fault.Rejected, `call reboot of d: the device answered with status 404: {"why":"no such file"}`},
			{"a status without a payload", Answer{500, nil}, nil, fault.Rejected, "the device answered with status 500"},
			{"a status that is no success either", Answer{100, nil}, nil, fault.Rejected, "the device answered with status 100"},
			{"a long payload", Answer{500, []byte(`"` + strings.Repeat("ä", 60_000))}, nil, fault.Rejected, strings.Repeat("ä", 499) + "..."},
			{"a device that is not there", Answer{}, offline, fault.Transient, "the device is not connected"},
			{"an answer that does not fit", Answer{200, []byte(`"hot"`)}, nil, fault.Rejected, `the method ran, and its answer is no NUMBER: got string "\"hot\"", want a number`},
		} {
			r.things.services["d reboot"] = mapping.Service{Result: infotable.TypeNumber}
			r.hub.onCall = func(context.Context, Method) (Answer, error) { return c.answer, c.err }
			a := r.do(calling("d", "reboot"))
			r.want(a, c.class, c.want)
			if status := new(StatusError); c.answer.Status != 200 && c.err == nil && (!errors.As(a.err, &status) || status.Status != c.answer.Status) {
				t.Errorf("%s: no status in %v", c.name, a.err)
			}
		}
		r.hub.onCall = nil
		bad := calling("d", "reboot", infotable.Cell{Name: "x", Value: infotable.String("\xff")})
		r.want(r.do(bad), fault.Rejected, `call reboot of d: column "x": the text is not in UTF-8`)
	})
}

func TestTheTimeOutsOfAMethodStayUnderThePlatforms(t *testing.T) {
	configured := func(c *Config) {
		c.Methods = Methods{Times: Times{Connect: 10 * time.Second}, Services: map[string]Times{
			"slow": {Connect: 10 * time.Second, Response: 20 * time.Second}, "mod::quick": {Connect: time.Second, Response: 6 * time.Second},
		}}
	}
	inBubble(t, configured, func(r *rig) {
		for _, c := range []struct {
			service           string
			timeout           time.Duration
			connect, response time.Duration
		}{
			{"usual", 0, 10 * time.Second, 19 * time.Second},
			{"slow", time.Minute, 10 * time.Second, 20 * time.Second},
			{"mod::quick", 0, time.Second, 6 * time.Second},
			{"usual", 12 * time.Second, 6 * time.Second, 5 * time.Second},
			{"usual", 3 * time.Second, 0, 5 * time.Second},
		} {
			r.things.services["d "+c.service] = mapping.Service{Result: infotable.TypeVariant, Timeout: c.timeout}
			if a := r.do(calling("d", c.service)); a.err != nil {
				t.Errorf("%s: %v", c.service, a.err)
			}
			if m := r.hub.called[len(r.hub.called)-1]; m.Connect != c.connect || m.Response != c.response {
				t.Errorf("%s within %s: connect %s, response %s", c.service, c.timeout, m.Connect, m.Response)
			}
		}
	})
}

func TestNoRequestHangsBeyondItsTimeOut(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.hub.onCall = func(ctx context.Context, _ Method) (Answer, error) { <-ctx.Done(); return Answer{}, ctx.Err() }
		r.hub.onTwin = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		r.things.services["d short"] = mapping.Service{Timeout: 5 * time.Second}
		for request, most := range map[*message.Request]time.Duration{
			ptr(calling("d", "long")):                 29 * time.Second,
			ptr(calling("d", "short")):                4500 * time.Millisecond,
			ptr(reading("d", "twinReported")):         29 * time.Second,
			ptr(writing("d", "twinTags", text("{}"))): 29 * time.Second,
		} {
			a := r.do(*request)
			r.want(a, fault.Transient, request.Verb.String()+" "+request.Name+" of d: not answered in time")
			if a.took != most || !errors.Is(a.err, context.DeadlineExceeded) || fault.HintOf(a.err) != hintMaybe {
				t.Errorf("%s: after %s, hint %q", a, a.took, fault.HintOf(a.err))
			}
		}
	})
}

func ptr[T any](v T) *T { return &v }

func TestMoreRequestsThanAllowedAreBusy(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxRequests = 2 }, func(r *rig) {
		r.hub.onCall = func(context.Context, Method) (Answer, error) { pass(time.Second); return Answer{Status: 200}, nil }
		a, b := r.start(r.t.Context(), calling("d", "x")), r.start(r.t.Context(), calling("d", "y"))
		synctest.Wait()
		c := r.do(calling("d", "z"))
		if r.want(c, fault.Transient, "call z of d: "+ErrBusy.Error()); !errors.Is(c.err, ErrBusy) || fault.HintOf(c.err) == "" {
			t.Errorf("got %v", c.err)
		}
		r.wantValue(<-a, infotable.Nothing())
		r.wantValue(<-b, infotable.Nothing())
		r.wantValue(r.do(calling("d", "z")), infotable.Nothing())
		if got := r.meter.String(); got != "call service busy: 1, call service ok: 3" {
			t.Errorf("counted %s", got)
		}
	})
}

func TestAtTheEndRequestsInFlightHaveTheirOutcome(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.hub.onCall = func(ctx context.Context, m Method) (Answer, error) {
			if m.Name == "quick" {
				pass(time.Second)
				return Answer{Status: 200, Payload: json.RawMessage("1")}, nil
			}
			<-ctx.Done()
			return Answer{}, ctx.Err()
		}
		r.hub.onSend = func(ctx context.Context, _ Message) error { <-ctx.Done(); return ctx.Err() }
		quick, slow := r.start(r.t.Context(), calling("d", "quick")), r.start(r.t.Context(), calling("d", "slow"))
		sent := r.start(r.t.Context(), writing("d", "a", infotable.Integer(1)))
		elapse(30 * time.Millisecond)
		waiting := r.start(r.t.Context(), writing("d", "b", infotable.Integer(1)))
		synctest.Wait()
		began := time.Now()
		r.stop()
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("stopped after %s", took)
		}
		r.wantValue(<-quick, infotable.Number(1))
		for _, a := range []answer{<-slow, <-sent, <-waiting, r.do(calling("d", "late"))} {
			if r.want(a, fault.Transient, ErrStopped.Error()); !errors.Is(a.err, ErrStopped) || fault.HintOf(a.err) == "" {
				t.Errorf("got %v", a.err)
			}
		}
		if got := r.bodies(); got != `d {"a":1}` {
			t.Errorf("sent %s", got)
		}
	})
}

func TestAPanicIsTheProblemOfItsRequest(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.hub.onCall = func(context.Context, Method) (Answer, error) { panic("boom") }
		r.hub.onSend = func(context.Context, Message) error { panic("boom") }
		r.want(r.do(calling("d", "x")), fault.Rejected, "call x of d: panic: boom")
		r.want(r.do(writing("d", "x", infotable.Integer(1))), fault.Rejected, "panic: boom")
		r.hub.onCall = nil
		r.wantValue(r.do(calling("d", "x")), infotable.Nothing())
	})
}

func TestErrorsOfThePlatformBecomeProblems(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		r.things.err = errors.New("no connection")
		r.want(r.do(calling("d", "x")), fault.Transient, "call x of d: ask for the service's result: no connection")
		r.want(r.do(writing("d", "x", infotable.Integer(1))), fault.Transient, "write to d: ask how writes travel: no connection")
	})
}

func TestAMessageCarriesAllFieldsOfItsPayload(t *testing.T) {
	row := infotable.OneRow(infotable.Cell{Name: "temp", Value: infotable.Number(21.5)}, infotable.Cell{Name: "on", Value: infotable.Boolean(true)})
	configured := func(c *Config) { c.Feedback, c.TTL = true, time.Minute }
	inBubble(t, configured, func(r *rig) {
		send := func(cells ...infotable.Cell) answer { return r.do(calling("Hub", ServiceSendMessage, cells...)) }
		thing := infotable.Cell{Name: "thingName", Value: infotable.Text(infotable.TypeThingName, "d")}
		payload := infotable.Cell{Name: "payload", Value: infotable.FromTable(row)}
		properties := infotable.Cell{Name: "properties", Value: text(`{"a":"b"}`)}
		a := send(thing, payload, properties)
		m := r.hub.sent[0]
		r.wantValue(a, infotable.String(m.ID))
		if m.Device != "d" || string(m.Body) != `{"temp":21.5,"on":true}` || m.Properties["a"] != "b" || m.Ack != "full" || !m.Expires.Equal(time.Now().Add(time.Minute)) {
			t.Errorf("got %+v", m)
		}
		if send(thing, infotable.Cell{Name: "payload", Value: text(` {"x": [1]}`)}); string(r.hub.sent[1].Body) != `{"x": [1]}` {
			t.Errorf("got %s", r.hub.sent[1].Body)
		}
		two := infotable.Cell{Name: "payload", Value: infotable.FromTable(infotable.New(row.Fields...).Add().Add())}
		long := infotable.Cell{Name: "payload", Value: text(`{"x":"` + strings.Repeat("x", maxBody) + `"}`)}
		for want, cells := range map[string][]infotable.Cell{
			`no device id gives the Thing name ""`: {payload},
			"payload: it is no object":             {thing},
			"payload: the table has 2 rows":        {thing, two},
			"payload: it is a JSON number":         {thing, {Name: "payload", Value: text("5")}},
			"the payload takes 64520 bytes":        {thing, long},
			"properties: not all members are text": {thing, payload, {Name: "properties", Value: text(`{"a":1}`)}},
			"payload: invalid JSON":                {thing, {Name: "payload", Value: text("{")}},
		} {
			r.want(send(cells...), fault.Rejected, want)
		}
		r.hub.onSend = func(context.Context, Message) error { return fault.Reject("send to d", "", "unknown device") }
		r.want(send(thing, payload), fault.Rejected, "unknown device")
	})
}

func TestAWayOfWritingThatNobodyKnowsIsRefusedAtTheStart(t *testing.T) {
	for via, good := range map[string]bool{"": true, "c2d": true, "desired": true, "method:set": true, "method:": false, "mqtt": false} {
		if _, err := New(Config{WriteVia: via}); (err == nil) != good {
			t.Errorf("%q: %v", via, err)
		}
	}
}

func TestOutcomesAreToldOnceAlsoIfTheyComeAgain(t *testing.T) {
	inBubble(t, nil, func(r *rig) {
		records := []Outcome{{Device: "d:1", MessageID: "m1", Status: "Success", Time: time.Now()}, {Device: "d2", MessageID: "m2", Status: "Expired"}}
		if err := r.Outcomes(r.t.Context(), records[:1]); err != nil {
			t.Error(err)
		}
		r.things.set(func() { r.things.err = errors.New("no connection") })
		if err := r.Outcomes(r.t.Context(), records); err == nil || fault.ClassOf(err) != fault.Transient {
			t.Errorf("got %v", err)
		}
		r.things.set(func() { r.things.err = nil })
		records[0].Time = records[0].Time.UTC().Round(0)
		if err := r.Outcomes(r.t.Context(), records); err != nil {
			t.Error(err)
		}
		want := "d_x3A_1 AzureIotMessageOutcome m1 Success, d2 AzureIotMessageOutcome m2 Expired"
		if got := strings.Join(r.things.fired, ", "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := r.meter.String(); got != "outcome Expired: 1, outcome Success: 1" {
			t.Errorf("counted %s", got)
		}
		r.things.set(func() { r.things.err = fault.Reject("fire", "", "no such Thing") })
		for i := range 2 * maxTold {
			if err := r.Outcomes(r.t.Context(), []Outcome{{Device: "gone", MessageID: fmt.Sprint(i)}}); err != nil {
				t.Fatal(err)
			}
		}
		if len(r.told.known) != maxTold || len(r.told.order) != maxTold {
			t.Errorf("%d outcomes are remembered", len(r.told.known))
		}
	})
}

func TestAServiceOfTheHubThingIsHandedOnAndItsErrorComesBack(t *testing.T) {
	services := func(c *Config) {
		c.Services = map[string]func(context.Context, *infotable.Table) (infotable.Value, error){
			"Count": func(_ context.Context, p *infotable.Table) (infotable.Value, error) { return p.First("n"), nil },
			"Fail": func(ctx context.Context, _ *infotable.Table) (infotable.Value, error) {
				return infotable.Nothing(), fault.Reject("count", "", "nothing to count")
			},
		}
	}
	inBubble(t, services, func(r *rig) {
		counting := calling("Hub", "Count")
		counting.Params = infotable.Single("n", infotable.Integer(3))
		r.wantValue(r.do(counting), infotable.Integer(3))
		r.want(r.do(calling("Hub", "Fail")), fault.Rejected, "count: nothing to count")
	})
}
