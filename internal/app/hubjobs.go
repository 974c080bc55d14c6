package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/devices"
	"azx/internal/fault"
	"azx/internal/iothub"
)

// Bounds of what a list of jobs or results has.
const (
	jobsUsual = 500
	jobsMost  = 10_000
	jobsPage  = 100
)

// jobPrefix begins the ids of a connector's jobs, so that it knows them again after a restart: whoever lists the hub's
// jobs can tell them from those of others.
func jobPrefix(connector string) string {
	sum := sha256.Sum256([]byte(connector))
	return "azx-" + hex.EncodeToString(sum[:4]) + "-"
}

// jobServices schedule jobs and tell of them.
type jobServices struct {
	hub    *iothub.Client
	watch  *devices.Watch
	prefix string
}

// twins has twins changed.
func (s jobServices) twins(ctx context.Context, params *infotable.Table) (infotable.Value, error) {
	const op = "schedule a job that changes twins"
	var patch struct {
		Tags       json.RawMessage `json:"tags"`
		Properties struct {
			Desired json.RawMessage `json:"desired"`
		} `json:"properties"`
	}
	if err := json.Unmarshal([]byte(text(params, "patch")), &patch); err != nil {
		return infotable.Nothing(), fault.Reject(op, `it looks like {"tags":{...},"properties":{"desired":{...}}}`, "patch: %w", err)
	}
	return s.schedule(ctx, op, params, iothub.JobRequest{Twin: &iothub.TwinChange{Tags: patch.Tags, Desired: patch.Properties.Desired}})
}

// method has devices carry out a method.
func (s jobServices) method(ctx context.Context, params *infotable.Table) (infotable.Value, error) {
	m := &iothub.Method{Name: text(params, "methodName")}
	if payload := text(params, "payload"); payload != "" {
		m.Payload = json.RawMessage(payload)
	}
	const op = "schedule a job of a method"
	var err error
	if m.Connect, err = secondsOf(op, params, "connectTimeoutInSeconds"); err != nil {
		return infotable.Nothing(), err
	}
	if m.Response, err = secondsOf(op, params, "responseTimeoutInSeconds"); err != nil {
		return infotable.Nothing(), err
	}
	return s.schedule(ctx, op, params, iothub.JobRequest{Method: m})
}

// schedule hands a job to the hub and returns its id. The end of the job is told by an event.
func (s jobServices) schedule(ctx context.Context, op string, params *infotable.Table, r iothub.JobRequest) (infotable.Value, error) {
	if r.Condition = text(params, "queryCondition"); r.Condition == "" {
		r.Condition = "*"
	}
	if at, ok := params.First("startTime").Millis(); ok {
		r.Start = time.UnixMilli(at)
	}
	var err error
	if r.Within, err = secondsOf(op, params, "maxExecutionTimeInSeconds"); err != nil {
		return infotable.Nothing(), err
	}
	r.ID = s.prefix + newJobID()
	job, err := s.hub.Schedule(ctx, r)
	if errors.Is(err, iothub.ErrUncertain) { // the id is our own: it is there only if that was our job
		if found, failed := s.hub.Job(ctx, r.ID); failed == nil {
			job, err = found, nil
		}
	}
	if err != nil {
		return infotable.Nothing(), err
	}
	s.watch.Add(jobOf(job))
	return infotable.String(r.ID), nil
}

func newJobID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// secondsOf is a parameter in seconds; 0 if it is not there.
func secondsOf(op string, params *infotable.Table, name string) (time.Duration, error) {
	n, ok := params.First(name).Integer()
	if ok && (n < 0 || n > math.MaxInt32) {
		return 0, fault.Reject(op, "", "%s of %d is no number of seconds", name, n)
	}
	return time.Duration(n) * time.Second, nil
}

// get tells of a job.
func (s jobServices) get(ctx context.Context, params *infotable.Table) (infotable.Value, error) {
	job, err := s.hub.Job(ctx, text(params, "jobId"))
	if err != nil {
		return infotable.Nothing(), err
	}
	return infotable.FromTable(jobTable(job)), nil
}

// cancel ends a job; one that is cancelled already is no error.
func (s jobServices) cancel(ctx context.Context, params *infotable.Table) (infotable.Value, error) {
	id := text(params, "jobId")
	_, err := s.hub.CancelJob(ctx, id)
	if err != nil {
		if job, failed := s.hub.Job(ctx, id); failed == nil && job.Status == "cancelled" {
			err = nil
		}
	}
	return infotable.Nothing(), err
}

// find lists jobs, page by page.
func (s jobServices) find(ctx context.Context, params *infotable.Table) (infotable.Value, error) {
	most, err := mostOf("list jobs", params)
	if err != nil {
		return infotable.Nothing(), err
	}
	f := iothub.JobFilter{Type: text(params, "jobType"), Status: text(params, "jobStatus")}
	var found []iothub.Job
	for {
		f.PageSize = min(jobsPage, most-len(found))
		page, err := s.hub.FindJobs(ctx, f)
		if err != nil {
			return infotable.Nothing(), err
		}
		found = append(found, page.Jobs...)
		if f.Continuation = page.Continuation; f.Continuation == "" || len(found) >= most {
			return infotable.FromTable(jobTable(found[:min(most, len(found))]...)), nil
		}
	}
}

