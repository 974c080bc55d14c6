package iothub

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Registry holds the identities of devices and modules. It is safe for concurrent use; a change is on disk (when the
// hub has a folder) before the method returns.
type Registry struct {
	clock func() time.Time
	// notify is told of changes when they are done; nil in no hub.
	notify func(registryChange)

	mu      sync.RWMutex
	entries map[ID]Identity
	list    []Identity // the same, sorted; a change makes another one
	save    func([]Identity) error
}

func newRegistry(clock func() time.Time, all []Identity) *Registry {
	r := &Registry{clock: clock, entries: make(map[ID]Identity, len(all))}
	for _, identity := range all {
		r.entries[identity.ID] = identity
	}
	r.list = sorted(r.entries)
	return r
}

// registryChange is what became of identities.
type registryChange struct {
	created, removed, disabled []Identity
}

// Spec describes a device or module to add, or what it is to be.
type Spec struct {
	ID
	// Edge marks an IoT Edge device; it gets the modules $edgeAgent and $edgeHub, as on a real hub (read).
	Edge bool `json:"edge,omitempty"`
	// Parent is the id of the IoT Edge device a leaf device, or another edge device, connects through.
	Parent string `json:"parent,omitempty"`
	// Scope and ParentScopes say the same as the service API does: the scope of the parent is a leaf's Scope, and the
	// one of an edge device's ParentScopes. Parent comes first.
	Scope        string   `json:"scope,omitempty"`
	ParentScopes []string `json:"parentScopes,omitempty"`
	// PrimaryKey and SecondaryKey are base64 texts of 16 to 64 bytes; empty ones are made, or stay in an update.
	PrimaryKey   string `json:"primaryKey,omitempty"`
	SecondaryKey string `json:"secondaryKey,omitempty"`
	// Disabled refuses connections and messages; StatusReason is a text of up to 128 characters about it.
	Disabled     bool   `json:"disabled,omitempty"`
	StatusReason string `json:"statusReason,omitempty"`
}

// Add creates devices and modules with new keys, all or none, and returns them in order. The device of a module must
// exist, or come earlier in the same call. Errors: ErrBadID, ErrExists, ErrNotFound, TooManyModules, ArgumentInvalid.
func (r *Registry) Add(specs ...Spec) ([]Identity, error) {
	result, all, err := r.add(specs)
	if err == nil {
		r.tell(registryChange{created: all})
	}
	return result, err
}

func (r *Registry) tell(change registryChange) {
	if r.notify != nil {
		r.notify(change)
	}
}

func (r *Registry) add(specs []Spec) (result, all []Identity, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	added := make(map[ID]Identity)
	for _, spec := range specs {
		identity, err := r.create(spec, added)
		if err != nil {
			return nil, nil, err
		}
		result = append(result, identity)
		if !spec.Edge {
			continue
		}
		for _, module := range [...]string{"$edgeAgent", "$edgeHub"} {
			if _, err := r.create(Spec{ID: ID{Device: spec.Device, Module: module}}, added); err != nil {
				return nil, nil, err
			}
		}
	}
	return result, sorted(added), r.commit(added)
}

// Get returns one identity, or ErrNotFound.
func (r *Registry) Get(id ID) (Identity, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	identity, ok := r.entries[id]
	if !ok {
		return Identity{}, notFound(id)
	}
	return identity, nil
}

// notFound is ErrNotFound in the words for a device or a module.
func notFound(id ID) error {
	if id.Module != "" {
		return refusal(ModuleNotFound, "module %q: %v", id, ErrNotFound)
	}
	return fmt.Errorf("device %q: %w", id, ErrNotFound)
}

// List returns all identities, sorted by device and module, for callers that only read it: each page of a query takes it.
func (r *Registry) List() []Identity {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.list
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
	list := sorted(next)
	if r.save != nil {
		if err := r.save(list); err != nil {
			return err
		}
	}
	r.entries, r.list = next, list
	return nil
}

// newGeneration has the form of a real hub's: digits of a time (read). The random part keeps two apart.
func (r *Registry) newGeneration() string {
	var b [2]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%d%03d", r.clock().UnixNano()/100, int(b[0])<<1+int(b[1]&1))
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
