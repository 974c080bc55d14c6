package alwayson

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	wire "azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

// site adds the hub Thing LocalHub and ten device Things behind it to the plant.
func site(t *testing.T) (*thingworx.Platform, string) {
	t.Helper()
	p, url := plant(t)
	extend(t, p)
	specs := []thingworx.ThingSpec{{Name: "LocalHub", Template: thingworx.TemplateAzureHub, Enabled: true}}
	for i := range 10 {
		specs = append(specs, thingworx.ThingSpec{Name: device(i), Template: thingworx.TemplateAzureThing, Enabled: true, Gateway: "LocalHub",
			Properties: []thingworx.Definition{{Name: "speed", Type: infotable.TypeNumber, Remote: &thingworx.Binding{EdgeName: "rpm"}}},
			Services: []thingworx.ServiceDefinition{
				{ServiceInfo: thingworx.ServiceInfo{Name: "Echo", Result: infotable.TypeInteger,
					Params: []thingworx.Param{{Name: "n", Type: infotable.TypeInteger}}}, Remote: &thingworx.ServiceBinding{EdgeName: "echo"}},
				{ServiceInfo: thingworx.ServiceInfo{Name: "Hang", Result: infotable.TypeNothing}, Remote: &thingworx.ServiceBinding{EdgeName: "hang", Timeout: 50}},
				{ServiceInfo: thingworx.ServiceInfo{Name: "Rows", Result: infotable.TypeInfotable}, Remote: &thingworx.ServiceBinding{EdgeName: "rows"}},
				{ServiceInfo: thingworx.ServiceInfo{Name: "Fail", Result: infotable.TypeNothing}, Remote: &thingworx.ServiceBinding{EdgeName: "fail"}},
				{ServiceInfo: thingworx.ServiceInfo{Name: "Late", Result: infotable.TypeNothing}, Remote: &thingworx.ServiceBinding{EdgeName: "late"}},
				{ServiceInfo: thingworx.ServiceInfo{Name: "Busy", Result: infotable.TypeNothing}, Remote: &thingworx.ServiceBinding{EdgeName: "busy"}},
			}})
	}
	for _, spec := range specs {
		if err := p.CreateThing(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	return p, url
}

func device(i int) string { return fmt.Sprintf("dev-%d", i%10) }

// connector is a Client that binds names and counts what it serves.
type connector struct {
	*wire.Client
	services, writes, reads atomic.Int64
	stopped                 atomic.Bool   // answers to nothing any more
	reached                 chan struct{} // closed at the first request after it stopped answering
	once                    sync.Once
}

// connect starts a connector and waits until its names are bound.
func connect(t *testing.T, url string, names ...string) *connector {
	t.Helper()
	c := &connector{reached: make(chan struct{})}
	var err error
	c.Client, err = wire.NewClient(wire.ClientConfig{Names: names, Dial: wire.DialConfig{
		URL: url, AppKey: func(context.Context) (string, error) { return key, nil }, Handler: c.handle,
	}})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() { _ = c.Run(context.Background()) })
	t.Cleanup(func() {
		_ = c.Close()
		wait.Wait()
	})
	if err := c.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if refused := c.State().Refused; len(refused) > 0 {
		t.Fatalf("refused: %v", refused)
	}
	return c
}

func (c *connector) handle(ctx context.Context, r wire.Request) wire.Response {
	if c.stopped.Load() && r.Target != noticeService {
		c.once.Do(func() { close(c.reached) })
		<-ctx.Done()
		return wire.Done()
	}
	switch r.Target {
	case "echo":
		c.services.Add(1)
		return wire.Result(r.Param("n"))
	case "rpm":
		c.writes.Add(1)
		return wire.Done()
	case "rows":
		return wire.Result(infotable.FromTable(infotable.New(infotable.Column("x", infotable.TypeNumber)).Add(infotable.Number(1)).Add(infotable.Number(2))))
	case "fail":
		return wire.Refuse(wire.BadRequest, "method status 422: no such valve")
	case "late":
		return wire.Refuse(wire.GatewayTimeout, "the device did not answer in 25 s")
	case "busy":
		return wire.Refuse(wire.ServiceUnavailable, "throttled by the hub")
	case "twinReported":
		c.reads.Add(1)
		return wire.Response{Code: wire.Success, Content: infotable.Single(r.Target, infotable.Text(infotable.TypeJSON, `{"fan":1}`))}
	case "hang":
		<-ctx.Done()
	}
	return wire.Done()
}

func echo(ctx context.Context, p *thingworx.Platform, thing string, n int32) error {
	got, err := p.Call(ctx, thingworx.EntityThing, thing, "Echo", infotable.Single("n", infotable.Integer(n)))
	if err == nil && !got.First("result").Equal(infotable.Integer(n)) {
		return fmt.Errorf("answered %v instead of %d", got.First("result"), n)
	}
	return err
}

func write(ctx context.Context, p *thingworx.Platform, thing string, n int32) error {
	return p.Set(ctx, thing, []thingworx.Write{{Property: "speed", Value: infotable.Number(float64(n))}})
}

func read(ctx context.Context, p *thingworx.Platform, thing string) error {
	got, err := p.Fetch(ctx, thing, "twinReported")
	if err == nil && got.Value.IsNothing() {
		return errors.New("read nothing")
	}
	return err
}

func TestRequestsReachTheEdgeAndItsAnswersTheCaller(t *testing.T) {
	p, url := site(t)
	connect(t, url, "LocalHub")
	if err := errors.Join(echo(t.Context(), p, "dev-0", 7), write(t.Context(), p, "dev-0", 7)); err != nil {
		t.Fatal(err)
	}
	rows, err := p.Call(t.Context(), thingworx.EntityThing, "dev-0", "Rows", nil)
	if err != nil || rows.Len() != 2 || !rows.At(1, "x").Equal(infotable.Number(2)) {
		t.Errorf("got %v, %v", rows, err)
	}
	for _, tc := range []struct {
		service string
		kind    thingworx.Kind
		want    string
	}{
		{"Fail", thingworx.Failed, "refused with bad request (0x80): method status 422: no such valve"},
		{"Hang", thingworx.TimedOut, "within 50ms; the edge may or may not"},
		{"Late", thingworx.TimedOut, "refused with gateway timeout (0xA4): the device did not answer in 25 s"},
		{"Busy", thingworx.Unbound, "refused with service unavailable (0xA3): throttled by the hub"},
	} {
		_, err := p.Call(t.Context(), thingworx.EntityThing, "dev-0", tc.service, nil)
		if kind, _ := thingworx.KindOf(err); err == nil || kind != tc.kind || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got kind %d, %v", tc.service, kind, err)
		}
	}
}

