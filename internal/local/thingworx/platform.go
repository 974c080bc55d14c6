package thingworx

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"azx/internal/local/thingworx/history"
	"azx/internal/local/thingworx/script"
	"azx/internal/local/thingworx/security"
	"azx/internal/local/thingworx/store"
)

// Options configures a Platform. The zero value is a platform in memory.
type Options struct {
	Store         store.Store      // keeps definitions and last values; nil: memory only
	History       history.History  // keeps the values of logged properties; nil: in memory
	LedgerEntries int              // how many acknowledged values the ledger keeps at least; default 1,000,000
	LedgerBytes   int              // how much memory they may take, about; default 512 MiB
	Waiting       int              // how many devices without a Thing are listed; default 1,000
	Things        int              // how many Things there may be; default 200,000
	NoGroupBind   bool             // a bind of a routing group does not carry the requests of the Things behind the hub Thing
	Unknown       UnknownMode      // what becomes of values for properties that are not there; default UnknownStrict
	EdgeTimeout   time.Duration    // how long an edge may take to answer; default 30 s, as the platform's (read)
	Pick          func(n int) int  // a random number from 0 to n-1, for routing; default math/rand/v2.IntN
	Now           func() time.Time // the clock; default time.Now
	Log           *slog.Logger     // default: none
}

