package https

import (
	"encoding/json"
	"net/http"
	"strings"

	"azx/internal/local/iothub"
)

// bulkChange is an entry of a bulk call: the id is under another name, and the mode is written in any case (read: the
// Node SDK sends "create" and "UpdateIfMatchETag").
type bulkChange struct {
	identityChange
	ID         string `json:"id"`
	ImportMode string `json:"importMode"`
	ETag       string `json:"eTag"`     // also etag: names are read without case
	TwinETag   string `json:"twinETag"` // instead of it in the modes for twins (read: the C# SDK)
}

// bulkResult is the answer to a bulk call (read: iothubservice.json).
type bulkResult struct {
	IsSuccessful bool          `json:"isSuccessful"`
	Errors       []bulkFailure `json:"errors"`
	Warnings     []struct{}    `json:"warnings"`
}

type bulkFailure struct {
	DeviceID    string `json:"deviceId"`
	ModuleID    string `json:"moduleId,omitempty"`
	ErrorCode   string `json:"errorCode"`
	ErrorStatus string `json:"errorStatus"`
}

// bulk changes up to 100 devices and modules. When one of them fails the status is 400 (inferred: iothubservice.json has
// the same answer for 200 and 400), and the others are done.
func (f *front) bulk(r *request) error {
	var texts []json.RawMessage
	if err := r.decode(&texts); err != nil {
		return err
	}
	entries := make([]iothub.BulkEntry, 0, len(texts))
	for _, text := range texts {
		entry, err := bulkEntry(text)
		if err != nil {
			return err
		}
		entries = append(entries, entry)
	}
	failed, err := f.hub.Bulk(entries)
	if err != nil {
		return err
	}
	result := bulkResult{IsSuccessful: len(failed) == 0, Errors: []bulkFailure{}, Warnings: []struct{}{}}
	for _, e := range failed {
		result.Errors = append(result.Errors, bulkFailure{e.Device, e.Module, e.Code.Name(), e.Message})
	}
	status := http.StatusOK
	if !result.IsSuccessful {
		status = http.StatusBadRequest
	}
	reply(r.w, status, result)
	return nil
}

func bulkEntry(text json.RawMessage) (iothub.BulkEntry, error) {
	var change bulkChange
	if err := json.Unmarshal(text, &change); err != nil {
		return iothub.BulkEntry{}, invalid("an entry is not what it should be: %v", err)
	}
	spec, err := change.spec(iothub.ID{Device: change.ID, Module: change.ModuleID})
	if err != nil {
		return iothub.BulkEntry{}, err
	}
	twin, err := iothub.ParseTwinUpdate(text)
	if err != nil {
		return iothub.BulkEntry{}, err
	}
	entry := iothub.BulkEntry{Spec: spec, Mode: bulkMode(change.ImportMode), ETag: change.ETag, Twin: twin}
	if entry.Mode == iothub.BulkUpdateTwinIfMatch {
		if entry.ETag = change.TwinETag; entry.ETag == "" {
			return iothub.BulkEntry{}, invalid("an entry of mode %s has no twinETag", entry.Mode)
		}
	}
	return entry, nil
}

// bulkMode is the mode as the core writes it; one that is not known stays.
func bulkMode(text string) string {
	for _, mode := range [...]string{iothub.BulkCreate, iothub.BulkUpdate, iothub.BulkUpdateIfMatch, iothub.BulkDelete,
		iothub.BulkDeleteIfMatch, iothub.BulkCreateOrUpdate, iothub.BulkUpdateTwin, iothub.BulkUpdateTwinIfMatch} {
		if strings.EqualFold(text, mode) {
			return mode
		}
	}
	return text
}
