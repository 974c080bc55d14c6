package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"azx/internal/config"
	"azx/internal/devices/presence"
	"azx/internal/fault"
	"azx/internal/hub"
	"azx/internal/ingress"
	"azx/internal/message"
)

// watchOften is how often states are judged.
const watchOften = time.Second

// snapshots keep what is known of a partition for its next reader: a checkpoint.Store does.
type snapshots interface {
	LoadSnapshot(ctx context.Context, partition string) ([]byte, error)
	SaveSnapshot(ctx context.Context, partition string, data []byte) error
}

// presenceMeter counts.
type presenceMeter interface {
	Presence(hub, state, result string)
	SnapshotFailed(hub, partition string)
	Pinged(hub, result string)
}

// watch knows which devices of a hub are alive and has their Things say so: it is ingress.Watch. What it returned as
// changed is told before a snapshot is saved, so that whoever is killed in between tells again rather than never.
type watch struct {
	hub   string
	every time.Duration // between two looks at how far the partitions reach, and two snapshots
	table *presence.Table
	// timeouts are those of devices whose Thing has none of its own.
	timeouts presence.Timeouts
	pings    *presence.Budget // nil: nobody is asked
	agents   edgeAgents
	late     chan message.Target // to be asked
	store    snapshots
	things   presenceThings
	meter    presenceMeter
	log      *slog.Logger

	telling sync.Mutex   // from a change to where it is told
	untold  bool         // one was not, and the end came: what is known is not to be saved
	works   func() int64 // grows while the platform accepts writes of whomever
	owed    chan owed    // told later, for their Things did not answer

	mu     sync.Mutex
	taken  map[string]*followed
	failed bool            // snapshots cannot be saved, and that was said
	plain  map[string]bool // devices that have no agent to ask
	odd    time.Time
}

// newWatch returns nil if the settings leave presence out.
func (k *carrier) newWatch(kept positions) (*watch, error) {
	s := k.hub.Presence
	if s.Timeout == 0 || k.twoWay == nil {
		return nil, nil
	}
	timeouts := presence.Timeouts{Late: s.LateAfter(), Offline: s.Timeout, LastSeen: bool(s.LastSeen)}
	table, err := presence.NewTable(timeouts)
	if err != nil {
		return nil, err
	}
	return &watch{
		hub: k.thing, every: watchEvery(s), table: table, store: kept.snapshots, things: k.twoWay.things,
		meter: k.meter, log: k.Log, taken: map[string]*followed{}, timeouts: timeouts, works: k.writer.Accepted, owed: make(chan owed, mostOwed), pings: k.newPings(), agents: k.twoWay.service,
		late: make(chan message.Target, mostToAsk), plain: map[string]bool{},
	}, nil
}

// watchEvery is a quarter of the shorter time-out, at most as long as the hub is left alone anyway.
func watchEvery(s config.Presence) time.Duration {
	return min(headsEvery, s.LateAfter()/4)
}

// followed is one partition while it is held: it is ingress.Watched.
type followed struct {
	watch     *watch
	id        string
	partition *presence.Partition
	saving    sync.Mutex // from a snapshot to where it is saved: no older one follows a newer one
}

// Take is ingress.Watch's. Without a snapshot that can be read, devices are not known until they are heard of.
func (w *watch) Take(ctx context.Context, id string, behind int64) ingress.Watched {
	var data []byte
	retry := fault.Backoff{Min: 200 * time.Millisecond, Max: 2 * time.Second}
	for {
		var err error
		if data, err = w.store.LoadSnapshot(ctx, id); err == nil {
			break
		}
		if class := fault.ClassOf(err); class == fault.Fatal || class == fault.Rejected {
			w.unreadable(id, err)
			break
		}
		if retry.Pause(ctx) != nil {
			break
		}
	}
	partition, err := w.table.Take(id, data, behind)
	if err != nil {
		w.unreadable(id, err)
		if partition, err = w.table.Take(id, nil, behind); err != nil {
			w.unreadable(id, err)
		}
	}
	p := &followed{watch: w, id: id, partition: partition}
	if partition != nil {
		w.mu.Lock()
		w.taken[id] = p
		w.mu.Unlock()
	}
	return p
}

