package platform

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/delivery"
	"azx/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeThing is a Thing of the fake platform.
type fakeThing struct {
	gateway    string
	properties map[string]infotable.BaseType
	remote     bool // has the services of a RemoteThing
	extension  bool // has the service of our template
	routed     bool // has the property gatewayThing of RoutedEgress
	values     []alwayson.PropertyValue
}

// fakePlatform answers as the platform does, unless the test's hook answers first. It is a Socket.
type fakePlatform struct {
	mu     sync.Mutex
	things map[string]*fakeThing
	log    []string // "GetAzureRemoteProperties T", "push T a=1 b=2", "drop"
	events []alwayson.Request
	waits  error // what Wait returns while it is set
	others bool  // there are other instances
	// hook may answer a request itself; it is called without the lock and may wait.
	hook func(ctx context.Context, r alwayson.Request) (alwayson.Response, bool, error)
	sent context.Context // of what was sent without waiting; ends with the connection
	cut  context.CancelFunc
}

func newFakePlatform() *fakePlatform {
	p := &fakePlatform{things: map[string]*fakeThing{}}
	p.sent, p.cut = context.WithCancel(context.Background())
	return p
}

// add makes a Thing of the hub "Hub" with properties such as "temp:NUMBER".
func (p *fakePlatform) add(name string, properties ...string) *fakeThing {
	thing := &fakeThing{gateway: "Hub", properties: map[string]infotable.BaseType{}, remote: true, extension: true}
	for _, property := range properties {
		name, base, _ := strings.Cut(property, ":")
		thing.properties[name], _ = infotable.ParseBaseType(base)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.things[name] = thing
	return thing
}

func (p *fakePlatform) with(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// calls returns the log's lines that contain part.
func (p *fakePlatform) calls(part string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []string
	for _, line := range p.log {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return found
}

func (p *fakePlatform) Wait(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waits != nil {
		return p.waits
	}
	return ctx.Err()
}

func (p *fakePlatform) Drop(error) {
	p.with(func() {
		p.log = append(p.log, "drop")
		p.reconnect()
	})
}

// Move says that there is no other instance, unless the test gave one.
func (p *fakePlatform) Move(error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.others {
		p.log = append(p.log, "move")
		p.reconnect()
	}
	return p.others
}

func (p *fakePlatform) reconnect() {
	p.cut()
	p.sent, p.cut = context.WithCancel(context.Background())
}

// Send has whoever sends use the request's memory again at once.
func (p *fakePlatform) Send(r alwayson.Request, done func(alwayson.Response, error)) error {
	r.RawParams = slices.Clone(r.RawParams)
	p.note(r)
	p.mu.Lock()
	ctx := p.sent
	p.mu.Unlock()
	go func() { done(p.reply(ctx, r)) }()
	return nil
}

func (p *fakePlatform) Call(ctx context.Context, r alwayson.Request) (alwayson.Response, error) {
	p.note(r)
	return p.reply(ctx, r)
}

// note has a request in the log.
func (p *fakePlatform) note(r alwayson.Request) {
	line := r.Target + " " + r.Name
	if r.Target == alwayson.PushService {
		line = "push " + r.Name
		for _, v := range pushed(r) {
			line += fmt.Sprintf(" %s=%s", v.Name, v.Value)
		}
	}
	p.with(func() { p.log = append(p.log, line) })
}

func (p *fakePlatform) reply(ctx context.Context, r alwayson.Request) (alwayson.Response, error) {
	p.mu.Lock()
	hook := p.hook
	p.mu.Unlock()
	if hook != nil {
		if resp, done, err := hook(ctx, r); done {
			return resp, err
		}
	}
	return p.answer(r), nil
}

// pushed reads a push, before or after it went over a wire.
func pushed(r alwayson.Request) []alwayson.PropertyValue {
	params := r.Params
	if params == nil {
		v, _, err := infotable.DecodeValue(r.RawParams, infotable.Limits{})
		if err != nil {
			panic(err)
		}
		params, _ = v.Table()
	}
	values, err := alwayson.PushedValues(params)
	if err != nil {
		panic(err)
	}
	return values
}

func (p *fakePlatform) answer(r alwayson.Request) alwayson.Response {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Kind == alwayson.Event {
		p.events = append(p.events, r)
		return alwayson.Done()
	}
	thing := p.things[r.Name]
	if thing == nil {
		return alwayson.Refuse(alwayson.NotFound, "no Thing "+r.Name)
	}
	missing := alwayson.Refuse(alwayson.NotFound, "no service "+r.Target)
	switch {
	case r.Target == remotePropertiesService && thing.extension:
		return alwayson.Response{Code: alwayson.Success, Content: thing.remoteRows()}
	case r.Target == definitionsService:
		return alwayson.Response{Code: alwayson.Success, Content: thing.definitionRows()}
	case r.Kind == alwayson.Property && r.Target == gatewayProperty && thing.routed:
		return alwayson.Response{Code: alwayson.Success, Content: infotable.Single(gatewayProperty, infotable.Text(infotable.TypeThingName, thing.gateway))}
	case r.Target == subscriptionsService && thing.remote:
		if text, _ := r.Params.First("options").Text(); text != `{"hasDeadband":true}` {
			return alwayson.Refuse(alwayson.BadRequest, "no options")
		}
		return alwayson.Response{Code: alwayson.Success, Content: thing.subscriptionRows()}
	case r.Target == alwayson.PushService && thing.remote:
		return thing.take(pushed(r))
	}
	return missing
}

// take stores values, all of them or none.
func (f *fakeThing) take(values []alwayson.PropertyValue) alwayson.Response {
	for _, v := range values {
		base, ok := f.properties[v.Name]
		if !ok {
			return alwayson.Refuse(alwayson.NotFound, "no property "+v.Name)
		}
		if base != v.Value.Type() {
			return alwayson.Refuse(alwayson.BadRequest, "wrong type for "+v.Name)
		}
	}
	f.values = append(f.values, values...)
	return alwayson.Done()
}

func (f *fakeThing) names() []string {
	var names []string
	for name := range f.properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (f *fakeThing) remoteRows() *infotable.Table {
	rows := infotable.New(infotable.Column("name", infotable.TypeString), infotable.Column("baseType", infotable.TypeString),
		infotable.Column("edgeName", infotable.TypeString), infotable.Column("gatewayThing", infotable.TypeThingName))
	for _, name := range f.names() {
		rows.Add(infotable.String("p_"+name), infotable.String(f.properties[name].String()), infotable.String(name),
			infotable.Text(infotable.TypeThingName, f.gateway))
	}
	return rows
}

func (f *fakeThing) definitionRows() *infotable.Table {
	rows := infotable.New(infotable.Column("name", infotable.TypeString), infotable.Column("baseType", infotable.TypeString))
	for _, name := range f.names() {
		rows.Add(infotable.String(name), infotable.String(f.properties[name].String()))
	}
	if f.routed {
		rows.Add(infotable.String(gatewayProperty), infotable.String("THINGNAME"))
	}
	return rows
}

func (f *fakeThing) subscriptionRows() *infotable.Table {
	rows := infotable.New(infotable.Column("edgeName", infotable.TypeString), infotable.Column("pushType", infotable.TypeString))
	for _, name := range f.names() {
		rows.Add(infotable.String(name), infotable.String("ALWAYS"))
	}
	return rows
}

// bench is a Writer that runs against a fake platform, with virtual time.
type bench struct {
	t        *testing.T
	platform *fakePlatform
	writer   *Writer
	sent     int64
}

// inBubble runs a test in a synctest bubble with a Writer of one lane, unless change says otherwise.
func inBubble(t *testing.T, change func(*WriterConfig), test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, platform: newFakePlatform()}
		cfg := WriterConfig{Sockets: []Socket{b.platform}, Lanes: 1, AzxExtension: true}
		announcer := NewAnnouncer(b.platform, nil, nil)
		cfg.Events = announcer
		if change != nil {
			change(&cfg)
		}
		var err error
		if b.writer, err = NewWriter(cfg); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { ended <- b.writer.Run(ctx) }()
		go func() { ended <- announcer.Run(ctx) }()
		test(b)
		cancel()
		b.platform.cut()
		for range cap(ended) {
			if err := <-ended; err != nil {
				t.Errorf("Run ended with %v", err)
			}
		}
	})
}

// result is what a message ended with; nil until then.
type result struct {
	mu      sync.Mutex
	outcome *delivery.Outcome
	calls   int
}

func (r *result) settle(o delivery.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcome = &o
	r.calls++
}

// String is "open" or kind and reason: "accepted", "refused wrong-type".
func (r *result) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.outcome == nil:
		return "open"
	case r.calls > 1:
		return "settled twice"
	}
	name := map[delivery.Kind]string{
		delivery.Accepted: "accepted", delivery.Refused: "refused", delivery.NoThing: "no Thing", delivery.Nothing: "nothing",
		delivery.Unwanted:   "unwanted",
		delivery.Superseded: "superseded",
	}[r.outcome.Kind]
	return strings.TrimSpace(name + " " + r.outcome.Reason)
}