func TestAConnectorHasThePlatformCallItself(t *testing.T) {
	_, url := site(t)
	c := connect(t, url, "LocalHub")
	for _, thing := range []string{"LocalHub", "dev-3"} {
		answer, err := c.Call(t.Context(), wire.CallService(thing, "Ping", nil))
		if err != nil || answer.Code != wire.Success {
			t.Errorf("%s: %+v, %v", thing, answer, err)
		}
	}
	for want, r := range map[wire.Code]wire.Request{
		wire.BadGateway:         wire.CallService("dev-3", "Fail", nil),
		wire.GatewayTimeout:     wire.CallService("dev-3", "Hang", nil),
		wire.ServiceUnavailable: wire.WriteProperty("Pump-1", "temperature", infotable.Number(1)),
	} {
		if answer, err := c.Call(t.Context(), r); err != nil || answer.Code != want {
			t.Errorf("%+v: %+v, %v", r, answer, err)
		}
	}
	// What it writes itself to a Thing behind its group is a value and no request to itself, and so it is read.
	for _, r := range []wire.Request{wire.WriteProperty("dev-3", "rpm", infotable.Number(9)),
		push("dev-3", "twinReported", infotable.Text(infotable.TypeJSON, "{}"), 1)} {
		if answer, err := c.Call(t.Context(), r); err != nil || answer.Code != wire.Success {
			t.Errorf("%+v, %v", answer, err)
		}
	}
	for _, name := range []string{"speed", "twinReported"} {
		answer, err := c.Call(t.Context(), wire.ReadProperty("dev-3", name))
		if err != nil || answer.Content.First(name).IsNothing() {
			t.Errorf("%s: %+v, %v", name, answer, err)
		}
	}
}

