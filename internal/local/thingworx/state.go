package thingworx

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/store"
	"azx/internal/supervise"
)

// Buckets of the store. Each record is JSON, but for bucketMeta's.
const (
	bucketMeta        = "meta"
	bucketPackages    = "packages"    // by name: a savedPackage
	bucketEntities    = "entities"    // by grantKey: an entity that somebody made or changed here
	bucketPermissions = "permissions" // by grantKey: of everything but Things
	bucketThings      = "things"      // by name: a savedThing
	bucketValues      = "values"      // by Thing: savedValues
	bucketKeys        = "keys"        // by name: an appKey

	keyVersion    = "version"
	keyEncryption = "encryption" // the key itself
	stateVersion  = "2"
)

// savedThing is a Thing as it is kept. Configuration tables have their AlwaysOn form, which loses nothing.
type savedThing struct {
	entity.Thing
	Owner   string            `json:"owner,omitempty"`
	Package string            `json:"package,omitempty"`
	Config  map[string][]byte `json:"config,omitempty"`
}

// savedValue is a last value; Value is its AlwaysOn form.
type savedValue struct {
	Value   []byte `json:"value"`
	Time    int64  `json:"time"`
	Quality string `json:"quality"`
}

// Times of the saving: what is lost when the process is killed is that young.
const (
	definitionsPause = 50 * time.Millisecond
	valuesPause      = time.Second
)

// recordKey is where something is kept.
type recordKey struct{ bucket, key string }

// unsaved knows what has to be saved.
type unsaved struct {
	mu    sync.Mutex
	keys  map[recordKey]struct{}
	soon  chan struct{} // one entry: definitions
	later chan struct{} // one entry: values
}

func newUnsaved() *unsaved {
	return &unsaved{keys: map[recordKey]struct{}{}, soon: make(chan struct{}, 1), later: make(chan struct{}, 1)}
}

// note remembers that something changed, was made or deleted.
func (u *unsaved) note(bucket, key string) {
	u.mu.Lock()
	u.keys[recordKey{bucket, key}] = struct{}{}
	u.mu.Unlock()
	wake := u.soon
	if bucket == bucketValues {
		wake = u.later
	}
	select {
	case wake <- struct{}{}:
	default:
	}
}

// take returns what is to be saved now, and forgets it. The values of a Thing go with its definition: without its gateway it
// would be another one.
func (u *unsaved) take(values bool) []recordKey {
	u.mu.Lock()
	defer u.mu.Unlock()
	var out []recordKey
	for key := range u.keys {
		_, defined := u.keys[recordKey{bucketThings, key.key}]
		if values || key.bucket != bucketValues || defined {
			out = append(out, key)
		}
	}
	for _, key := range out {
		delete(u.keys, key)
	}
	return out
}

// back takes up again what could not be saved.
func (u *unsaved) back(keys []recordKey) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, key := range keys {
		u.keys[key] = struct{}{}
	}
}

func (u *unsaved) clear() {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.keys)
}

// Run saves what changed, runs subscriptions and asynchronous services, and fires timers until ctx ends; then it saves the
// last values.
func (p *Platform) Run(ctx context.Context) error {
	group := supervise.New(ctx)
	for range maxWorkers {
		group.Go("subscriptions", p.work)
	}
	group.Go("timers", p.runTimers)
	group.Go("state", p.keep)
	if err := group.Wait(); err != nil {
		return err
	}
	return p.Save()
}

// keep saves what changed until ctx ends.
func (p *Platform) keep(ctx context.Context) error {
	if p.opts.Store == nil {
		return nil
	}
	values := time.NewTicker(valuesPause)
	defer values.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-p.unsaved.soon:
			err = p.save(false)
		case <-values.C:
			select {
			case <-p.unsaved.later:
				err = p.save(true)
			default:
			}
		}
		if err != nil {
			p.opts.Log.Error("state not saved", "error", err)
		}
		pause.Reset(definitionsPause)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
}

// Save keeps everything that changed since the last time.
func (p *Platform) Save() error {
	if p.opts.Store == nil {
		return nil
	}
	return p.save(true)
}

// save keeps what changed. Who waits for another one that saves finds what was his kept when he gets his turn.
func (p *Platform) save(values bool) error {
	p.saving.Lock()
	defer p.saving.Unlock()
	keys := p.unsaved.take(values)
	if len(keys) == 0 {
		return nil
	}
	records := make([]store.Record, 0, len(keys))
	for _, key := range keys {
		value, err := p.record(key)
		if err != nil {
			p.unsaved.back(keys)
			return fmt.Errorf("save platform: %s %s: %w", key.bucket, key.key, err)
		}
		records = append(records, store.Record{Bucket: key.bucket, Key: key.key, Value: value})
	}
	if err := p.opts.Store.Save(records); err != nil {
		p.unsaved.back(keys)
		return fmt.Errorf("save platform: %w", err)
	}
	return nil
}

// record returns the present value of a record, nil if it is to be deleted.
func (p *Platform) record(key recordKey) ([]byte, error) {
	m := p.model.Load()
	switch key.bucket {
	case bucketMeta:
		return map[string][]byte{keyVersion: []byte(stateVersion), keyEncryption: p.secret.key}[key.key], nil
	case bucketPackages:
		return m.packageRecord(key.key)
	case bucketEntities:
		kind, name := splitKey(key.key)
		if e := m.entry(kind, name); e != nil {
			return json.Marshal(e.source)
		}
	case bucketPermissions:
		if permissions := m.grants[key.key]; permissions != nil {
			return json.Marshal(permissions)
		}
	case bucketKeys:
		if k := p.keys.named(key.key); k != nil {
			return json.Marshal(k)
		}
	case bucketThings, bucketValues:
		p.mu.RLock()
		t := p.things[key.key]
		p.mu.RUnlock()
		if t == nil {
			return nil, nil
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if key.bucket == bucketValues {
			return json.Marshal(t.savedValues())
		}
		return json.Marshal(t.saved())
	}
	return nil, nil
}

func (t *thing) saved() savedThing {
	s := savedThing{Thing: t.definition(), Owner: t.owner, Package: t.pkg, Config: map[string][]byte{}}
	for name, table := range t.config {
		s.Config[name] = infotable.AppendValue(nil, infotable.FromTable(table))
	}
	return s
}

// savedValues returns the last values; who takes them saves them.
func (t *thing) savedValues() map[string]savedValue {
	t.unsaved = false
	out := map[string]savedValue{}
	for name, prop := range t.props {
		if !prop.now.Value.IsNothing() && name != propConnected {
			out[name] = savedValue{infotable.AppendValue(nil, prop.now.Value), prop.now.Time, prop.now.Quality}
		}
	}
	return out
}
