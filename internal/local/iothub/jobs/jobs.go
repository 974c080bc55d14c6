// Package jobs runs the local hub's jobs: methods and twin updates of many devices, and export and import of the registry.
//
// What a real hub does where Microsoft's pages are silent is inferred: devices that fail do not make their job fail; a
// device that is not connected fails at once; one job runs at a time, as on one unit of S1, and others are queued.
package jobs

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/query"
	"azx/internal/supervise"
)

// Bounds of jobs.
const (
	maxID         = 64                  // characters (read)
	defaultTime   = 3600 * time.Second  // read: azure-iothub's job_client.js
	maxTime       = 30 * 24 * time.Hour // inferred
	history       = 30 * 24 * time.Hour // how long a job is kept (read)
	maxUnfinished = 1000                // inferred
)

// Jobs are the jobs of a hub. All methods are safe for concurrent use; what they change is on disk when they return.
type Jobs struct {
	hub     *iothub.Hub
	store   *store
	storage *http.Client
	changed chan struct{} // holds a token when there may be something to run
	bulk    chan struct{} // likewise for bulk jobs

	mu    sync.Mutex
	all   map[string]*Job
	bulks map[string]*Bulk
}

// Open reads the jobs of the hub in dir, which no other process has open; an empty dir keeps them in memory. noSync is
// iothub.Config.NoSync.
func Open(hub *iothub.Hub, dir string, noSync bool) (*Jobs, error) {
	j := &Jobs{hub: hub, storage: storageClient(), changed: make(chan struct{}, 1), bulk: make(chan struct{}, 1),
		all: map[string]*Job{}, bulks: map[string]*Bulk{}}
	var err error
	if j.store, err = openStore(dir, noSync); err != nil {
		return nil, err
	}
	if err := j.store.load(j); err != nil {
		return nil, fmt.Errorf("open the hub's jobs: %w", err)
	}
	return j, j.settle()
}

// Close frees the file. Call it when Run has returned.
func (j *Jobs) Close() error {
	j.storage.CloseIdleConnections()
	return j.store.close()
}

// Run runs the jobs that are due until ctx ends. A job that is running then goes on with the next Run, also of
// another process. It fails when the file cannot be written.
func (j *Jobs) Run(ctx context.Context) error {
	group := supervise.New(ctx)
	group.Go("jobs of devices", j.runDue)
	group.Go("export and import", j.runBulk)
	return group.Wait()
}

// settle brings what was under way when the hub stopped into a state from which it can go on: a method that had been
// called is not called again.
func (j *Jobs) settle() error {
	var records []record
	for _, job := range j.all {
		for _, d := range job.devices {
			switch {
			case d.Status == deviceRunning && job.Type == DeviceMethod && !job.over():
				d.fail(j.hub.Now(), "ServerError", "the hub was stopped while the device had the call")
			case !d.over() && job.over():
				d.Status = deviceCanceled
			case d.Status == deviceRunning:
				d.Status = devicePending
			default:
				continue
			}
			records = append(records, d.record())
		}
	}
	return j.store.put(records...)
}

// Create takes a job. Errors: ArgumentInvalid, JobExists, JobQuotaExceeded, those of MethodCall.Check.
func (j *Jobs) Create(r Request) (Job, error) {
	job, err := r.job(j.hub.Now())
	if err != nil {
		return Job{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, there := j.all[job.ID]; there {
		return Job{}, refusal(iothub.JobExists, "there is a job %q already; jobs are kept for 30 days", job.ID)
	}
	unfinished := 0
	for _, other := range j.all {
		if !other.over() {
			unfinished++
		}
	}
	if unfinished >= maxUnfinished {
		return Job{}, refusal(iothub.JobQuotaExceeded, "%d jobs wait or run, which is the most there can be", unfinished)
	}
	records := append(j.expired(), job.record())
	if err := j.store.put(records...); err != nil {
		return Job{}, err
	}
	j.all[job.ID] = job
	wake(j.changed)
	return job.view(j.hub.Now()), nil
}

// expired forgets jobs that are too old; the caller has the lock and writes the records.
func (j *Jobs) expired() (records []record) {
	before := j.hub.Now().Add(-history)
	for id, job := range j.all {
		if !job.over() || job.End.After(before) {
			continue
		}
		for _, d := range job.devices {
			records = append(records, record{bucketDevices, d.key(), nil})
		}
		records = append(records, record{bucketJobs, id, nil})
		delete(j.all, id)
	}
	return records
}

// Get returns a job as it is now. Error: JobNotFound.
func (j *Jobs) Get(id string) (Job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	job, there := j.all[id]
	if !there {
		return Job{}, refusal(iothub.JobNotFound, "there is no job %q", id)
	}
	return job.view(j.hub.Now()), nil
}

// Cancel ends a job: what a device has been told stays, the others are not told. Errors: JobNotFound, InvalidOperation
// for a job that has ended.
func (j *Jobs) Cancel(id string) (Job, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	job, there := j.all[id]
	switch {
	case !there:
		return Job{}, refusal(iothub.JobNotFound, "there is no job %q", id)
	case job.over():
		return Job{}, refusal(iothub.InvalidOperation, "job %q is %s", id, job.Status)
	}
	if err := j.end(job, Cancelled, ""); err != nil {
		return Job{}, err
	}
	if job.stop != nil {
		job.stop()
	}
	return job.view(j.hub.Now()), nil
}

// end gives a job and its devices their last state; the caller has the lock.
func (j *Jobs) end(job *Job, status, reason string) error {
	now := j.hub.Now().UTC()
	job.Status, job.FailureReason, job.End = status, reason, now
	records := []record{job.record()}
	for _, d := range job.devices {
		if d.over() {
			continue
		}
		if d.Status, d.Updated, d.End = deviceCanceled, now, now; status == Failed {
			d.fail(now, "RequestTimedOut", reason)
		}
		records = append(records, d.record())
	}
	return j.store.put(records...)
}

// List returns the jobs of a type and a status, each empty for any, newest first, behind those before and including the
// one of the id after; at most n, and whether there are more.
func (j *Jobs) List(jobType, status, after string, n int) (page []Job, more bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.hub.Now()
	all := make([]Job, 0, len(j.all))
	for _, job := range j.all {
		all = append(all, job.view(now))
	}
	slices.SortFunc(all, func(a, b Job) int { return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.ID, b.ID)) })
	if at := slices.IndexFunc(all, func(job Job) bool { return job.ID == after }); after != "" {
		all = all[at+1:]
	}
	all = slices.DeleteFunc(all, func(job Job) bool {
		return jobType != "" && !strings.EqualFold(job.Type, jobType) || status != "" && !strings.EqualFold(job.Status, status)
	})
	return all[:min(n, len(all))], len(all) > n
}

// wake leaves a token for the runner.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// matching are the devices that a condition is true for, sorted.
func (j *Jobs) matching(condition string) ([]iothub.ID, error) {
	q, err := query.ParseCondition(condition)
	if err != nil {
		return nil, refusal(iothub.ArgumentInvalid, "%v", err)
	}
	var ids []iothub.ID
	for _, identity := range j.hub.Registry().List() {
		if identity.Module != "" {
			continue
		}
		document, err := j.hub.TwinDocument(identity.ID)
		if err == nil && q.Matches(document) { // else it was deleted meanwhile
			ids = append(ids, identity.ID)
		}
	}
	return ids, nil
}

func refusal(code iothub.Code, format string, args ...any) *iothub.Error {
	return &iothub.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
