package iothub

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"azx/internal/fault"
)

// The types of jobs (read: azure-iothub's job_client.js).
const (
	JobTwin   = "scheduleUpdateTwin"
	JobMethod = "scheduleDeviceMethod"
)

const (
	maxJobID       = 64 // letters, digits and dashes (read)
	jobTimeDefault = time.Hour
)

// JobRequest is a job for the devices of a condition: either a change of their twins or a method.
type JobRequest struct {
	ID        string        // up to 64 letters, digits and dashes
	Condition string        // what stands behind WHERE in a query; "*" for all devices
	Start     time.Time     // zero: now
	Within    time.Duration // how long it may run; 0: an hour
	Twin      *TwinChange
	Method    *Method
}

// Job is a job as the hub has it (read: iothubservice.json).
type Job struct {
	ID            string         `json:"jobId"`
	Type          string         `json:"type"`
	Condition     string         `json:"queryCondition"`
	Status        string         `json:"status"` // "queued", "scheduled", "running", "completed", "failed", "cancelled" or "unknown"
	Created       Time           `json:"createdTime"`
	Start         Time           `json:"startTime"`
	End           Time           `json:"endTime"`
	Seconds       int            `json:"maxExecutionTimeInSeconds"`
	FailureReason string         `json:"failureReason"`
	StatusMessage string         `json:"statusMessage"`
	Devices       *JobStatistics `json:"deviceJobStatistics"` // nil before it has begun, and perhaps before it has ended
}

// Over reports whether the job has ended, one way or another.
func (j Job) Over() bool { return over(j.Status) }

func over(status string) bool {
	switch strings.ToLower(status) {
	case "completed", "failed", "cancelled":
		return true
	}
	return false
}

// JobStatistics count the devices of a job.
type JobStatistics struct {
	Devices   int `json:"deviceCount"`
	Failed    int `json:"failedCount"`
	Succeeded int `json:"succeededCount"`
	Running   int `json:"runningCount"`
	Pending   int `json:"pendingCount"`
}

// JobResult is what became of a job at one device (read: query-jobs, DeviceJob of the C# SDK).
type JobResult struct {
	DeviceID string `json:"deviceId"`
	JobID    string `json:"jobId"`
	Type     string `json:"jobType"`
	Status   string `json:"status"` // "pending", "scheduled", "running", "completed", "failed" or "canceled"
	Start    Time   `json:"startTimeUtc"`
	End      Time   `json:"endTimeUtc"`
	Updated  Time   `json:"lastUpdatedDateTimeUtc"`
	Outcome  struct {
		Answer *Answer `json:"deviceMethodResponse"` // nil of a twin, and of a device that did not answer
	} `json:"outcome"`
	Error *struct {
		Code string `json:"code"`
		Text string `json:"description"`
	} `json:"error"`
}

// Schedule hands a job to the hub. ErrExists: there is a job of this id, which may be the same one whose answer was lost.
func (c *Client) Schedule(ctx context.Context, r JobRequest) (Job, error) {
	k := call{op: "schedule job " + short(r.ID), kind: KindJob, method: http.MethodPut}
	body, err := r.wire(k.op)
	if err != nil {
		return Job{}, err
	}
	if k.body, err = encode(k.op, body); err != nil {
		return Job{}, err
	}
	return c.job(ctx, k, r.ID, "")
}

// Job reads a job. ErrNoJob: there is none, or it ended more than 30 days ago.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	return c.job(ctx, call{op: "read job " + short(id), kind: KindJob, method: http.MethodGet, repeatable: true}, id, "")
}

// CancelJob ends a job: devices it has reached stay as they are. A job that has ended is refused.
func (c *Client) CancelJob(ctx context.Context, id string) (Job, error) {
	return c.job(ctx, call{op: "cancel job " + short(id), kind: KindJob, method: http.MethodPost}, id, "/cancel")
}

func (c *Client) job(ctx context.Context, k call, id, below string) (Job, error) {
	if err := checkJobID(k.op, id); err != nil {
		return Job{}, err
	}
	k.path = "/jobs/v2/" + id + below
	answer, err := c.do(ctx, k)
	if err != nil {
		return Job{}, err
	}
	var job Job
	err = decode(k.op, answer.body, &job)
	return job, err
}

// JobFilter chooses jobs; an empty part chooses all.
type JobFilter struct {
	Type, Status string
	PageSize     int    // 1 to 1000; 0: 100
	Continuation string // of the page before; "" for the first page
}

