package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/supervise"
)

// parallel is how many devices of a job are served at once (inferred).
const parallel = 10

// runDue runs one job after the other.
func (j *Jobs) runDue(ctx context.Context) error {
	for {
		job, wait := j.due()
		if job != nil {
			if err := j.run(ctx, job); err != nil || ctx.Err() != nil {
				return err
			}
			continue
		}
		if !pause(ctx, wait, j.changed) {
			return nil
		}
	}
}

// pause waits for a time or a token; it is false when ctx has ended. A time of 0 is for ever.
func pause(ctx context.Context, d time.Duration, token <-chan struct{}) bool {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-token:
	case <-ctx.Done():
		return false
	}
	return true
}

// due is the job to run now: one that was interrupted, or the one that is due longest. Without one it is the time until one
// is; 0 when none is scheduled.
func (j *Jobs) due() (next *Job, wait time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.hub.Now()
	for _, job := range j.all {
		switch d := job.Start.Sub(now); {
		case job.over():
		case job.Status == Running:
			return job, 0
		case d > 0 && (wait == 0 || d < wait):
			wait = d
		case d <= 0 && (next == nil || before(job, next)):
			next = job
		}
	}
	return next, wait
}

func before(a, b *Job) bool {
	if !a.Start.Equal(b.Start) {
		return a.Start.Before(b.Start)
	}
	return a.ID < b.ID
}

// run runs a job to its end, or until ctx ends.
func (j *Jobs) run(ctx context.Context, job *Job) error {
	if err := j.begin(job); err != nil {
		return err
	}
	left := job.Start.Add(time.Duration(job.MaxSeconds) * time.Second).Sub(j.hub.Now())
	timed, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	j.mu.Lock()
	if job.stop = cancel; job.over() { // cancelled meanwhile
		cancel()
	}
	j.mu.Unlock()
	group := supervise.New(timed)
	for range parallel {
		group.Go("devices of job "+job.ID, func(ctx context.Context) error { return j.serve(ctx, job) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil // it goes on with the next Run
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case job.over():
		return nil
	case timed.Err() != nil:
		return j.end(job, Failed, fmt.Sprintf("not all devices were done within %d seconds", job.MaxSeconds))
	}
	return j.end(job, Completed, "")
}

// begin determines the devices of a job that has not begun.
func (j *Jobs) begin(job *Job) error {
	j.mu.Lock()
	isNew := job.Status != Running && !job.over()
	j.mu.Unlock()
	if !isNew {
		return nil
	}
	ids, err := j.matching(job.Condition)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if job.over() {
		return nil
	}
	now := j.hub.Now().UTC()
	job.Start, job.Status = now, Running
	records := []record{job.record()}
	for _, id := range ids {
		d := &Device{Device: id.Device, JobID: job.ID, JobType: job.Type, Status: devicePending, Created: now, Updated: now}
		job.devices = append(job.devices, d)
		records = append(records, d.record())
	}
	return j.store.put(records...)
}

// serve does one device of a job after the other.
func (j *Jobs) serve(ctx context.Context, job *Job) error {
	for {
		d := j.take(job)
		if d == nil || !j.admit(ctx) {
			return nil
		}
		started, err := j.mark(job, d)
		if err != nil {
			return err
		}
		if !started {
			return nil
		}
		answer, failed := j.do(ctx, job, iothub.ID{Device: d.Device})
		if ctx.Err() != nil && errors.Is(failed, ctx.Err()) {
			return nil // cancelled, out of time, or the hub stops: who ended it says what becomes of the device
		}
		if err := j.note(d, answer, failed); err != nil {
			return err
		}
	}
}

// take is the next device that has not been served; nil when there is none.
func (j *Jobs) take(job *Job) *Device {
	j.mu.Lock()
	defer j.mu.Unlock()
	for ; job.next < len(job.devices); job.next++ {
		if d := job.devices[job.next]; d.Status == devicePending {
			job.next++
			return d
		}
	}
	return nil
}

// admit waits until the hub's limits have room for one more device; false when ctx has ended.
func (j *Jobs) admit(ctx context.Context) bool {
	for ctx.Err() == nil {
		var refused *iothub.Error
		err := j.hub.Admit(iothub.OpJobDevice, 0)
		if !errors.As(err, &refused) {
			return err == nil
		}
		if !pause(ctx, max(refused.RetryAfter, 10*time.Millisecond), nil) {
			return false
		}
	}
	return false
}

// mark notes that a device is being served. That a method is about to be called is on disk before: it is not called
// twice, also when the hub ends in between. A twin may be changed twice to the same.
func (j *Jobs) mark(job *Job, d *Device) (started bool, err error) {
	j.mu.Lock()
	if d.over() || job.over() {
		j.mu.Unlock()
		return false, nil
	}
	now := j.hub.Now().UTC()
	d.Status, d.Start, d.Updated = deviceRunning, now, now
	r := d.record()
	j.mu.Unlock()
	if job.Type != DeviceMethod {
		return true, nil
	}
	return true, j.store.put(r)
}

// do serves one device; a refusal because of the hub's limits is waited out.
func (j *Jobs) do(ctx context.Context, job *Job, id iothub.ID) (*response, error) {
	for {
		answer, err := j.try(ctx, job, id)
		var refused *iothub.Error
		if !errors.As(err, &refused) || refused.Code != iothub.Throttled {
			return answer, err
		}
		if !pause(ctx, max(refused.RetryAfter, 10*time.Millisecond), nil) {
			return nil, ctx.Err()
		}
	}
}

func (j *Jobs) try(ctx context.Context, job *Job, id iothub.ID) (*response, error) {
	if job.Type == UpdateTwin {
		_, err := j.hub.PatchTwin(id, "", job.update)
		return nil, err
	}
	result, err := j.hub.Invoke(ctx, id, job.call)
	if err != nil {
		return nil, err
	}
	return &response{result.Status, result.Payload}, nil
}

// note keeps what became of a device.
func (j *Jobs) note(d *Device, answer *response, failed error) error {
	j.mu.Lock()
	now := j.hub.Now().UTC()
	switch {
	case failed != nil:
		e := iothub.AsError(failed)
		d.fail(now, e.Code.Name(), e.Message)
	default:
		d.Status, d.End, d.Updated, d.Outcome.Response = deviceCompleted, now, now, answer
	}
	r := d.record()
	j.mu.Unlock()
	return j.store.put(r)
}