func (o Options) withDefaults() Options {
	o.LedgerEntries = orDefault(o.LedgerEntries, 1_000_000)
	o.LedgerBytes = orDefault(o.LedgerBytes, 512<<20)
	o.Waiting = orDefault(o.Waiting, 1000)
	o.Things = orDefault(o.Things, 200_000)
	if o.EdgeTimeout <= 0 {
		o.EdgeTimeout = 30 * time.Second
	}
	if o.Unknown == "" {
		o.Unknown = UnknownStrict
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
	if o.History == nil {
		o.History = history.Memory(history.Options{})
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
//
// Mutexes are taken in this order: defs, bindings, a Thing's, and those of the parts.
type Platform struct {
	opts    Options
	scripts *script.Engine
	secret  secret
	natives map[EntityKind][]*service // that entities of a collection have

	// defs is held for reading by who changes what a Thing is, and for writing by who changes the model: so no Thing is
	// ever of another model than the present one.
	defs  sync.RWMutex
	model atomic.Pointer[model]

	mu          sync.RWMutex
	things      map[string]*thing
	folded      map[string]string // lower-case name -> name: names are unique regardless of case (read)
	identifiers map[string]string // identifier -> name

	keys     keyring
	bindings bindings
	queue    queue
	sources  sources
	ledger   *Ledger
	waiting  waitingList
	refusals refusalLog
	events   eventLog
	logs     applicationLog
	unsaved  *unsaved
	saving   sync.Mutex // held by who saves: what was noted before is kept when it is free again
	stats    counters
	unknown  atomic.Pointer[UnknownMode]
	stuck    atomic.Pointer[map[string]bool]
	changes  atomic.Uint64 // grows with every change; see Changes
	shape    atomic.Uint64 // value of changes when a Thing was last added or removed
	retime   chan struct{} // one entry: timers may have changed
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
	Dropped  uint64 // runs of subscriptions for which there was no room
}

// New returns a Platform with the built-in entities and what the store kept.
func New(o Options) (*Platform, error) {
	o = o.withDefaults()
	p := &Platform{
		opts: o, things: map[string]*thing{}, folded: map[string]string{}, identifiers: map[string]string{},
		ledger: newLedger(o.LedgerEntries, o.LedgerBytes), unsaved: newUnsaved(), queue: newQueue(), natives: nativeServices(), retime: make(chan struct{}, 1),
	}
	if err := p.SetUnknownMode(o.Unknown); err != nil {
		return nil, err
	}
	p.SetStuck(nil)
	p.bindings.holders = map[string][]holder{}
	p.waiting = newWaitingList(o.Waiting)
	p.scripts = script.New(host{p}, script.Options{Now: o.Now})
	m, err := newModel()
	if err != nil {
		return nil, fmt.Errorf("seed platform: %w", err)
	}
	p.model.Store(m)
	for _, spec := range builtinThings() {
		if err := p.CreateThing(context.Background(), spec); err != nil {
			return nil, fmt.Errorf("seed platform: %w", err)
		}
	}
	p.unsaved.clear() // what is built in need not be kept
	if err := p.load(); err != nil {
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
		Things: things, Waiting: p.waiting.len(), Requests: p.stats.requests.Load(), Values: p.stats.values.Load(),
		Refused: p.stats.refused.Load(), Events: p.stats.events.Load(), Dropped: p.queue.dropped.Load(),
	}
}

// CreateThing creates a Thing. It is refused for a bad or taken name, an unknown template or shape, a bad member.
func (p *Platform) CreateThing(ctx context.Context, spec ThingSpec) error {
	if err := p.mayDesign(ctx, security.Create, EntityThing, ""); err != nil {
		return err
	}
	if a := actingIn(ctx); a != nil && spec.owner == "" {
		spec.owner = a.User
	}
	p.defs.RLock()
	t, err := p.build(p.model.Load(), spec)
	if err == nil {
		err = p.insert(t)
	}
	p.defs.RUnlock()
	if err != nil {
		return err
	}
	p.arrived(ctx, t)
	return nil
}

// arrived is what follows when a Thing is there.
func (p *Platform) arrived(ctx context.Context, t *thing) {
	p.waiting.remove(t.name)
	p.bindings.refresh(p, t.name)
	p.unsaved.note(bucketValues, t.name) // before the definition, which takes them along
	p.changed(t)
	p.started(ctx, t)
}

func (p *Platform) build(m *model, spec ThingSpec) (*thing, error) {
	if err := CheckEntityName(spec.Name); err != nil {
		return nil, fmt.Errorf("create Thing: %w", err)
	}
	if m.template(spec.Template) == nil {
		return nil, Refuse(NotFound, "create Thing %s: there is no template %q; there are %s", spec.Name,
			shorten(spec.Template), list(slices.Sorted(maps.Keys(m.entries[EntityTemplate]))))
	}
	if spec.Gateway != "" {
		spec.Shapes = append(slices.Clone(spec.Shapes), ShapeRoutedEgress)
	}
	for _, s := range spec.Shapes {
		if err := m.checkShape(s); err != nil {
			return nil, fmt.Errorf("create Thing %s: %w", spec.Name, err)
		}
	}
	if problems := m.class(spec.Template, spec.Shapes).problems; len(problems) > 0 {
		return nil, Refuse(Exists, "create Thing %s: %s", spec.Name, problems[0])
	}
	t, err := p.newThing(m, spec)
	if err != nil {
		return nil, fmt.Errorf("create Thing %s: %w", spec.Name, err)
	}
	return t, nil
}

func (m *model) checkShape(name string) error {
	if m.shape(name) == nil {
		return Refuse(NotFound, "there is no shape %q; there are %s", shorten(name),
			list(slices.Sorted(maps.Keys(m.entries[EntityShape]))))
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
	if other := p.identifiers[t.identifier]; other != "" {
		return Refuse(Exists, "create Thing %s: its identifier %q is that of Thing %s", t.name, shorten(t.identifier), other)
	}
	p.things[t.name] = t
	p.folded[fold] = t.name
	if t.identifier != "" {
		p.identifiers[t.identifier] = t.name
	}
	p.sources.put(t)
	p.shape.Store(p.changes.Add(1))
	return nil
}

// DeleteThing deletes a Thing, its bindings and the history of its values. The ledger keeps what it acknowledged.
func (p *Platform) DeleteThing(ctx context.Context, name string) error {
	t, err := p.seen(ctx, name)
	if err != nil {
		return err
	}
	if err := p.mayDesign(ctx, security.Delete, EntityThing, name); err != nil {
		return err
	}
	if t.system {
		return Refuse(Forbidden, "delete Thing %s: it is a system Thing", name)
	}
	if t.pkg != "" {
		return Refuse(Forbidden, "delete Thing %s: it belongs to the package %s (DeleteExtensionPackage)", name, t.pkg)
	}
	p.drop(t)
	if err := p.opts.History.Purge(name); err != nil {
		return fmt.Errorf("delete Thing %s: its history stays: %w", name, err)
	}
	return nil
}

// drop takes a Thing out of the platform.
func (p *Platform) drop(t *thing) {
	p.mu.Lock()
	if p.things[t.name] == t { // and not one that another caller made meanwhile
		delete(p.things, t.name)
		delete(p.folded, strings.ToLower(t.name))
		if p.identifiers[t.identifier] == t.name {
			delete(p.identifiers, t.identifier)
		}
		p.shape.Store(p.changes.Add(1))
	}
	p.mu.Unlock()
	t.mu.Lock()
	t.gone = true
	t.mu.Unlock()
	p.sources.remove(t)
	p.bindings.drop(p, t.name)
	p.unsaved.note(bucketThings, t.name)
	p.unsaved.note(bucketValues, t.name)
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
	t.group.stale = true
	t.mu.Unlock()
	p.unsaved.note(bucketThings, t.name)
}

// define changes a Thing's definitions under its lock, and tells everyone who has to know.
func (p *Platform) define(t *thing, change func(m *model) error) error {
	p.defs.RLock()
	t.mu.Lock()
	err := change(p.model.Load())
	if err == nil {
		t.watch()
		t.access = access{}
	}
	t.mu.Unlock()
	if err == nil {
		p.sources.put(t)
	}
	p.defs.RUnlock()
	if err != nil {
		return err
	}
	p.changed(t)
	p.bindingsChanged(t)
	return nil
}

func list(names []string) string { return strings.Join(names, ", ") }