func (r *result) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outcome.Err
}

// send writes a message of the device called as its Thing, and returns what becomes of it.
func (b *bench) send(thing, body string) *result {
	b.t.Helper()
	r := &result{}
	b.writer.Write(&delivery.Queued{Telemetry: b.telemetry(thing, body), Settle: r.settle})
	return r
}

func (b *bench) telemetry(thing, body string) message.Telemetry {
	b.t.Helper()
	b.sent++
	m := &message.Message{Hub: "Hub", DeviceID: thing, Sequence: b.sent, Body: []byte(body)}
	return message.Telemetry{Message: m, Thing: thing, Time: b.sent}
}

// want waits until nothing moves and compares.
func (b *bench) want(r *result, outcome string) {
	b.t.Helper()
	synctest.Wait()
	if got := r.String(); got != outcome {
		b.t.Errorf("the message is %q, want %q", got, outcome)
	}
}

func (b *bench) wantCalls(part string, want ...string) {
	b.t.Helper()
	synctest.Wait()
	if got := b.platform.calls(part); !slices.Equal(got, want) {
		b.t.Errorf("the platform saw\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func (b *bench) wantCount(part string, want int) {
	b.t.Helper()
	synctest.Wait()
	if got := b.platform.calls(part); len(got) != want {
		b.t.Errorf("the platform saw %d of %q, want %d: %q", len(got), part, want, got)
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) { <-time.After(d) }

// gate makes requests that match wait until the returned function is called.
func (p *fakePlatform) gate(match string) (open func()) {
	opened := make(chan struct{})
	p.with(func() {
		p.hook = func(ctx context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
			if strings.Contains(r.Target+" "+r.Name, match) {
				select {
				case <-opened:
				case <-ctx.Done():
					return alwayson.Response{}, true, ctx.Err()
				}
			}
			return alwayson.Response{}, false, nil
		}
	})
	return func() { close(opened) }
}