func (w *watch) unreadable(id string, err error) {
	w.log.Error("what was known of a partition's devices cannot be read", "event", "presence-unreadable", "hub", w.hub,
		"partition", id, "error", err, "hint", fault.HintOf(err))
}

// Saw is ingress.Presence's.
func (p *followed) Saw(m *message.Message) {
	if p.partition == nil {
		return
	}
	if err := p.partition.Saw(m); err != nil {
		p.watch.oddEvent(m, err)
	}
}

// oddEvent tells at most once a minute that an event says nothing that could be understood.
func (w *watch) oddEvent(m *message.Message, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); now.Sub(w.odd) >= time.Minute {
		w.odd = now
		w.log.Warn("an event tells nothing of presence", "event", "presence-event-odd", "hub", w.hub, "device", m.DeviceID,
			"partition", m.Partition, "sequence", m.Sequence, "error", err, "hint", fault.HintOf(err))
	}
}

// Save is ingress.Watched's. It waits until what has changed is told. What can never be saved holds no checkpoint back.
func (p *followed) Save(ctx context.Context) error {
	if p.partition == nil || !p.partition.Fresh() {
		return nil
	}
	w := p.watch
	w.telling.Lock()
	defer w.telling.Unlock()
	if w.untold {
		return nil
	}
	if err := w.save(ctx, p); fault.ClassOf(err) != fault.Rejected {
		return err
	}
	return nil
}

// Release is ingress.Watched's.
func (p *followed) Release(ctx context.Context, lost bool) {
	if p.partition == nil {
		return
	}
	w := p.watch
	w.mu.Lock()
	delete(w.taken, p.id)
	w.mu.Unlock()
	if !lost {
		w.telling.Lock()
		if !w.untold {
			_ = w.save(ctx, p) // it says so itself
		}
		w.telling.Unlock()
	}
	p.partition.Release()
}

// heads takes how far the hub's partitions reach, as it told when it was asked.
func (w *watch) heads(asked time.Time, parts []hub.Partition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, part := range parts {
		last := part.Last
		if part.Empty {
			last = presence.NoMessage
		}
		if p := w.taken[part.ID]; p != nil {
			p.partition.Head(last, asked)
		}
	}
}

// run judges and tells until ctx ends.
func (w *watch) run(ctx context.Context) error {
	tick := time.NewTicker(min(watchOften, w.every))
	defer tick.Stop()
	saved := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if !w.look(ctx) {
			return nil
		}
		if time.Since(saved) >= w.every {
			saved = time.Now()
			w.saveAll(ctx)
		}
	}
}

// look tells what has changed; false if the end came before all was told.
func (w *watch) look(ctx context.Context) bool {
	w.telling.Lock()
	defer w.telling.Unlock()
	for {
		changes := w.table.Advance(time.Now())
		if w.untold = !w.tellAll(ctx, changes); w.untold {
			return false
		}
		if len(changes) < presence.MaxChanges {
			return true
		}
	}
}

func (w *watch) saveAll(ctx context.Context) {
	w.mu.Lock()
	all := make([]*followed, 0, len(w.taken))
	for _, p := range w.taken {
		all = append(all, p)
	}
	w.mu.Unlock()
	for _, p := range all {
		_ = w.save(ctx, p) // it says so itself
	}
}

// save stores what is known of a partition. One that fails is followed by a newer one.
func (w *watch) save(ctx context.Context, p *followed) error {
	p.saving.Lock()
	defer p.saving.Unlock()
	data := p.partition.Snapshot()
	if data == nil {
		return nil // it was released meanwhile
	}
	err := w.store.SaveSnapshot(ctx, p.id, data)
	if err != nil {
		p.partition.Unsaved()
	}
	if err == nil || ctx.Err() == nil {
		w.noteSave(p.id, err)
	}
	return err
}

// noteSave tells once that snapshots cannot be saved, and once that they can again.
func (w *watch) noteSave(partition string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.meter.SnapshotFailed(w.hub, partition)
	}
	if news := w.failed != (err != nil); !news {
		return
	}
	w.failed = err != nil
	if err != nil {
		w.log.Error("what is known of devices cannot be saved; after a restart some may be unknown", "event", "presence-failing",
			"hub", w.hub, "partition", partition, "error", err, "hint", fault.HintOf(err))
	} else {
		w.log.Info("what is known of devices is saved again", "event", "presence-ok", "hub", w.hub)
	}
}
