package egress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeHub takes everything at once unless told otherwise, and has a twin for each device and module.
type fakeHub struct {
	mu       sync.Mutex
	sent     []Message
	called   []fakeCall
	twins    map[message.Target]*fakeTwin
	reads    int
	patches  []string // etags
	onSend   func(ctx context.Context, m Message) error
	onCall   func(ctx context.Context, m Method) (Answer, error)
	onTwin   func(ctx context.Context) error // before the twin is read
	onAnswer func(ctx context.Context) error // after it was, before the answer
}

type fakeCall struct {
	to message.Target
	Method
}

// fakeTwin has members without metadata.
type fakeTwin struct {
	desired, reported, tags map[string]any
	desiredVersion          int64
	version                 int64
}

func newFakeHub() *fakeHub { return &fakeHub{twins: map[message.Target]*fakeTwin{}} }

func (h *fakeHub) Send(ctx context.Context, m Message) error {
	h.mu.Lock()
	h.sent = append(h.sent, m)
	on := h.onSend
	h.mu.Unlock()
	if on != nil {
		return on(ctx, m)
	}
	return ctx.Err()
}

func (h *fakeHub) Call(ctx context.Context, t message.Target, m Method) (Answer, error) {
	h.mu.Lock()
	h.called = append(h.called, fakeCall{t, m})
	on := h.onCall
	h.mu.Unlock()
	if on != nil {
		return on(ctx, m)
	}
	return Answer{Status: 200, Payload: m.Payload}, ctx.Err()
}

func (h *fakeHub) Twin(ctx context.Context, t message.Target) (Twin, error) {
	h.mu.Lock()
	h.reads++
	on, then := h.onTwin, h.onAnswer
	h.mu.Unlock()
	if on != nil {
		if err := on(ctx); err != nil {
			return Twin{}, err
		}
	}
	h.mu.Lock()
	twin := h.twin(t).wire()
	h.mu.Unlock()
	if then != nil {
		if err := then(ctx); err != nil {
			return Twin{}, err
		}
	}
	return twin, ctx.Err()
}

func (h *fakeHub) PatchTwin(_ context.Context, t message.Target, change TwinChange, etag string) (Twin, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.patches = append(h.patches, etag)
	twin := h.twin(t)
	if etag != "" && etag != twin.etag() {
		return Twin{}, fmt.Errorf("%w: 412001", ErrChanged)
	}
	twin.patch(change.Desired, nil, change.Tags)
	return twin.wire(), nil
}

// twin makes it if there is none, under the lock.
func (h *fakeHub) twin(t message.Target) *fakeTwin {
	if h.twins[t] == nil {
		h.twins[t] = &fakeTwin{desired: map[string]any{}, reported: map[string]any{}, tags: map[string]any{}, version: 1}
	}
	return h.twins[t]
}

func (t *fakeTwin) etag() string { return fmt.Sprint("e", t.desiredVersion) }

// patch merges, as hub does, and returns the body of the event.
func (t *fakeTwin) patch(desired, reported, tags json.RawMessage) []byte {
	t.version++
	body := map[string]any{"version": t.version, "properties": map[string]any{}}
	for _, part := range []struct {
		into  map[string]any
		patch json.RawMessage
		name  string
	}{{t.desired, desired, "desired"}, {t.reported, reported, "reported"}, {t.tags, tags, "tags"}} {
		if part.patch == nil {
			continue
		}
		if part.name != "reported" {
			t.desiredVersion++
		}
		var patch map[string]any
		if err := json.Unmarshal(part.patch, &patch); err != nil {
			panic(err)
		}
		mergeInto(part.into, patch)
		if part.name == "tags" {
			body["tags"] = patch
		} else {
			body["properties"].(map[string]any)[part.name] = patch
		}
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return b
}

func mergeInto(into, patch map[string]any) {
	for name, v := range patch {
		inner, isObject := v.(map[string]any)
		switch old, wasObject := into[name].(map[string]any); {
		case v == nil:
			delete(into, name)
		case !isObject:
			into[name] = v
		case wasObject:
			mergeInto(old, inner)
		default:
			fresh := map[string]any{}
			mergeInto(fresh, inner)
			into[name] = fresh
		}
	}
}

func (t *fakeTwin) wire() Twin {
	return Twin{ETag: t.etag(), Version: t.version, Desired: jsonOf(t.desired), Reported: jsonOf(t.reported), Tags: jsonOf(t.tags)}
}

func jsonOf(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// fakeThings has declarations by "thing name" and remembers what is pushed and fired.
type fakeThings struct {
	mu         sync.Mutex
	services   map[string]mapping.Service
	properties map[string]bool
	via        map[string]string
	values     map[string]infotable.Value
	pushes     []string
	fired      []string
	err        error // of everything
}

func newFakeThings() *fakeThings {
	return &fakeThings{services: map[string]mapping.Service{}, properties: map[string]bool{}, via: map[string]string{}, values: map[string]infotable.Value{}}
}

func (f *fakeThings) Service(_ context.Context, thing, edgeName string) (mapping.Service, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.services[thing+" "+edgeName]
	if !ok {
		s = mapping.Service{EdgeName: edgeName, Result: infotable.TypeVariant}
	}
	return s, f.err
}

func (f *fakeThings) Property(_ context.Context, thing, edgeName string) (mapping.Property, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return mapping.Property{EdgeName: edgeName, Type: infotable.TypeJSON}, f.properties[thing+" "+edgeName], f.err
}

func (f *fakeThings) WriteVia(_ context.Context, thing string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.via[thing], f.err
}

func (f *fakeThings) Last(thing, edgeName string) (infotable.Value, int64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.values[thing+" "+edgeName]
	return v, 0, ok
}

func (f *fakeThings) Push(_ context.Context, thing string, writes []message.Write) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	slices.SortFunc(writes, func(a, b message.Write) int { return strings.Compare(a.Property, b.Property) })
	line := thing
	for _, w := range writes {
		line += fmt.Sprintf(" %s=%s", w.Property, w.Value)
	}
	f.pushes = append(f.pushes, line)
	return nil
}

func (f *fakeThings) Fire(_ context.Context, thing, event string, data *infotable.Table) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	f.fired = append(f.fired, fmt.Sprintf("%s %s %s %s", thing, event, data.First("messageId"), data.First("status")))
	return nil
}

