package iothub

import (
	"encoding/base64"
	"fmt"
	"slices"
	"time"
)

const (
	// maxModules is what one device can have (read).
	maxModules = 50
	// maxReason bounds a status reason (read).
	maxReason = 128
	// scopePrefix begins the scope of an edge device (read).
	scopePrefix = "ms-azure-iot-edge://"
)

// SetDisabled refuses or allows connections and messages of a device or module.
func (r *Registry) SetDisabled(id ID, disabled bool) error {
	_, err := r.change(id, "", func(identity *Identity) error {
		identity.setStatus(disabled, identity.StatusReason, r.clock())
		return nil
	})
	return err
}

// Update makes a device or module what spec says. ifMatch is an etag, or empty or "*" for any. Errors: ErrNotFound,
// PreconditionFailed, ArgumentInvalid.
func (r *Registry) Update(spec Spec, ifMatch string) (Identity, error) {
	return r.change(spec.ID, ifMatch, func(identity *Identity) error { return r.apply(spec, identity) })
}

func (r *Registry) change(id ID, ifMatch string, how func(identity *Identity) error) (Identity, error) {
	identity, err := r.changeLocked(id, ifMatch, how)
	if err == nil && identity.Disabled {
		r.tell(registryChange{disabled: []Identity{identity}})
	}
	return identity, err
}

func (r *Registry) changeLocked(id ID, ifMatch string, how func(identity *Identity) error) (Identity, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	identity, err := r.matching(id, ifMatch)
	if err != nil {
		return Identity{}, err
	}
	if err := how(&identity); err != nil {
		return Identity{}, err
	}
	identity.ETag = newETag()
	changes := map[ID]Identity{id: identity}
	if identity.Edge {
		if err := r.addEdgeModules(id.Device, changes); err != nil {
			return Identity{}, err
		}
	}
	return identity, r.commit(changes)
}

func (r *Registry) addEdgeModules(device string, changes map[ID]Identity) error {
	for _, module := range [...]string{"$edgeAgent", "$edgeHub"} {
		id := ID{Device: device, Module: module}
		if _, has := r.entries[id]; has {
			continue
		}
		if _, err := r.create(Spec{ID: id}, changes); err != nil {
			return err
		}
	}
	return nil
}

// matching finds an identity and applies If-Match; the caller has the lock.
func (r *Registry) matching(id ID, ifMatch string) (Identity, error) {
	identity, ok := r.entries[id]
	if !ok {
		return Identity{}, notFound(id)
	}
	if !matches(ifMatch, identity.ETag) {
		return Identity{}, refusal(PreconditionFailed, "device %q has the etag %s", id, identity.ETag)
	}
	return identity, nil
}

// Remove deletes a device with its modules, or one module.
func (r *Registry) Remove(id ID) error { return r.RemoveMatching(id, "") }

// RemoveMatching is Remove if the entry has the etag; empty and "*" match any. Errors: ErrNotFound, PreconditionFailed.
func (r *Registry) RemoveMatching(id ID, ifMatch string) error {
	removed, err := r.remove(id, ifMatch)
	if err == nil {
		r.tell(registryChange{removed: removed})
	}
	return err
}

func (r *Registry) remove(id ID, ifMatch string) ([]Identity, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.matching(id, ifMatch); err != nil {
		return nil, err
	}
	left, gone := make(map[ID]Identity, len(r.entries)), make(map[ID]Identity)
	for other, identity := range r.entries {
		if other == id || id.Module == "" && other.Device == id.Device {
			gone[other] = identity
		} else {
			left[other] = identity
		}
	}
	return sorted(gone), r.replace(left)
}

// Modules returns the modules of a device, sorted. Error: ErrNotFound.
func (r *Registry) Modules(device string) ([]Identity, error) {
	if _, err := r.Get(ID{Device: device}); err != nil {
		return nil, err
	}
	var modules []Identity
	for _, i := range r.List() {
		if i.Device == device && i.Module != "" {
			modules = append(modules, i)
		}
	}
	return modules, nil
}