// results tells what a job did on each device.
func (s jobServices) results(ctx context.Context, params *infotable.Table) (infotable.Value, error) {
	most, err := mostOf("read the results of a job", params)
	if err != nil {
		return infotable.Nothing(), err
	}
	t := infotable.New(infotable.Column("jobId", infotable.TypeString), infotable.Column("deviceId", infotable.TypeString),
		infotable.Column("status", infotable.TypeString), infotable.Column("startTime", infotable.TypeDateTime),
		infotable.Column("endTime", infotable.TypeDateTime), infotable.Column("outcome", infotable.TypeJSON), infotable.Column("error", infotable.TypeString))
	for r, err := range s.hub.JobResults(ctx, text(params, "jobId")) {
		if err != nil {
			return infotable.Nothing(), err
		}
		outcome, failed := infotable.Nothing(), ""
		if a := r.Outcome.Answer; a != nil {
			outcome = jsonValue(map[string]any{"status": a.Status, "payload": a.Payload})
		}
		if r.Error != nil {
			failed = r.Error.Code + ": " + r.Error.Text
		}
		t.Add(infotable.String(r.JobID), infotable.String(r.DeviceID), infotable.String(r.Status), timeValue(r.Start), timeValue(r.End),
			outcome, infotable.String(failed))
		if t.Len() == most {
			break
		}
	}
	return infotable.FromTable(t), nil
}

// mostOf is the parameter maxItems.
func mostOf(op string, params *infotable.Table) (int, error) {
	n, ok := params.First("maxItems").Integer()
	switch {
	case !ok:
		return jobsUsual, nil
	case n < 1 || n > jobsMost:
		return 0, fault.Reject(op, "", "maxItems of %d is not within 1 and %d", n, jobsMost)
	}
	return int(n), nil
}

// jobTable has a row for each job, as the data shape AzureDeviceJob.
func jobTable(jobs ...iothub.Job) *infotable.Table {
	text, number, at := infotable.TypeString, infotable.TypeInteger, infotable.TypeDateTime
	t := infotable.New(infotable.Column("jobId", text), infotable.Column("type", text), infotable.Column("status", text),
		infotable.Column("queryCondition", text), infotable.Column("createdTime", at), infotable.Column("startTime", at), infotable.Column("endTime", at),
		infotable.Column("maxExecutionTimeInSeconds", number), infotable.Column("failureReason", text), infotable.Column("statusMessage", text),
		infotable.Column("deviceCount", number), infotable.Column("succeededCount", number), infotable.Column("failedCount", number),
		infotable.Column("runningCount", number), infotable.Column("pendingCount", number))
	for _, j := range jobs {
		n := j.Devices
		if n == nil {
			n = &iothub.JobStatistics{}
		}
		t.Add(infotable.String(j.ID), infotable.String(j.Type), infotable.String(j.Status), infotable.String(j.Condition),
			timeValue(j.Created), timeValue(j.Start), timeValue(j.End), infotable.Integer(int32(j.Seconds)), infotable.String(j.FailureReason),
			infotable.String(j.StatusMessage), infotable.Integer(int32(n.Devices)), infotable.Integer(int32(n.Succeeded)),
			infotable.Integer(int32(n.Failed)), infotable.Integer(int32(n.Running)), infotable.Integer(int32(n.Pending)))
	}
	return t
}

// watchedJobs is the hub as devices.Watch's.
type watchedJobs struct{ *iothub.Client }

// Job is devices.Jobs'.
func (w watchedJobs) Job(ctx context.Context, id string) (devices.Job, error) {
	job, err := w.Client.Job(ctx, id)
	if errors.Is(err, iothub.ErrNoJob) {
		return devices.Job{ID: id, Gone: true}, nil
	}
	return jobOf(job), err
}

// Unfinished is devices.Jobs'.
func (w watchedJobs) Unfinished(ctx context.Context) (all []devices.Job, err error) {
	f := iothub.JobFilter{PageSize: jobsPage}
	for range jobsMost / jobsPage {
		page, err := w.FindJobs(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, job := range page.Jobs {
			if !job.Over() {
				all = append(all, jobOf(job))
			}
		}
		if f.Continuation = page.Continuation; f.Continuation == "" {
			break
		}
	}
	return all, nil
}

func jobOf(j iothub.Job) devices.Job {
	return devices.Job{ID: j.ID, Start: j.Start.Time, Over: j.Over(), Row: jobTable(j)}
}

// servicesHub is the Thing of Connection Services, which has the events about all hubs.
const servicesHub = "ConnectionServicesHub"

// eventJobFinished of the Thing of Connection Services has a row of the data shape AzureDeviceJobFinishedEvent.
const eventJobFinished = "AzureDeviceJobFinishedEvent"

// tellJob fires the event of a job that has ended.
func (k *carrier) tellJob(ctx context.Context, j devices.Job) error {
	row := *j.Row
	row.Fields = append([]infotable.Field{infotable.Column("hubThingName", infotable.TypeString)}, row.Fields...)
	row.Rows = []infotable.Row{append(infotable.Row{infotable.String(k.thing)}, j.Row.Rows[0]...)}
	return k.twoWay.things.Fire(ctx, servicesHub, eventJobFinished, &row)
}
