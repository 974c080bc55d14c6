// Package iothub is the core of the local IoT hub, without protocols: identities, policies and tokens, and the event log.
package iothub

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what hub to open. The zero Config is an in-memory hub named localhost.
type Config struct {
	// Host is the hub's host name; default "localhost", or the host name the folder was made for.
	Host string
	// Dir is the folder that keeps identities, keys, consumer groups and events; empty keeps them in memory.
	Dir string
	// Partitions is the number of partitions, at most 32; default 4, or what the folder was made with, which cannot be
	// changed.
	Partitions int
	// Retention bounds each partition's log.
	Retention Retention
	// NoSync leaves it to the operating system when events reach the disk. They outlive the process all the same; a power
	// cut may cost the whole event log.
	NoSync bool
	// Clock is the time used everywhere; default time.Now.
	Clock func() time.Time
	// FeedbackDelay is how long a feedback record waits for others; default 15 s, as on a real hub.
	FeedbackDelay time.Duration
}

// Hub is one IoT hub. All methods are safe for concurrent use. It starts no goroutines.
type Hub struct {
	names      Names // before any failover
	endpoint   atomic.Pointer[endpoint]
	failing    sync.Mutex // held during a failover
	clock      func() time.Time
	created    time.Time
	dir        string
	registry   *Registry
	partitions []partition
	disk       *diskLog // nil when the events are in memory
	lost       bool

	twins       *twinStore
	presence    *presence
	outboxes    *outboxes
	feedback    *Feedback
	router      router
	limits      limiter
	faults      faults
	silences    silences
	trusted     atomic.Pointer[trust]
	eventNumber atomic.Int64 // of the last connection state event

	mu       sync.Mutex // guards what follows
	policies []Policy
	groups   []string
	accepted map[ID]uint64
}

// maxPartitions is what one hub can have (read), defaultPartitions what it has unless told otherwise.
const (
	maxPartitions     = 32
	defaultPartitions = 4
)

// maxConsumerGroups is what an event hub can have (read).
const maxConsumerGroups = 20

