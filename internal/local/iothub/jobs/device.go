package jobs

import (
	"encoding/json"
	"iter"
	"sort"
	"time"

	"azx/internal/local/iothub"
)

// The states of a job at one device (read: DeviceJobStatus of the C# SDK).
const (
	devicePending   = "pending"
	deviceRunning   = "running"
	deviceCompleted = "completed"
	deviceFailed    = "failed"
	deviceCanceled  = "canceled" // so spelt
)

// Device is what became of a job at one device: a row of devices.jobs (members: read, query-jobs and the C# SDK).
type Device struct {
	Device  string       `json:"deviceId"`
	JobID   string       `json:"jobId"`
	JobType string       `json:"jobType"`
	Status  string       `json:"status"`
	Start   time.Time    `json:"startTimeUtc,omitzero"`
	End     time.Time    `json:"endTimeUtc,omitzero"`
	Created time.Time    `json:"createdDateTimeUtc"`
	Updated time.Time    `json:"lastUpdatedDateTimeUtc"`
	Outcome outcome      `json:"outcome"`
	Error   *deviceError `json:"error,omitempty"`
}

type outcome struct {
	Response *response `json:"deviceMethodResponse"`
}

type response struct {
	Status  int             `json:"status"`
	Payload json.RawMessage `json:"payload"`
}

type deviceError struct {
	Code        string `json:"code"`
	Description string `json:"description"`
}

func (d *Device) over() bool {
	return d.Status == deviceCompleted || d.Status == deviceFailed || d.Status == deviceCanceled
}

func (d *Device) fail(now time.Time, code, text string) {
	d.Status, d.End, d.Updated, d.Error = deviceFailed, now, now, &deviceError{code, text}
}

// key sorts by the job, then by the device.
func (d *Device) key() string { return d.JobID + "\x00" + d.Device }

func (d *Device) record() record { return record{bucketDevices, d.key(), mustJSON(d)} }

// Rows are the rows of devices.jobs for query.Query.Page: job after job, each with its devices.
func (j *Jobs) Rows(after string) iter.Seq2[string, map[string]any] {
	return func(yield func(string, map[string]any) bool) {
		for _, d := range j.rows(after) {
			document, err := iothub.ParseObject(mustJSON(d))
			if err != nil { // it is JSON of ours
				panic("read JSON: " + err.Error())
			}
			if !yield(d.key(), document) {
				return
			}
		}
	}
}

// rows are copies of what is behind a key.
func (j *Jobs) rows(after string) []Device {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []Device
	for _, job := range j.all {
		for _, d := range job.devices {
			if d.key() > after {
				all = append(all, *d)
			}
		}
	}
	sort.Slice(all, func(a, b int) bool { return all[a].key() < all[b].key() })
	return all
}
