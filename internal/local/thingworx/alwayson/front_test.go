package alwayson

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	wire "azx/alwayson"
	"azx/alwayson/infotable"
	"azx/extension"
	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/importer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "test-key"

// plant serves a platform with the Things Pump-1 and Pump-2 and returns its core and the URL.
func plant(t *testing.T) (*thingworx.Platform, string) {
	t.Helper()
	p, err := thingworx.New(thingworx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.AddKey(key, "Administrator")
	for _, name := range []string{"Pump-1", "Pump-2"} {
		err := p.CreateThing(t.Context(), thingworx.ThingSpec{Name: name, Template: thingworx.TemplateRemote, Enabled: true,
			Properties: []thingworx.Definition{
				{Name: "temperature", Type: infotable.TypeNumber, Remote: &thingworx.Binding{EdgeName: "temp"}},
				{Name: "mode", Type: infotable.TypeString},
			}})
		if err != nil {
			t.Fatal(err)
		}
	}
	front, err := New(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: front}
	var wait sync.WaitGroup
	wait.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		_ = server.Close()
		if err := front.Close(); err != nil {
			t.Error(err)
		}
		wait.Wait()
	})
	return p, "ws://" + l.Addr().String() + wire.Path
}

// client is an edge that remembers the notices it got.
type client struct {
	*wire.Conn
	notices chan string
}