// Open makes a new hub, or opens the one in cfg.Dir, for this process alone until Close. An opened hub has all that it
// had: keys, devices, consumer groups, and every event that was acknowledged, with its number, offset and time. Numbers
// and offsets go on where they were, also when all events have outlived the retention, and also, in a great leap, when
// the file of the events is gone; none is ever given twice.
func Open(cfg Config) (*Hub, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Partitions < 0 || cfg.Partitions > maxPartitions {
		return nil, fmt.Errorf("open hub: %d partitions: want 1 to %d", cfg.Partitions, maxPartitions)
	}
	s, found, err := openState(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Host == "" {
		cfg.Host = s.Host
	}
	names, err := NewNames(cfg.Host)
	if err != nil {
		return nil, fmt.Errorf("open hub: %w", err)
	}
	h := &Hub{names: names, clock: cfg.Clock, created: s.Created, dir: cfg.Dir, groups: s.ConsumerGroups, accepted: map[ID]uint64{}}
	h.endpoint.Store(newEndpoint(names, s.Failovers))
	h.registry = newRegistry(cfg.Clock, s.Devices)
	h.policies = openPolicies(s.Policies)
	if err := h.openTwoWay(cfg, s); err != nil {
		return nil, err
	}
	if cfg.Dir == "" {
		h.openMemory(cfg)
		return h, nil
	}
	h.registry.save = h.saveDevices
	if err := h.openDisk(cfg, s, found); err != nil {
		return nil, err
	}
	if h.twins, err = openTwins(cfg.Dir, cfg.NoSync); err != nil {
		return nil, errors.Join(err, h.disk.close())
	}
	if err := h.openMessages(cfg.Dir, cfg.NoSync); err != nil {
		return nil, errors.Join(err, h.twins.close(), h.disk.close())
	}
	if err := h.saveDevices(h.registry.List()); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// Close lets another process open the folder. Call it when nobody uses the hub any more.
func (h *Hub) Close() error {
	if h.disk == nil {
		return nil
	}
	return errors.Join(h.twins.close(), h.outboxes.store.close(), h.disk.close())
}

// EventsLost reports that the folder had events when the hub was last open, and that their file has gone since.
func (h *Hub) EventsLost() bool { return h.lost }

// Names are the names the hub answers to, until it fails over.
func (h *Hub) Names() Names { return h.endpoint.Load().names }

// Now is the hub's time.
func (h *Hub) Now() time.Time { return h.clock() }

// Created is when the hub was made.
func (h *Hub) Created() time.Time { return h.created }

// Registry holds the hub's devices and modules.
func (h *Hub) Registry() *Registry { return h.registry }

// Policy returns the shared access policy of that name.
func (h *Hub) Policy(name string) (Policy, bool) {
	for _, p := range h.policies {
		if p.Name == name {
			return p, true
		}
	}
	return Policy{}, false
}

// PolicyNames lists the shared access policies.
func (h *Hub) PolicyNames() (names []string) {
	for _, p := range h.policies {
		names = append(names, p.Name)
	}
	return names
}

// Accept takes a message of the device or module p speaks for and returns once it is in the log. Errors: ErrTooLarge,
// ErrNotFound (deleted since it connected, or replaced by another generation), ErrDisabled, those of Admit.
func (h *Hub) Accept(p Principal, m Message) (*Event, error) {
	ticket, err := h.Submit(p, m)
	if err != nil {
		return nil, err
	}
	return ticket.Wait()
}

// Submit takes a message like Accept, behind all that were submitted before, and leaves the waiting to the caller: the
// message is accepted when the ticket says so. Many that are waited for together are written together. It errs as
// Accept does.
func (h *Hub) Submit(p Principal, m Message) (*Ticket, error) {
	if size := m.Size(); size > MaxMessageSize {
		return nil, fmt.Errorf("accept message of %q: %d bytes: %w", p.ID, size, ErrTooLarge)
	}
	if _, err := h.sender(p); err != nil {
		return nil, fmt.Errorf("accept message: %w", err)
	}
	if err := h.Admit(OpTelemetry, m.Size()); err != nil {
		return nil, err
	}
	now := h.clock()
	e := &Event{Message: m, From: p.ID, GenerationID: p.GenerationID, AuthMethod: p.AuthMethod(), Source: SourceTelemetry, HubTime: now}
	if !h.router.admits(e) {
		return &Ticket{hub: h, event: e}, nil // it went where a route says
	}
	return &Ticket{hub: h, event: e, batch: h.partitions[h.PartitionOf(p.ID.Device)].append(e, now)}, nil
}

// sender finds the device or module p speaks for.
func (h *Hub) sender(p Principal) (Identity, error) {
	identity, err := h.registry.Get(p.ID)
	switch {
	case err != nil:
		return Identity{}, err
	case identity.GenerationID != p.GenerationID:
		return Identity{}, fmt.Errorf("device %q of generation %s: %w", p.ID, p.GenerationID, ErrNotFound)
	case identity.Disabled:
		return Identity{}, fmt.Errorf("device %q: %w", p.ID, ErrDisabled)
	}
	return identity, nil
}

// count notes an accepted message.
func (h *Hub) count(id ID) {
	h.touch(id, true)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.accepted[id]++
}

// Accepted counts the messages taken since the hub was opened, by device and module.
func (h *Hub) Accepted() map[ID]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.accepted)
}

// ConsumerGroups lists the consumer groups of the event hub. A new hub has $Default and azx.
func (h *Hub) ConsumerGroups() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.groups)
}

// HasConsumerGroup reports whether there is a consumer group of that name, compared without case.
func (h *Hub) HasConsumerGroup(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hasGroup(name)
}