func (r *Registry) create(spec Spec, added map[ID]Identity) (Identity, error) {
	if err := spec.Check(); err != nil {
		return Identity{}, fmt.Errorf("add device: %w", err)
	}
	if spec.Edge && spec.Module != "" {
		return Identity{}, fmt.Errorf("add module %q: only a device can be an edge device", spec.ID)
	}
	if err := r.free(spec.ID, added); err != nil {
		return Identity{}, err
	}
	now := r.clock().UTC().Truncate(time.Millisecond)
	identity := Identity{
		ID:           spec.ID,
		GenerationID: r.newGeneration(),
		ETag:         newETag(),
		PrimaryKey:   newKey(),
		SecondaryKey: newKey(),
		Created:      now,
	}
	if err := r.apply(spec, &identity); err != nil {
		return Identity{}, err
	}
	added[spec.ID] = identity
	return identity, nil
}

// free reports why an id cannot be given to a new identity.
func (r *Registry) free(id ID, added map[ID]Identity) error {
	exists := func(id ID) bool {
		_, old := r.entries[id]
		_, fresh := added[id]
		return old || fresh
	}
	if exists(id) && id.Module != "" {
		return refusal(ModuleExists, "add module %q: %v", id, ErrExists)
	}
	if exists(id) {
		return fmt.Errorf("add device %q: %w", id, ErrExists)
	}
	if id.Module == "" {
		return nil
	}
	if parent := (ID{Device: id.Device}); !exists(parent) {
		return fmt.Errorf("add module %q: device %q: %w; add the device first", id, parent, ErrNotFound)
	}
	modules := 0
	for other := range r.entries {
		if other.Device == id.Device && other.Module != "" && other.Module[0] != '$' {
			modules++
		}
	}
	if modules >= maxModules && id.Module[0] != '$' {
		return refusal(TooManyModules, "device %q has %d modules, which is the most it can have", id.Device, modules)
	}
	return nil
}

// apply sets what a spec can set; the caller has the lock.
func (r *Registry) apply(spec Spec, identity *Identity) error {
	if spec.Edge && spec.Module != "" {
		return refusal(ArgumentInvalid, "module %q: only a device can be an edge device", spec.ID)
	}
	if len(spec.StatusReason) > maxReason {
		return refusal(ArgumentInvalid, "status reason of %d characters: at most %d", len(spec.StatusReason), maxReason)
	}
	for _, k := range [...]struct {
		text string
		to   *string
	}{{spec.PrimaryKey, &identity.PrimaryKey}, {spec.SecondaryKey, &identity.SecondaryKey}} {
		if k.text == "" {
			continue
		}
		if secret, err := base64.StdEncoding.DecodeString(k.text); err != nil || len(secret) < 16 || len(secret) > 64 {
			return refusal(ArgumentInvalid, "device %q: a key is not the base64 text of 16 to 64 bytes", spec.ID)
		}
		*k.to = k.text
	}
	identity.Edge = spec.Edge
	identity.setStatus(spec.Disabled, spec.StatusReason, r.clock())
	return r.place(spec, identity)
}

func (i *Identity) setStatus(disabled bool, reason string, now time.Time) {
	if i.Disabled != disabled {
		i.StatusUpdated = now.UTC().Truncate(time.Millisecond)
	}
	i.Disabled, i.StatusReason = disabled, reason
}

// place sets the scopes of a device: an edge device has one of its own, and its parent's besides; a leaf has its
// parent's (read).
func (r *Registry) place(spec Spec, identity *Identity) error {
	if spec.Module != "" {
		return nil
	}
	parents, scope := spec.ParentScopes, spec.Scope
	if spec.Parent != "" {
		parent, ok := r.entries[ID{Device: spec.Parent}]
		if !ok || !parent.Edge {
			return refusal(ArgumentInvalid, "device %q: its parent %q is not an edge device of this hub", spec.ID, spec.Parent)
		}
		parents, scope = []string{parent.Scope}, parent.Scope
	}
	identity.ParentScopes = slices.Clone(parents)
	switch {
	case !spec.Edge:
		identity.Scope = scope
		if scope != "" && len(parents) == 0 {
			identity.ParentScopes = []string{scope}
		}
	default:
		identity.Scope = scopePrefix + identity.Device + "-" + identity.GenerationID
	}
	return nil
}

// Status is the identity's status in Azure's word: "enabled" or "disabled".
func (i Identity) Status() string {
	if i.Disabled {
		return "disabled"
	}
	return "enabled"
}