// set changes a fake under its lock.
func (f *fakeThings) set(change func()) { f.mu.Lock(); defer f.mu.Unlock(); change() }
func (h *fakeHub) set(change func())    { h.mu.Lock(); defer h.mu.Unlock(); change() }

// fakeMeter counts.
type fakeMeter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (m *fakeMeter) Ended(verb message.Verb, kind, outcome string, _ time.Duration) {
	m.add(verb.String() + " " + kind + " " + outcome)
}
func (m *fakeMeter) Sent(via string, writes int) { m.add(fmt.Sprintf("%s %d", via, writes)) }
func (m *fakeMeter) Outcome(status string)       { m.add("outcome " + status) }
func (m *fakeMeter) TwinEvent(result string)     { m.add("event " + result) }
func (m *fakeMeter) add(what string)             { m.mu.Lock(); m.counts[what]++; m.mu.Unlock() }
func (m *fakeMeter) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, what := range slices.Sorted(maps.Keys(m.counts)) {
		all = append(all, fmt.Sprintf("%s: %d", what, m.counts[what]))
	}
	return strings.Join(all, ", ")
}

// rig is a running dispatcher on fakes.
type rig struct {
	*Dispatcher
	t      testing.TB
	hub    *fakeHub
	things *fakeThings
	meter  *fakeMeter
	stop   func()
}

// inBubble runs a test with a dispatcher in synthetic time.
func inBubble(t *testing.T, change func(*Config), test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, change)
		defer r.stop()
		test(r)
	})
}

func newRig(t testing.TB, change func(*Config)) *rig {
	r := &rig{t: t, hub: newFakeHub(), things: newFakeThings(), meter: &fakeMeter{counts: map[string]int{}}}
	c := Config{Hub: r.hub, Things: r.things, HubThing: "Hub", Meter: r.meter}
	if change != nil {
		change(&c)
	}
	var err error
	if r.Dispatcher, err = New(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	r.stop = func() { cancel(); running.Wait() }
	synctest.Wait()
	return r
}

// answer is the outcome of a request.
type answer struct {
	value infotable.Value
	err   error
	took  time.Duration
}

func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	return a.value.String()
}

// do carries a request and waits for it.
func (r *rig) do(req message.Request) answer { return <-r.start(context.Background(), req) }

// start carries a request and does not wait.
func (r *rig) start(ctx context.Context, req message.Request) <-chan answer {
	out := make(chan answer, 1)
	go func() {
		began := time.Now()
		v, err := r.Handle(ctx, req)
		out <- answer{v, err, time.Since(began)}
	}()
	return out
}

func reading(thing, name string) message.Request {
	return message.Request{Thing: thing, Verb: message.VerbRead, Name: name}
}

func writing(thing, name string, v infotable.Value) message.Request {
	return message.Request{Thing: thing, Verb: message.VerbWrite, Name: name, Value: v}
}

func calling(thing, name string, cells ...infotable.Cell) message.Request {
	return message.Request{Thing: thing, Verb: message.VerbCall, Name: name, Params: infotable.OneRow(cells...)}
}

func text(s string) infotable.Value { return infotable.Text(infotable.TypeJSON, s) }

// bodies are those of all messages, with their devices.
func (r *rig) bodies() string {
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	var all []string
	for _, m := range r.hub.sent {
		all = append(all, m.Device+" "+string(m.Body))
	}
	return strings.Join(all, "; ")
}

// want fails unless the answer is this value, or an error with this text, a hint and this class.
func (r *rig) want(a answer, class fault.Class, text string) {
	r.t.Helper()
	var p *fault.Problem
	if !errors.As(a.err, &p) || !strings.Contains(a.err.Error(), text) || fault.ClassOf(a.err) != class {
		r.t.Errorf("got %s (%s), want %s with %q", a, fault.ClassOf(a.err), class, text)
	}
}

func (r *rig) wantValue(a answer, want infotable.Value) {
	r.t.Helper()
	if a.err != nil || !a.value.Equal(want) {
		r.t.Errorf("got %s %s, want %s", a.value.Type(), a, want)
	}
}

// elapse lets d of synthetic time pass.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// pass lets d of synthetic time pass in another goroutine than the test's.
func pass(d time.Duration) { <-time.After(d) }

// change is an event of the hub about a device's twin.
func change(device string, body []byte) *message.Message {
	return &message.Message{DeviceID: device, Source: message.SourceTwinChanges, Enqueued: time.Now(), Body: body, Properties: map[string]string{"opType": "updateTwin"}}
}