// AddConsumerGroup makes a consumer group. Names have up to 50 letters, digits and .-_ (read). Errors: ErrExists, ErrBadID.
func (h *Hub) AddConsumerGroup(name string) error {
	if name == "" || len(name) > 50 || strings.ContainsFunc(name, func(r rune) bool { return !groupCharacter(r) }) {
		return fmt.Errorf("add consumer group %q: %w: want 1 to 50 letters, digits, dots, dashes and underscores", name, ErrBadID)
	}
	if err := h.keepGroup(name); err != nil {
		return fmt.Errorf("add consumer group %q: %w", name, err)
	}
	if err := h.registry.rewrite(); err != nil {
		h.dropGroup(name)
		return err
	}
	return nil
}

func (h *Hub) keepGroup(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hasGroup(name) {
		return ErrExists
	}
	if len(h.groups) >= maxConsumerGroups {
		return fmt.Errorf("the hub has %d, which is the most it can have", len(h.groups))
	}
	h.groups = append(slices.Clip(h.groups), name)
	return nil
}

func (h *Hub) dropGroup(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.groups = slices.DeleteFunc(slices.Clone(h.groups), func(group string) bool { return group == name })
}

func (h *Hub) hasGroup(name string) bool {
	return slices.ContainsFunc(h.groups, func(group string) bool { return strings.EqualFold(group, name) })
}

func groupCharacter(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_", r)
}

// openState loads the folder's state, or makes the state of a new hub.
func openState(cfg Config) (s state, found bool, err error) {
	if cfg.Dir != "" {
		if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
			return state{}, false, fmt.Errorf("open hub: %w", err)
		}
		if s, found, err = loadState(cfg.Dir); err != nil {
			return state{}, false, err
		}
	}
	if found {
		return s, true, nil
	}
	return state{Host: "localhost", Created: cfg.Clock().UTC(), ConsumerGroups: []string{"$Default", "azx"}, Routing: Routing{Fallback: true}}, false, nil
}

// openPolicies gives the built-in policies their stored keys, or new ones.
func openPolicies(stored map[string][]string) []Policy {
	policies := slices.Clone(builtInPolicies[:])
	for i := range policies {
		p := &policies[i]
		p.PrimaryKey, p.SecondaryKey = newKey(), newKey()
		if keys := stored[p.Name]; len(keys) == 2 {
			p.PrimaryKey, p.SecondaryKey = keys[0], keys[1]
		}
	}
	return policies
}

func (h *Hub) openMemory(cfg Config) {
	n := cfg.Partitions
	if n == 0 {
		n = defaultPartitions
	}
	for range n {
		h.partitions = append(h.partitions, newMemoryPartition(cfg.Retention))
	}
}

// openDisk opens the event log. The numbers of a log that is new in an old hub start at the hub's age in microseconds,
// which is more than it can have given before.
func (h *Hub) openDisk(cfg Config, s state, again bool) error {
	base := int64(0)
	if again {
		base = max(cfg.Clock().Sub(h.created).Microseconds(), 0)
		_, err := os.Stat(filepath.Join(cfg.Dir, logFile))
		h.lost = s.Log && errors.Is(err, fs.ErrNotExist)
	}
	log, err := openDiskLog(cfg.Dir, cfg.Partitions, base, cfg.Retention)
	if err != nil {
		return err
	}
	log.db.NoSync = cfg.NoSync
	h.disk = log
	for _, p := range log.partitions {
		h.partitions = append(h.partitions, p)
	}
	return nil
}

// saveDevices writes the hub's state with these devices; the registry calls it under its lock.
func (h *Hub) saveDevices(devices []Identity) error {
	at := h.endpoint.Load()
	s := state{Host: at.names.Host, Created: h.created, Log: true, ConsumerGroups: h.ConsumerGroups(), Devices: devices,
		Policies: map[string][]string{}, Routing: h.Routing(), Failovers: at.failovers}
	for _, p := range h.policies {
		s.Policies[p.Name] = []string{p.PrimaryKey, p.SecondaryKey}
	}
	return saveState(h.dir, s)
}
