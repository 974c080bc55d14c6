package iothub

import "fmt"

// DesiredChange is a change of desired properties as the device hears of it: a patch and the version after it.
type DesiredChange struct {
	Patch   map[string]any
	Version int64
}

// Document is the JSON text a device gets: the patch with $version (read).
func (c DesiredChange) Document() []byte {
	return mustJSON(Section{Values: c.Patch, Version: c.Version}.versioned())
}

// Twin returns the twin of a device or module. Error: DeviceNotFound.
func (h *Hub) Twin(id ID) (Twin, error) {
	identity, err := h.registry.Get(id)
	if err != nil {
		return Twin{}, fmt.Errorf("twin: %w", err)
	}
	h.twins.mu.Lock()
	defer h.twins.mu.Unlock()
	return h.twins.get(identity), nil
}

// ReadTwin is Twin within the hub's limits: for devices and back ends that ask. Errors also of Admit.
func (h *Hub) ReadTwin(id ID) (Twin, error) {
	if err := h.Admit(OpTwinRead, 0); err != nil {
		return Twin{}, err
	}
	return h.Twin(id)
}

// PatchTwin changes what the update names: null deletes, objects merge. ifMatch is an etag, or empty or "*" for any.
// Errors: DeviceNotFound, PreconditionFailed, ArgumentInvalid, those of Admit.
func (h *Hub) PatchTwin(id ID, ifMatch string, u TwinUpdate) (Twin, error) {
	return h.changeTwin(id, ifMatch, u, false)
}

// ReplaceTwin is PatchTwin that drops all other tags, or desired properties, of the parts the update has (that absent
// parts stay is inferred).
func (h *Hub) ReplaceTwin(id ID, ifMatch string, u TwinUpdate) (Twin, error) {
	return h.changeTwin(id, ifMatch, u, true)
}

func (h *Hub) changeTwin(id ID, ifMatch string, u TwinUpdate, replace bool) (Twin, error) {
	if err := h.Admit(OpTwinUpdate, twinSize(u.Tags)+twinSize(u.Desired)); err != nil {
		return Twin{}, err
	}
	return h.changeTwinNow(id, ifMatch, u, replace)
}

func (h *Hub) changeTwinNow(id ID, ifMatch string, u TwinUpdate, replace bool) (Twin, error) {
	identity, err := h.registry.Get(id)
	if err != nil {
		return Twin{}, fmt.Errorf("change twin: %w", err)
	}
	next, ticket, err := h.applyTwin(identity, ifMatch, u, replace)
	if err == nil && ticket != nil {
		_, err = ticket.Wait()
	}
	return next, err
}

// applyTwin changes the twin, tells the device and the log, in one order for all.
func (h *Hub) applyTwin(identity Identity, ifMatch string, u TwinUpdate, replace bool) (next Twin, ticket *Ticket, err error) {
	h.twins.mu.Lock()
	defer h.twins.mu.Unlock()
	old := h.twins.get(identity)
	if !matches(ifMatch, old.ETag) {
		return Twin{}, nil, refusal(PreconditionFailed, "the twin of %q has the etag %s", identity.ID, old.ETag)
	}
	next = old
	if u.Tags != nil {
		if next.Tags, err = changedTags(old.Tags, u.Tags, replace); err != nil {
			return Twin{}, nil, err
		}
	}
	if u.Desired != nil {
		if next.Desired, err = old.Desired.change("desired", u.Desired, replace, h.clock(), true); err != nil {
			return Twin{}, nil, err
		}
	}
	next.Version, next.ETag = old.Version+1, nextTwinETag(old.ETag)
	if err := h.twins.put(identity, next); err != nil {
		return Twin{}, nil, err
	}
	if u.Desired != nil {
		patch := u.Desired
		if replace {
			patch = replacing(old.Desired.Values, u.Desired)
		}
		h.presence.tellDesired(identity.ID, DesiredChange{patch, next.Desired.Version})
	}
	return next, h.emit(h.twinEvent(identity, next, u, replace)), nil
}

// PatchReported changes reported properties in the name of the device or module p speaks for, and returns the section's
// new version. Errors: ArgumentInvalid, those of Submit and of Admit.
func (h *Hub) PatchReported(p Principal, patch []byte) (version int64, err error) {
	if err := h.Admit(OpTwinUpdate, len(patch)); err != nil {
		return 0, err
	}
	values, err := ParseObject(patch)
	if err != nil {
		return 0, err
	}
	identity, err := h.sender(p)
	if err != nil {
		return 0, fmt.Errorf("change reported properties: %w", err)
	}
	h.touch(p.ID, false)
	version, ticket, err := h.applyReported(identity, values)
	if err == nil && ticket != nil {
		_, err = ticket.Wait()
	}
	return version, err
}

func (h *Hub) applyReported(identity Identity, patch map[string]any) (int64, *Ticket, error) {
	h.twins.mu.Lock()
	defer h.twins.mu.Unlock()
	next := h.twins.get(identity)
	var err error
	if next.Reported, err = next.Reported.change("reported", patch, false, h.clock(), false); err != nil {
		return 0, nil, err
	}
	next.Version++
	if err := h.twins.put(identity, next); err != nil {
		return 0, nil, err
	}
	return next.Reported.Version, h.emit(h.reportedEvent(identity, next, patch)), nil
}