func dial(t *testing.T, url string) *client {
	t.Helper()
	c := &client{notices: make(chan string, 100)}
	conn, err := wire.Dial(t.Context(), wire.DialConfig{
		URL: url, AppKey: func(context.Context) (string, error) { return key, nil },
		Handler: func(_ context.Context, r wire.Request) wire.Response {
			c.notices <- r.Name + "." + r.Target
			return wire.Done()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Conn = conn
	t.Cleanup(func() { _ = conn.Close() })
	return c
}

func things(names ...string) wire.Binding { return wire.Binding{Names: names} }

func (c *client) notice(t *testing.T) string {
	t.Helper()
	select {
	case n := <-c.notices:
		return n
	case <-time.After(10 * time.Second):
		t.Fatal("no notice came")
		return ""
	}
}

func (c *client) call(t *testing.T, r wire.Request) wire.Response {
	t.Helper()
	answer, err := c.Call(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func push(thing, name string, v infotable.Value, at int64) wire.Request {
	return wire.PropertyPush(thing, wire.AppendPropertyPush(nil, []wire.PropertyValue{{Name: name, Value: v, TimeMs: at}}))
}

func connected(t *testing.T, p *thingworx.Platform, thing string) bool {
	t.Helper()
	view, err := p.Thing(t.Context(), thing)
	if err != nil {
		t.Fatal(err)
	}
	return view.Connected
}

// eventually polls until done, for at most ten seconds.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("not so after 10 s: %s", what)
		case <-tick.C:
		}
	}
}

func TestAnEdgeBindsIsNotifiedAndPushes(t *testing.T) {
	p, url := plant(t)
	c := dial(t, url)
	if err := c.Bind(t.Context(), things("Pump-1")); err != nil {
		t.Fatal(err)
	}
	if got := c.notice(t); got != "Pump-1.NotifyPropertyUpdate" {
		t.Errorf("got %s", got)
	}
	if !connected(t, p, "Pump-1") || connected(t, p, "Pump-2") {
		t.Error("isConnected is wrong")
	}
	answer := c.call(t, wire.CallService("Pump-1", "GetPropertySubscriptions",
		infotable.OneRow(infotable.Cell{Name: "options", Value: infotable.Text(infotable.TypeJSON, `{"hasDeadband":true}`)})))
	if got, _ := answer.Content.First("edgeName").Text(); answer.Content.Len() != 1 || got != "temp" {
		t.Errorf("subscribed to %q", got)
	}
	answer = c.call(t, push("Pump-1", "temp", infotable.Number(21.5), 1577934245678))
	if answer.Code != wire.Success || answer.Content != nil {
		t.Fatalf("answer %+v", answer)
	}
	view, err := p.Read(t.Context(), "Pump-1", "temperature")
	if err != nil || !view.Value.Equal(infotable.Number(21.5)) || view.Time != 1577934245678 || view.Quality != "GOOD" {
		t.Errorf("stored %+v, %v", view.VTQ, err)
	}
	// Telemetry needs no bind: Pump-2 is written over the same connection.
	if answer := c.call(t, push("Pump-2", "temp", infotable.Number(1), 1)); answer.Code != wire.Success {
		t.Errorf("answer %+v", answer)
	}
	if err := p.AddProperty(t.Context(), "Pump-1", thingworx.Definition{Name: "x", Type: infotable.TypeNumber, Remote: &thingworx.Binding{}}); err != nil {
		t.Fatal(err)
	}
	if got := c.notice(t); got != "Pump-1.NotifyPropertyUpdate" {
		t.Errorf("got %s", got)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "the Thing is unbound when its connection ends", func() bool { return !connected(t, p, "Pump-1") })
}

func TestUnbindEndsABindingAndTheNextEdgeMayTakeTheThing(t *testing.T) {
	p, url := plant(t)
	a, b := dial(t, url), dial(t, url)
	if err := a.Bind(t.Context(), things("Pump-1")); err != nil {
		t.Fatal(err)
	}
	if err := b.Bind(t.Context(), things("Pump-2", "Pump-1")); err == nil || !strings.Contains(err.Error(), "stands for it already") {
		t.Errorf("got %v", err)
	}
	if connected(t, p, "Pump-2") {
		t.Error("a refused BIND bound one of its names")
	}
	if err := b.Bind(t.Context(), things("Nobody")); err == nil || !strings.Contains(err.Error(), `not found (0x84): there is no Thing "Nobody"`) {
		t.Errorf("got %v", err)
	}
	if err := a.Unbind(t.Context(), things("Pump-1")); err != nil {
		t.Fatal(err)
	}
	if connected(t, p, "Pump-1") {
		t.Error("connected after the unbind")
	}
	if err := b.Bind(t.Context(), things("Pump-1")); err != nil {
		t.Error(err)
	}
}

func TestARefusalHasItsCodeAndReasonAndIsRemembered(t *testing.T) {
	for _, tc := range []struct {
		name string
		send wire.Request
		code wire.Code
		want string
	}{
		{"unknown Thing", push("Pump-9", "temp", infotable.Number(1), 1), wire.NotFound, `there is no Thing "Pump-9"`},
		{"unknown property", push("Pump-1", "x", infotable.Number(1), 1), wire.BadRequest, `source name "x"`},
		{"local property", push("Pump-1", "mode", infotable.String("x"), 1), wire.BadRequest, "is not remote-bound"},
		{"wrong base type", push("Pump-1", "temp", infotable.String("x"), 1), wire.BadRequest,
			`property temperature of Thing Pump-1: expected NUMBER, got STRING "x"`},
		{"push without values", wire.CallService("Pump-1", wire.PushService, nil), wire.BadRequest, "needs the parameter values"},
		{"unknown service", wire.CallService("Pump-1", "Explode", nil), wire.NotFound, `no service "Explode"`},
		{"write of a remote property that nobody stands for", wire.WriteProperty("Pump-1", "temperature", infotable.Number(1)), wire.ServiceUnavailable,
			"nobody stands for Thing Pump-1"},
		{"write without a value", wire.Request{Code: wire.Put, Entity: wire.Thing, Name: "Pump-1", Kind: wire.Property, Target: "mode"},
			wire.BadRequest, `no column "mode"`},
		{"JSON that does not fit", wire.Request{Code: wire.Put, Entity: wire.Thing, Name: "Pump-1", Kind: wire.Property, Target: "mode",
			Params: infotable.Single("_content_", infotable.String("5"))}, wire.BadRequest, "expected STRING, got 5"},
		{"unknown event", wire.FireEvent("Pump-1", "Boom", nil), wire.NotFound, `no event "Boom"`},
		{"property of a resource", wire.Request{Code: wire.Put, Entity: wire.Resource, Name: "EntityServices", Kind: wire.Property},
			wire.NotFound, "only Things"},
		{"service of a data shape", wire.Request{Code: wire.Post, Entity: wire.DataShape, Name: "X", Kind: wire.Service, Target: "Y"},
			wire.NotFound, "has no services here"},
		{"get of a service", wire.Request{Code: wire.Get, Entity: wire.Thing, Name: "Pump-1", Kind: wire.Service}, wire.BadRequest, "is not possible"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, url := plant(t)
			answer := dial(t, url).call(t, tc.send)
			if answer.Code != tc.code || !strings.Contains(answer.Reason, tc.want) {
				t.Errorf("got %s %q, want %s %q", answer.Code, answer.Reason, tc.code, tc.want)
			}
			got := p.Refusals()
			if len(got) != 1 || !strings.Contains(got[0].Reason, tc.want) || got[0].Caller.User != "Administrator" {
				t.Errorf("remembered %+v", got)
			}
		})
	}
}

func TestAWrongKeyIsRefusedWithoutBeingRepeated(t *testing.T) {
	p, url := plant(t)
	_, err := wire.Dial(t.Context(), wire.DialConfig{URL: url, AppKey: func(context.Context) (string, error) { return "secret", nil }})
	if !wire.IsCredentialRefused(err) || !strings.Contains(err.Error(), "unknown application key") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	if got := p.Refusals(); len(got) != 1 || !strings.HasPrefix(got[0].What, "AUTH from 127.0.0.1") {
		t.Errorf("remembered %+v", got)
	}
}

func TestPropertiesServicesAndEventsAreReached(t *testing.T) {
	p, url := plant(t)
	extend(t, p)
	c := dial(t, url)
	steps := []wire.Request{
		wire.WriteProperty("Pump-1", "mode", infotable.String("auto")),
		{Code: wire.Put, Entity: wire.Thing, Name: "Pump-2", Kind: wire.Property, Target: "mode",
			Params: infotable.Single("_content_", infotable.String(`"json"`))},
		{Code: wire.Post, Entity: wire.Resource, Name: "EntityServices", Kind: wire.Service, Target: "CreateThing",
			Params: infotable.OneRow(infotable.Cell{Name: "name", Value: infotable.String("Fan")},
				infotable.Cell{Name: "thingTemplateName", Value: infotable.String("RemoteThing")})},
		{Code: wire.Post, Entity: wire.Subsystem, Name: "PlatformSubsystem", Kind: wire.Service, Target: "GetExtensionPackageList"},
		wire.FireEvent(thingworx.ConnectionServicesHub, thingworx.EventThingNotFound,
			infotable.OneRow(infotable.Cell{Name: "edgeIdentifier", Value: infotable.String("dev-9")},
				infotable.Cell{Name: "context", Value: infotable.Text(infotable.TypeJSON, `{"properties":{"t":{"baseType":"NUMBER","value":1}}}`)})),
	}
	for _, r := range steps {
		if answer := c.call(t, r); answer.Code != wire.Success {
			t.Errorf("%s of %s: %s %s", r.Target, r.Name, answer.Code, answer.Reason)
		}
	}
	answer := c.call(t, wire.ReadProperty("Pump-1", ""))
	if got := answer.Content.First("mode"); !got.Equal(infotable.String("auto")) {
		t.Errorf("mode is %v", got)
	}
	answer = c.call(t, wire.ReadProperty("Pump-2", "mode"))
	if got := answer.Content.First("mode"); len(answer.Content.Fields) != 1 || !got.Equal(infotable.String("json")) {
		t.Errorf("mode is %v", got)
	}
	if _, err := p.Thing(t.Context(), "Fan"); err != nil {
		t.Error(err)
	}
	if got := p.Waiting(0); len(got) != 1 || got[0].ID != "dev-9" {
		t.Errorf("waiting %+v", got)
	}
}

func TestWhoStandsForAThingMayWriteItsRemoteProperties(t *testing.T) {
	p, url := plant(t)
	c := dial(t, url)
	if err := c.Bind(t.Context(), things("Pump-1")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"temperature", "temp"} {
		if answer := c.call(t, wire.WriteProperty("Pump-1", name, infotable.Number(5))); answer.Code != wire.Success {
			t.Errorf("%s: %s %s", name, answer.Code, answer.Reason)
		}
	}
	entries := p.Ledger().Read(thingworx.Query{Thing: "Pump-1"})
	if len(entries) != 2 || slices.ContainsFunc(entries, func(e thingworx.Entry) bool { return e.Property != "temperature" }) {
		t.Errorf("ledger %+v", entries)
	}
}

func TestAQuestionForWhatIsNotThereIsAnsweredButNotListed(t *testing.T) {
	p, url := plant(t)
	c := dial(t, url)
	for _, tc := range []struct {
		ask  wire.Request
		want string
	}{
		{wire.ReadProperty("Pump-1", "x"), `no property "x"`},
		{wire.CallService("Pump-9", "GetPropertySubscriptions", nil), `there is no Thing "Pump-9"`},
		{wire.CallService("Pump-1", "GetAzureRemoteProperties", nil), `no service "GetAzureRemoteProperties"`},
	} {
		if answer := c.call(t, tc.ask); answer.Code != wire.NotFound || !strings.Contains(answer.Reason, tc.want) {
			t.Errorf("got %s %s", answer.Code, answer.Reason)
		}
	}
	if got := p.Refusals(); len(got) != 0 {
		t.Errorf("listed %+v", got)
	}
}

// packages are the two extension packages, read once: reading them takes longer than most tests.
var packages = sync.OnceValues(func() ([]*importer.Package, error) {
	bundle, err := extension.Build()
	if err != nil {
		return nil, err
	}
	return importer.Read(bundle.All.Bytes)
})

// extend installs the two extension packages.
func extend(t *testing.T, p *thingworx.Platform) {
	t.Helper()
	both, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Install(t.Context(), both, thingworx.InstallOptions{}); err != nil {
		t.Fatal(err)
	}
}
