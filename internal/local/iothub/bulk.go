package iothub

// maxBulk is how many entries one bulk call has (read).
const maxBulk = 100

// The modes of a bulk entry, as importMode has them (read).
const (
	BulkCreate            = "create"
	BulkUpdate            = "update"
	BulkUpdateIfMatch     = "updateIfMatchETag"
	BulkDelete            = "delete"
	BulkDeleteIfMatch     = "deleteIfMatchETag"
	BulkCreateOrUpdate    = "createOrUpdate"
	BulkCreateOrIfMatch   = "createOrUpdateIfMatchETag"
	BulkUpdateTwin        = "updateTwin"
	BulkUpdateTwinIfMatch = "updateTwinIfMatchETag"
)

// BulkEntry is one change of a bulk call.
type BulkEntry struct {
	Spec
	// Mode is one of the modes above.
	Mode string
	// ETag is the etag of the identity, or of the twin, for the modes that want it.
	ETag string
	// Twin is what to change of the twin: in the modes for twins, and after a create.
	Twin TwinUpdate
}

// BulkError says why an entry was not applied.
type BulkError struct {
	ID
	*Error
}

// Bulk applies the entries one after the other, and returns the errors of those that failed; the others are done.
// Error: ArgumentInvalid for more than 100 entries or for none.
func (h *Hub) Bulk(entries []BulkEntry) ([]BulkError, error) {
	if len(entries) == 0 || len(entries) > maxBulk {
		return nil, refusal(ArgumentInvalid, "%d entries: want 1 to %d", len(entries), maxBulk)
	}
	var failed []BulkError
	for _, entry := range entries {
		err := h.Admit(OpRegistry, 0)
		if err == nil {
			err = h.bulkEntry(entry)
		}
		if err != nil {
			failed = append(failed, BulkError{entry.ID, AsError(err)})
		}
	}
	return failed, nil
}

// Import applies one entry of an import job: other than in a bulk call, an update brings the twin along. It is not within
// the hub's limits, as a job has its own. Errors: those of the registry and of PatchTwin.
func (h *Hub) Import(e BulkEntry) error {
	switch e.Mode {
	case BulkUpdateTwin, BulkUpdateTwinIfMatch, BulkDelete, BulkDeleteIfMatch:
		return h.bulkEntry(e)
	}
	_, err := h.registry.Get(e.ID)
	isThere, twin := err == nil, e.Twin
	e.Twin = TwinUpdate{}
	if err := h.bulkEntry(e); err != nil || twin.Tags == nil && twin.Desired == nil {
		return err
	}
	_, err = h.changeTwinNow(e.ID, "", twin, isThere)
	return err
}

func (h *Hub) bulkEntry(e BulkEntry) error {
	switch e.Mode {
	case BulkCreate:
		return h.createWithTwin(e)
	case BulkCreateOrUpdate, BulkCreateOrIfMatch:
		if _, err := h.registry.Get(e.ID); err != nil {
			return h.createWithTwin(e)
		}
		if e.Mode == BulkCreateOrUpdate {
			e.ETag = ""
		}
		_, err := h.registry.Update(e.Spec, e.ETag)
		return err
	case BulkUpdate:
		_, err := h.registry.Update(e.Spec, "")
		return err
	case BulkUpdateIfMatch:
		_, err := h.registry.Update(e.Spec, e.ETag)
		return err
	case BulkDelete:
		return h.registry.Remove(e.ID)
	case BulkDeleteIfMatch:
		return h.registry.RemoveMatching(e.ID, e.ETag)
	case BulkUpdateTwin:
		_, err := h.PatchTwin(e.ID, "", e.Twin)
		return err
	case BulkUpdateTwinIfMatch:
		_, err := h.PatchTwin(e.ID, e.ETag, e.Twin)
		return err
	}
	return refusal(ArgumentInvalid, "import mode %q", e.Mode)
}

func (h *Hub) createWithTwin(e BulkEntry) error {
	if _, err := h.registry.Add(e.Spec); err != nil {
		return err
	}
	if e.Twin.Tags == nil && e.Twin.Desired == nil {
		return nil
	}
	_, err := h.PatchTwin(e.ID, "", e.Twin)
	return err
}
