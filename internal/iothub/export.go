package iothub

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"azx/internal/fault"
	"azx/internal/secret"
)

const (
	exportBlob = "devices.txt" // read: iot-hub-bulk-identity-mgmt
	exportPoll = 5 * time.Second
	maxBulkID  = 128
)

// Export says where the hub is to write all of its devices.
type Export struct {
	Container secret.Secret // the URI of a container, with a signature to write, read and delete
	Blob      string        // "": devices.txt
	WithKeys  bool          // also the devices' keys
}

// BulkJob is an export or import of a whole registry as the hub has it (read: iothubservice.json).
type BulkJob struct {
	ID            string `json:"jobId"`
	Type          string `json:"type"`
	Status        string `json:"status"` // "enqueued", "running", "completed", "failed", "cancelled" or "unknown"
	Progress      int    `json:"progress"`
	Start         Time   `json:"startTimeUtc"`
	End           Time   `json:"endTimeUtc"`
	Blob          string `json:"outputBlobName"`
	FailureReason string `json:"failureReason"`
}

// Over reports whether the job has ended, one way or another.
func (b BulkJob) Over() bool { return over(b.Status) }

// StartExport begins an export. ErrBusy: another export or import runs; there is one at a time.
func (c *Client) StartExport(ctx context.Context, e Export) (BulkJob, error) {
	const op = "export the hub's devices"
	if u, err := url.Parse(e.Container.Reveal()); err != nil || u.Host == "" {
		return BulkJob{}, fault.Reject(op, "it looks like https://account.blob.core.windows.net/container?sv=...&sig=...", "the URI of the container is none")
	}
	if e.Blob == "" {
		e.Blob = exportBlob
	}
	body, err := encode(op, map[string]any{"type": "export", "outputBlobContainerUri": e.Container.Reveal(), "outputBlobName": e.Blob,
		"excludeKeysInExport": !e.WithKeys, "storageAuthenticationType": "keyBased"})
	if err != nil {
		return BulkJob{}, err
	}
	return c.bulkJob(ctx, call{op: op, kind: KindRegistry, method: http.MethodPost, path: "/jobs/create", body: body})
}

// BulkJob reads an export or import. ErrNoJob if there is none.
func (c *Client) BulkJob(ctx context.Context, id string) (BulkJob, error) {
	k, err := bulkCall("read", http.MethodGet, id)
	if err != nil {
		return BulkJob{}, err
	}
	return c.bulkJob(ctx, k)
}

// CancelBulkJob ends an export or import.
func (c *Client) CancelBulkJob(ctx context.Context, id string) error {
	k, err := bulkCall("cancel", http.MethodDelete, id)
	if err == nil {
		_, err = c.do(ctx, k)
	}
	return err
}

func bulkCall(what, method, id string) (call, error) {
	k := call{op: what + " export " + short(id), kind: KindRegistry, method: method, path: "/jobs/" + url.PathEscape(id), repeatable: true}
	if id == "" || len(id) > maxBulkID {
		return call{}, fault.Reject(k.op, "", "the id of the export has not 1 to %d characters", maxBulkID)
	}
	return k, nil
}

func (c *Client) bulkJob(ctx context.Context, k call) (BulkJob, error) {
	answer, err := c.do(ctx, k)
	if err != nil {
		return BulkJob{}, err
	}
	var b BulkJob
	err = decode(k.op, answer.body, &b)
	return b, err
}

// AwaitExport asks every five seconds until an export has ended, and tells how far it is. One that failed or was cancelled
// is an error.
func (c *Client) AwaitExport(ctx context.Context, id string, told func(percent int)) (BulkJob, error) {
	const op = "export the hub's devices"
	for {
		b, err := c.BulkJob(ctx, id)
		switch {
		case err != nil:
			return BulkJob{}, err
		case b.Over() && b.Status != "completed":
			return b, fault.Reject(op, "is the container there, and may its signature write, read and delete?", "the hub says it is %s: %s", b.Status, clean(b.FailureReason))
		}
		told(b.Progress)
		if b.Over() {
			return b, nil
		}
		timer := time.NewTimer(exportPoll)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return b, &fault.Problem{Op: op, Class: fault.Transient, Cause: ctx.Err()}
		}
	}
}

// exported is a line of an export: the members of a twin under other names (read: ExportImportDevice of azure-iothub).
type exported struct {
	ID       string `json:"id"`
	TwinETag string `json:"twinETag"`
	Twin
}

// ReadExported reads a line of an export: a device or a module. One that never had a twin comes without properties (read:
// iot-hub-bulk-identity-mgmt).
func ReadExported(line []byte) (Twin, error) {
	var e exported
	err := json.Unmarshal(line, &e)
	if err == nil && e.ID == "" {
		err = errors.New("it has no id")
	}
	if err != nil {
		return Twin{}, fault.Reject("read a line of the export", "", "%w", err)
	}
	e.DeviceID, e.ETag = e.ID, e.TwinETag
	return e.Twin, nil
}
