package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/query"
)

// The types of jobs (read: azure-iothub's job_client.js).
const (
	UpdateTwin   = "scheduleUpdateTwin"
	DeviceMethod = "scheduleDeviceMethod"
)

// The states of jobs (read: iothubservice.json).
const (
	Queued    = "queued"    // due, and another job runs
	Scheduled = "scheduled" // for later
	Running   = "running"
	Completed = "completed" // every device was tried
	Failed    = "failed"    // the time was over before
	Cancelled = "cancelled"
	Enqueued  = "enqueued" // of export and import instead of queued
)

// Request is a job that a back end wants (members: read, JobRequest of azure-iothub).
type Request struct {
	ID         string          `json:"jobId"`
	Type       string          `json:"type"`
	Method     json.RawMessage `json:"cloudToDeviceMethod"`
	Twin       json.RawMessage `json:"updateTwin"`
	Condition  string          `json:"queryCondition"`
	Start      *time.Time      `json:"startTime"` // nil or past: now
	MaxSeconds int             `json:"maxExecutionTimeInSeconds"`
}

// method is a call as requests have it.
type method struct {
	Name            string          `json:"methodName"`
	Payload         json.RawMessage `json:"payload"`
	ResponseSeconds int             `json:"responseTimeoutInSeconds"`
	ConnectSeconds  int             `json:"connectTimeoutInSeconds"`
}

// Job is a job as back ends see it (members: read, JobResponse of azure-iothub).
type Job struct {
	ID            string          `json:"jobId"`
	Type          string          `json:"type"`
	Condition     string          `json:"queryCondition"`
	Method        json.RawMessage `json:"cloudToDeviceMethod,omitempty"`
	Twin          json.RawMessage `json:"updateTwin,omitempty"`
	Created       time.Time       `json:"createdTime"`
	Start         time.Time       `json:"startTime"`
	End           time.Time       `json:"endTime,omitzero"`
	MaxSeconds    int             `json:"maxExecutionTimeInSeconds"`
	Status        string          `json:"status"`
	FailureReason string          `json:"failureReason,omitempty"`
	Statistics    *Statistics     `json:"deviceJobStatistics,omitempty"`

	call    iothub.MethodCall
	update  iothub.TwinUpdate
	devices []*Device // from the start on, sorted
	next    int       // the first of them that nobody has taken
	stop    context.CancelFunc
}

// Statistics count the devices of a job (read). A job that has not started has none.
type Statistics struct {
	Devices   int `json:"deviceCount"`
	Failed    int `json:"failedCount"`
	Succeeded int `json:"succeededCount"`
	Running   int `json:"runningCount"`
	Pending   int `json:"pendingCount"`
}

// job checks a request.
func (r Request) job(now time.Time) (*Job, error) {
	notIDs := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-'
	}
	if r.ID == "" || len(r.ID) > maxID || strings.ContainsFunc(r.ID, notIDs) {
		return nil, refusal(iothub.ArgumentInvalid, "job id %q: want 1 to %d letters, digits and dashes", r.ID, maxID)
	}
	if r.MaxSeconds < 0 || r.MaxSeconds > int(maxTime/time.Second) {
		return nil, refusal(iothub.ArgumentInvalid, "maxExecutionTimeInSeconds of %d: want up to %d", r.MaxSeconds, int(maxTime/time.Second))
	}
	if _, err := query.ParseCondition(r.Condition); err != nil {
		return nil, refusal(iothub.ArgumentInvalid, "queryCondition: %v", err)
	}
	job := &Job{ID: r.ID, Type: r.Type, Condition: r.Condition, Created: now.UTC(), Start: now.UTC(), MaxSeconds: r.MaxSeconds, Status: Queued}
	if r.Start != nil && r.Start.After(now) {
		job.Start, job.Status = r.Start.UTC(), Scheduled
	}
	if r.MaxSeconds == 0 {
		job.MaxSeconds = int(defaultTime / time.Second)
	}
	switch r.Type {
	case DeviceMethod:
		job.Method = r.Method
	case UpdateTwin:
		job.Twin = r.Twin
	default:
		return nil, refusal(iothub.ArgumentInvalid, "type %q: want %s or %s", r.Type, DeviceMethod, UpdateTwin)
	}
	return job, job.prepare()
}

// prepare reads what is to be done.
func (j *Job) prepare() (err error) {
	if j.Type == UpdateTwin {
		if j.update, err = iothub.ParseTwinUpdate(j.Twin); err == nil && j.update.Tags == nil && j.update.Desired == nil {
			err = refusal(iothub.ArgumentInvalid, "updateTwin has neither tags nor properties.desired")
		}
		return err
	}
	var m method
	if err := json.Unmarshal(j.Method, &m); err != nil {
		return refusal(iothub.ArgumentInvalid, "cloudToDeviceMethod: %v", err)
	}
	bounded := func(n int) time.Duration { return time.Duration(max(-1, min(n, 86400))) * time.Second }
	j.call = iothub.MethodCall{Name: m.Name, Payload: bytes.Clone(m.Payload), ResponseTimeout: bounded(m.ResponseSeconds), ConnectTimeout: bounded(m.ConnectSeconds)}
	return j.call.Check()
}

// over reports whether the job has ended.
func (j *Job) over() bool {
	return j.Status == Completed || j.Status == Failed || j.Status == Cancelled
}

// view is a copy for a caller: a scheduled job that is due is queued.
func (j *Job) view(now time.Time) Job {
	v := *j
	v.devices, v.stop = nil, nil
	if j.Status == Scheduled && !j.Start.After(now) {
		v.Status = Queued
	}
	if j.Status == Queued || j.Status == Scheduled {
		return v
	}
	v.Statistics = &Statistics{Devices: len(j.devices)}
	for _, d := range j.devices {
		switch d.Status {
		case deviceCompleted:
			v.Statistics.Succeeded++
		case deviceFailed:
			v.Statistics.Failed++
		case deviceRunning:
			v.Statistics.Running++
		case devicePending:
			v.Statistics.Pending++
		}
	}
	return v
}

func (j *Job) record() record {
	return record{bucketJobs, j.ID, mustJSON(j)}
}

// mustJSON writes texts, numbers and what came out of JSON: it cannot fail.
func mustJSON(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic("write JSON: " + err.Error())
	}
	return text
}
