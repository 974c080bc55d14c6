package iothub

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Registry holds the identities of devices and modules. It is safe for concurrent use; a change is on disk (when the
// hub has a folder) before the method returns.
type Registry struct {
	clock func() time.Time

	mu      sync.RWMutex
	entries map[ID]Identity
	save    func([]Identity) error
}

// Spec describes a device or module to add.
type Spec struct {
	ID
	// Edge marks an IoT Edge device; it gets the modules $edgeAgent and $edgeHub, as on a real hub (read).
	Edge bool `json:"edge,omitempty"`
}

// Add creates devices and modules with new keys, all or none, and returns them in order. The device of a module must
// exist, or come earlier in the same call. Errors: ErrBadID, ErrExists, ErrNotFound.
func (r *Registry) Add(specs ...Spec) ([]Identity, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	added := make(map[ID]Identity)
	result := make([]Identity, 0, len(specs))
	for _, spec := range specs {
		identity, err := r.create(spec, added)
		if err != nil {
			return nil, err
		}
		result = append(result, identity)
		if !spec.Edge {
			continue
		}
		for _, module := range [...]string{"$edgeAgent", "$edgeHub"} {
			if _, err := r.create(Spec{ID: ID{Device: spec.Device, Module: module}}, added); err != nil {
				return nil, err
			}
		}
	}
	return result, r.commit(added)
}

// Get returns one identity, or ErrNotFound.
func (r *Registry) Get(id ID) (Identity, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	identity, ok := r.entries[id]
	if !ok {
		return Identity{}, fmt.Errorf("device %q: %w", id, ErrNotFound)
	}
	return identity, nil
}

// List returns all identities, sorted by device and module.
func (r *Registry) List() []Identity {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return sorted(r.entries)
}

// SetDisabled refuses or allows connections and messages of a device or module.
func (r *Registry) SetDisabled(id ID, disabled bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	identity, ok := r.entries[id]
	if !ok {
		return fmt.Errorf("device %q: %w", id, ErrNotFound)
	}
	identity.Disabled = disabled
	identity.ETag = newETag()
	return r.commit(map[ID]Identity{id: identity})
}

// Remove deletes a device with its modules, or one module.
func (r *Registry) Remove(id ID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.entries[id]; !ok {
		return fmt.Errorf("device %q: %w", id, ErrNotFound)
	}
	left := make(map[ID]Identity, len(r.entries))
	for other, identity := range r.entries {
		if other != id && (id.Module != "" || other.Device != id.Device) {
			left[other] = identity
		}
	}
	return r.replace(left)
}

func (r *Registry) create(spec Spec, added map[ID]Identity) (Identity, error) {
	if err := spec.Check(); err != nil {
		return Identity{}, fmt.Errorf("add device: %w", err)
	}
	if spec.Edge && spec.Module != "" {
		return Identity{}, fmt.Errorf("add module %q: only a device can be an edge device", spec.ID)
	}
	exists := func(id ID) bool {
		_, old := r.entries[id]
		_, fresh := added[id]
		return old || fresh
	}
	if exists(spec.ID) {
		return Identity{}, fmt.Errorf("add device %q: %w", spec.ID, ErrExists)
	}
	if parent := (ID{Device: spec.Device}); spec.Module != "" && !exists(parent) {
		return Identity{}, fmt.Errorf("add module %q: device %q: %w; add the device first", spec.ID, parent, ErrNotFound)
	}
	identity := Identity{
		ID:           spec.ID,
		GenerationID: r.newGeneration(),
		ETag:         newETag(),
		PrimaryKey:   newKey(),
		SecondaryKey: newKey(),
		Edge:         spec.Edge,
		Created:      r.clock().UTC().Truncate(time.Millisecond),
	}
	added[spec.ID] = identity
	return identity, nil
}

// commit merges changes; nothing changes when they cannot be written.
func (r *Registry) commit(changes map[ID]Identity) error {
	next := make(map[ID]Identity, len(r.entries)+len(changes))
	for id, identity := range r.entries {
		next[id] = identity
	}
	for id, identity := range changes {
		next[id] = identity
	}
	return r.replace(next)
}

// rewrite saves the hub's state when something else in it has changed; the file has one writer at a time.
func (r *Registry) rewrite() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.replace(r.entries)
}

func (r *Registry) replace(next map[ID]Identity) error {
	if r.save != nil {
		if err := r.save(sorted(next)); err != nil {
			return err
		}
	}
	r.entries = next
	return nil
}

// newGeneration has the form of a real hub's: digits of a time (read). The random part keeps two apart.
func (r *Registry) newGeneration() string {
	var b [2]byte
	_, _ = rand.Read(b[:])
	return strconv.FormatInt(r.clock().UnixNano()/100*1000+int64(b[0])<<1+int64(b[1]&1), 10)
}

func newETag() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

func newKey() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

func sorted(entries map[ID]Identity) []Identity {
	list := make([]Identity, 0, len(entries))
	for _, identity := range entries {
		list = append(list, identity)
	}
	slices.SortFunc(list, func(a, b Identity) int {
		if a.Device != b.Device {
			return strings.Compare(a.Device, b.Device)
		}
		return strings.Compare(a.Module, b.Module)
	})
	return list
}
