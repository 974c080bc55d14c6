package thingworx

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options configures a Platform. The zero value is a platform in memory.
type Options struct {
	Store         Store            // keeps definitions and last values; nil: memory only
	LedgerEntries int              // how many acknowledged values the ledger keeps at least; default 1,000,000
	LedgerBytes   int              // how much memory they may take, about; default 512 MiB
	Waiting       int              // how many devices without a Thing are listed; default 1,000
	Things        int              // how many Things there may be; default 100,000
	NoGroupBind   bool             // a bind of a routing group does not carry the requests of the Things behind the hub Thing
	EdgeTimeout   time.Duration    // how long an edge may take to answer; default 30 s, as the platform's (read)
	Pick          func(n int) int  // a random number from 0 to n-1, for routing; default math/rand/v2.IntN
	Now           func() time.Time // the clock; default time.Now
	Log           *slog.Logger     // default: none
}

func (o Options) withDefaults() Options {
	o.LedgerEntries = orDefault(o.LedgerEntries, 1_000_000)
	o.LedgerBytes = orDefault(o.LedgerBytes, 512<<20)
	o.Waiting = orDefault(o.Waiting, 1000)
	o.Things = orDefault(o.Things, 100_000)
	if o.EdgeTimeout <= 0 {
		o.EdgeTimeout = 30 * time.Second
	}
	if o.Pick == nil {
		o.Pick = rand.IntN
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func orDefault(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}

// Platform holds Things and their values. Its methods may be used from many goroutines; writes to different
// Things do not wait for each other.
type Platform struct {
	opts  Options
	model *model

	mu     sync.RWMutex
	things map[string]*thing
	folded map[string]string // lower-case name -> name: names are unique regardless of case (read)
	keys   map[[sha256.Size]byte]string

	bindings bindings
	ledger   *Ledger
	waiting  waitingList
	refusals refusalLog
	events   eventLog
	stats    counters
	changes  atomic.Uint64 // grows with every change; see Changes
	shape    atomic.Uint64 // value of changes when a Thing was last added or removed
	dirty    chan struct{} // one entry: something to save
}

type counters struct {
	requests, values, refused, events atomic.Uint64
}

// Stats are cheap counts since the start.
type Stats struct {
	Things   int    // Things there are
	Waiting  int    // devices without a Thing that are listed
	Requests uint64 // write requests acknowledged
	Values   uint64 // values acknowledged
	Refused  uint64 // requests refused
	Events   uint64 // events taken
}

// New returns a Platform with the built-in entities and what the store kept.
func New(o Options) (*Platform, error) {
	o = o.withDefaults()
	p := &Platform{
		opts: o, model: newModel(), things: map[string]*thing{}, folded: map[string]string{},
		keys: map[[sha256.Size]byte]string{}, ledger: newLedger(o.LedgerEntries, o.LedgerBytes),
		dirty: make(chan struct{}, 1),
	}
	p.bindings.holders = map[string][]holder{}
	p.waiting = newWaitingList(o.Waiting)
	if err := p.CreateThing(ThingSpec{Name: ConnectionServicesHub, Template: TemplateHub, Enabled: true, system: true,
		Shapes: []string{ShapeHubAdapter}, Description: "Takes the events of connectors"}); err != nil {
		return nil, fmt.Errorf("seed platform: %w", err)
	}
	if o.Store == nil {
		return p, nil
	}
	state, err := o.Store.Load()
	if err != nil {
		return nil, fmt.Errorf("load platform: %w", err)
	}
	if err := p.restore(state); err != nil {
		return nil, fmt.Errorf("load platform: %w", err)
	}
	return p, nil
}

func (p *Platform) now() time.Time { return p.opts.Now() }

// Ledger returns the record of acknowledged values.
func (p *Platform) Ledger() *Ledger { return p.ledger }

// Stats returns counts since the start.
func (p *Platform) Stats() Stats {
	p.mu.RLock()
	things := len(p.things)
	p.mu.RUnlock()
	return Stats{
		Things: things, Waiting: p.waiting.len(), Requests: p.stats.requests.Load(),
		Values: p.stats.values.Load(), Refused: p.stats.refused.Load(), Events: p.stats.events.Load(),
	}
}

// AddKey makes key an application key of user. Only a digest is kept.
func (p *Platform) AddKey(key, user string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys[sha256.Sum256([]byte(key))] = user
}

// User returns whose application key this is; the error says that it is missing or not known, never the key.
func (p *Platform) User(key string) (string, error) {
	if key == "" {
		return "", Refuse(Denied, "no application key: send it in the header appKey")
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	user, ok := p.keys[sha256.Sum256([]byte(key))]
	if !ok {
		return "", Refuse(Denied, "unknown application key: the right one is in platform.json of the platform's folder")
	}
	return user, nil
}

// ThingSpec says what Thing to create.
type ThingSpec struct {
	Name, Template, Description, Tags, Project string

	Shapes     []string
	Enabled    bool // services create Things disabled; EnableThing enables them (read)
	Gateway    string
	Properties []Definition
	Services   []ServiceDefinition

	system bool
}

// CreateThing creates a Thing. It is refused for a bad or taken name, an unknown template or shape, a bad property.
func (p *Platform) CreateThing(spec ThingSpec) error {
	t, err := p.build(spec)
	if err != nil {
		return err
	}
	if err := p.insert(t); err != nil {
		return err
	}
	p.waiting.remove(spec.Name)
	p.bindings.refresh(p, spec.Name)
	p.changed(t)
	return nil
}

func (p *Platform) build(spec ThingSpec) (*thing, error) {
	if err := CheckEntityName(spec.Name); err != nil {
		return nil, fmt.Errorf("create Thing: %w", err)
	}
	if p.model.templates[spec.Template] == nil {
		return nil, Refuse(NotFound, "create Thing %s: there is no template %q; there are %s", spec.Name,
			shorten(spec.Template), list(slices.Sorted(maps.Keys(p.model.templates))))
	}
	if spec.Gateway != "" {
		spec.Shapes = append(slices.Clone(spec.Shapes), ShapeRoutedEgress)
	}
	for _, s := range spec.Shapes {
		if err := p.checkShape(s); err != nil {
			return nil, fmt.Errorf("create Thing %s: %w", spec.Name, err)
		}
	}
	t := newThing(p, spec)
	for _, d := range spec.Properties {
		if err := t.addProperty(d); err != nil {
			return nil, fmt.Errorf("create Thing %s: %w", spec.Name, err)
		}
	}
	for _, d := range spec.Services {
		if err := p.addService(t, d); err != nil {
			return nil, fmt.Errorf("create Thing %s: %w", spec.Name, err)
		}
	}
	return t, nil
}

func (p *Platform) checkShape(name string) error {
	if p.model.shapes[name] == nil {
		return Refuse(NotFound, "there is no shape %q; there are %s", shorten(name),
			list(slices.Sorted(maps.Keys(p.model.shapes))))
	}
	return nil
}

func (p *Platform) insert(t *thing) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	fold := strings.ToLower(t.name)
	if taken, ok := p.folded[fold]; ok {
		if taken == t.name {
			return Refuse(Exists, "create Thing %s: a Thing of that name exists", t.name)
		}
		return Refuse(Exists, "create Thing %s: Thing %s exists, and names must differ in more than case", t.name, taken)
	}
	if len(p.things) >= p.opts.Things {
		return Refuse(Forbidden, "create Thing %s: this platform is limited to %d Things", t.name, p.opts.Things)
	}
	p.things[t.name] = t
	p.folded[fold] = t.name
	p.shape.Store(p.changes.Add(1))
	return nil
}

// DeleteThing deletes a Thing and its bindings. The ledger keeps what it acknowledged.
func (p *Platform) DeleteThing(name string) error {
	t, err := p.find(name)
	if err != nil {
		return err
	}
	if t.system {
		return Refuse(Forbidden, "delete Thing %s: it is a system Thing", name)
	}
	p.mu.Lock()
	if p.things[name] == t { // and not one that another caller made meanwhile
		delete(p.things, name)
		delete(p.folded, strings.ToLower(name))
		p.shape.Store(p.changes.Add(1))
	}
	p.mu.Unlock()
	t.mu.Lock()
	t.gone = true
	t.mu.Unlock()
	p.bindings.drop(p, name)
	p.markDirty()
	return nil
}

// find returns a Thing or the Refusal that names it.
func (p *Platform) find(name string) (*thing, error) {
	p.mu.RLock()
	t := p.things[name]
	near := p.folded[strings.ToLower(name)]
	p.mu.RUnlock()
	if t != nil {
		return t, nil
	}
	if near != "" {
		return nil, Refuse(NotFound, "there is no Thing %q (there is %q: case matters)", shorten(name), near)
	}
	return nil, Refuse(NotFound, "there is no Thing %q", shorten(name))
}

// snapshot returns every Thing, in no order.
func (p *Platform) snapshot() []*thing {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.Collect(maps.Values(p.things))
}

// all returns every Thing, sorted by name.
func (p *Platform) all() []*thing {
	out := p.snapshot()
	slices.SortFunc(out, func(a, b *thing) int { return strings.Compare(a.name, b.name) })
	return out
}

// changed records that a definition of t changed: pages show it and the store keeps it.
func (p *Platform) changed(t *thing) {
	t.mu.Lock()
	t.changed = p.changes.Add(1)
	t.mu.Unlock()
	p.markDirty()
}

func (p *Platform) markDirty() {
	select {
	case p.dirty <- struct{}{}:
	default:
	}
}

func list(names []string) string { return strings.Join(names, ", ") }
