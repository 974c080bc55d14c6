package https

import (
	"encoding/json"
	"net/http"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/document"
)

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
		entry, err := document.Entry(text, "")
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