// shares wants between 25 and 42 % of calls for each.
func shares(t *testing.T, what string, calls int, counts ...int64) {
	t.Helper()
	for _, n := range counts {
		if share := float64(n) / float64(calls); share < 0.25 || share > 0.42 {
			t.Errorf("%s: %d of %d", what, n, calls)
		}
	}
}

func TestThreeConnectorsShareAGroupAndOneIsKilledInTheMiddle(t *testing.T) {
	p, url := site(t)
	all := []*connector{connect(t, url, "LocalHub"), connect(t, url, "LocalHub"), connect(t, url, "LocalHub")}
	const calls, callers = 3000, 20
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	round := func() (failed []error) {
		outcomes := make(chan error, 3*calls)
		var wait sync.WaitGroup
		for caller := range callers {
			wait.Go(func() {
				for i := caller; i < calls; i += callers {
					outcomes <- echo(ctx, p, device(i), int32(i))
					outcomes <- write(ctx, p, device(i), int32(i))
					outcomes <- read(ctx, p, device(i))
				}
			})
		}
		wait.Wait()
		close(outcomes)
		got := 0
		for err := range outcomes {
			got++
			if err != nil {
				failed = append(failed, err)
			}
		}
		if got != 3*calls {
			t.Errorf("%d outcomes of %d requests", got, 3*calls)
		}
		return failed
	}
	if failed := round(); len(failed) > 0 {
		t.Fatalf("%d failed, such as %v", len(failed), failed[0])
	}
	shares(t, "services", calls, all[0].services.Load(), all[1].services.Load(), all[2].services.Load())
	shares(t, "writes", calls, all[0].writes.Load(), all[1].writes.Load(), all[2].writes.Load())
	shares(t, "reads", calls, all[0].reads.Load(), all[1].reads.Load(), all[2].reads.Load())

	all[0].stopped.Store(true) // holds what it gets, and is then killed with it
	var killer sync.WaitGroup
	killer.Go(func() {
		<-all[0].reached
		_ = all[0].Close()
	})
	failed := round()
	killer.Wait()
	for _, err := range failed {
		if kind, _ := thingworx.KindOf(err); kind != thingworx.Failed || !strings.Contains(err.Error(), "ended before the answer came") {
			t.Errorf("an outcome that is not definite: %v", err)
		}
	}
	if len(failed) == 0 || len(failed) > callers {
		t.Errorf("%d requests were lost with the killed connector, at least 1 and at most %d were with it", len(failed), callers)
	}
	if failed := round(); len(failed) > 0 {
		t.Errorf("after the loss %d failed, such as %v", len(failed), failed[0])
	}
}

func TestABoundGroupIsNotifiedOfItsHubThing(t *testing.T) {
	p, url := site(t)
	_, err := p.Call(t.Context(), thingworx.EntityThing, "LocalHub", "SetConfigurationTableRows", infotable.OneRow(
		infotable.Cell{Name: "tableName", Value: infotable.String(thingworx.TableRouting)},
		infotable.Cell{Name: "values", Value: infotable.FromTable(infotable.Single(thingworx.ColumnRoutingGroup, infotable.String("plant")))}))
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, url)
	if err := c.Bind(t.Context(), things("plant")); err != nil {
		t.Fatal(err)
	}
	if got := c.notice(t); got != "LocalHub.NotifyPropertyUpdate" || !connected(t, p, "dev-0") {
		t.Errorf("got %s", got)
	}
	if err := c.Bind(t.Context(), things("other")); err == nil || !strings.Contains(err.Error(), `no hub Thing has that routing group`) {
		t.Errorf("got %v", err)
	}
}

func TestAnAnswerThatCannotBeReadIsAFailureOfTheEdge(t *testing.T) {
	p, url := site(t)
	conn, err := wire.Dial(t.Context(), wire.DialConfig{
		URL: url, AppKey: func(context.Context) (string, error) { return key, nil }, Limits: wire.Limits{MaxMessageSize: 8 << 20},
		Handler: func(_ context.Context, r wire.Request) wire.Response {
			return wire.Result(infotable.String(strings.Repeat("x", 2<<20))) // more than the platform takes
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.Bind(t.Context(), things("LocalHub")); err != nil {
		t.Fatal(err)
	}
	err = write(t.Context(), p, "dev-0", 1)
	if kind, ok := thingworx.KindOf(err); !ok || kind != thingworx.Failed {
		t.Errorf("got kind %d, %v", kind, err)
	}
}