// JobPage is a part of a list of jobs.
type JobPage struct {
	Jobs         []Job
	Continuation string // for the next page; "" if this is the last
}

// FindJobs lists jobs of the last 30 days, a page at a time.
func (c *Client) FindJobs(ctx context.Context, f JobFilter) (JobPage, error) {
	k := call{op: "list jobs", kind: KindJob, method: http.MethodGet, path: "/jobs/v2/query", repeatable: true, limit: pageLimit, query: url.Values{}}
	for name, value := range map[string]string{"jobType": f.Type, "jobStatus": f.Status} {
		if value != "" {
			k.query.Set(name, value)
		}
	}
	var err error
	if k.headers, err = paging(k.op, f.PageSize, f.Continuation); err != nil {
		return JobPage{}, err
	}
	answer, err := c.do(ctx, k)
	if err != nil {
		return JobPage{}, err
	}
	page := JobPage{Continuation: answer.header.Get("X-Ms-Continuation")}
	err = decode(k.op, answer.body, &page.Jobs)
	return page, err
}

// JobResults gives what became of a job at each device, page by page within the quota of queries. An error ends it.
func (c *Client) JobResults(ctx context.Context, id string) iter.Seq2[JobResult, error] {
	return func(yield func(JobResult, error) bool) {
		const op = "read the results of a job"
		if err := checkJobID(op, id); err != nil {
			yield(JobResult{}, err)
			return
		}
		q := Query{Text: "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '" + id + "'", PageSize: pageMost}
		for row, err := range c.All(ctx, q) {
			var result JobResult
			if err == nil {
				err = decode(op, row, &result)
			}
			if !yield(result, err) || err != nil {
				return
			}
		}
	}
}

func checkJobID(op, id string) error {
	wrong := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	}
	if id == "" || len(id) > maxJobID || strings.ContainsFunc(id, wrong) {
		return fault.Reject(op, "", "the id of a job is none of 1 to %d letters, digits and dashes", maxJobID)
	}
	return nil
}

// wireJob is a request as the hub reads it (read: azure-iothub's job_client.js).
type wireJob struct {
	ID        string     `json:"jobId"`
	Type      string     `json:"type"`
	Method    any        `json:"cloudToDeviceMethod,omitempty"`
	Twin      any        `json:"updateTwin,omitempty"`
	Condition string     `json:"queryCondition"`
	Start     *time.Time `json:"startTime,omitempty"`
	Seconds   int        `json:"maxExecutionTimeInSeconds"`
}

func (r JobRequest) wire(op string) (wireJob, error) {
	w := wireJob{ID: r.ID, Condition: r.Condition, Seconds: seconds(r.Within)}
	switch {
	case r.Condition == "":
		return w, fault.Reject(op, "\"*\" is all devices", "the job has no condition")
	case r.Within < 0:
		return w, fault.Reject(op, "", "the job may run for %s, less than nothing", r.Within)
	case (r.Twin == nil) == (r.Method == nil):
		return w, fault.Reject(op, "", "a job is either a change of twins or a method")
	case r.Method != nil:
		if err := r.Method.check(op); err != nil {
			return w, err
		}
		w.Type, w.Method = JobMethod, r.Method.wire()
	case r.Twin.Tags == nil && r.Twin.Desired == nil:
		return w, fault.Reject(op, "", "the change has neither tags nor desired properties")
	default:
		w.Type, w.Twin = JobTwin, struct {
			ETag string `json:"etag"`
			wireTwinChange
		}{"*", r.Twin.wire()}
	}
	if r.Within == 0 {
		w.Seconds = seconds(jobTimeDefault)
	}
	if !r.Start.IsZero() {
		at := r.Start.UTC()
		w.Start = &at
	}
	return w, nil
}

// paging are the headers that ask for a page.
func paging(op string, size int, continuation string) (map[string]string, error) {
	if size == 0 {
		size = pageDefault
	}
	if size < 1 || size > pageMost {
		return nil, fault.Reject(op, "", "a page size of %d is not within 1 and %d", size, pageMost)
	}
	headers := map[string]string{"X-Ms-Max-Item-Count": strconv.Itoa(size)}
	if continuation != "" {
		headers["X-Ms-Continuation"] = continuation
	}
	return headers, nil
}
