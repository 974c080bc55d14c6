package devices

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/fault"
)

const (
	mostWatched = 1000            // jobs that are watched at once
	watchEvery  = 2 * time.Second // between questions about a job
	watchShare  = 1200 * time.Millisecond
	watchRarely = 5 * time.Minute // between questions about a job that fail
	watchFails  = 24 * time.Hour  // how long they may fail until the job is given up
)

// Job is a job of the hub as far as its end is waited for.
type Job struct {
	ID    string
	Start time.Time        // it is not asked for before
	Over  bool             // it has ended, one way or another
	Gone  bool             // the hub does not know it any more
	Row   *infotable.Table // one row that tells of it
}

// Jobs are those of a hub.
type Jobs interface {
	// Job reads a job; Gone if there is none any more.
	Job(ctx context.Context, id string) (Job, error)
	// Unfinished lists the jobs that have not ended, of whomever.
	Unfinished(ctx context.Context) ([]Job, error)
}

// Watch waits for the ends of jobs and tells of each. Jobs with the prefix Mine that have not ended when Run begins are
// watched as well, so a job is told of also if the connector was restarted since it was scheduled. One that ends while no
// connector of that name runs is not told of.
type Watch struct {
	Hub  Jobs
	Mine string // what the ids of jobs begin with that were scheduled here
	// Over hears of a job that has ended. With an error it hears of it again.
	Over func(ctx context.Context, j Job) error
	Log  *slog.Logger

	mu    sync.Mutex
	jobs  map[string]*watched
	added chan struct{} // holds a token when there is a job more
}

// watched is a job whose end is waited for.
type watched struct {
	id     string
	due    time.Time     // it is not asked for before
	failed time.Time     // since when each question, or telling its end, fails; zero: the last one went well
	pause  fault.Backoff // between failures
}

// Add has a job watched. One too many is only logged: it can be asked for.
func (w *Watch) Add(j Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.init()
	if len(w.jobs) >= mostWatched {
		w.Log.Warn("the end of a job is not told: too many are waited for", "event", "job-not-watched", "job", j.ID)
		return
	}
	w.jobs[j.ID] = &watched{id: j.ID, due: j.Start, pause: fault.Backoff{Min: watchEvery, Max: watchRarely}}
	select {
	case w.added <- struct{}{}:
	default:
	}
}

func (w *Watch) init() {
	if w.jobs == nil {
		w.jobs, w.added = map[string]*watched{}, make(chan struct{}, 1)
	}
}

// Run watches until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	w.mu.Lock()
	w.init()
	w.mu.Unlock()
	w.resume(ctx)
	for ctx.Err() == nil {
		timer := time.NewTimer(w.next(time.Now()))
		select {
		case <-ctx.Done():
		case <-w.added:
		case <-timer.C:
			w.look(ctx)
		}
		timer.Stop()
	}
	return nil
}

// resume finds the jobs that were scheduled before a restart.
func (w *Watch) resume(ctx context.Context) {
	pause := fault.Backoff{Min: time.Second, Max: time.Minute}
	for {
		jobs, err := w.Hub.Unfinished(ctx)
		if err == nil {
			for _, j := range jobs {
				if strings.HasPrefix(j.ID, w.Mine) {
					w.Add(j)
				}
			}
			return
		}
		switch fault.ClassOf(err) {
		case fault.Transient:
		case fault.Credential: // who may not list jobs could not schedule any
			return
		default:
			w.Log.Warn("jobs from before the start are not waited for: the hub does not list its jobs", "event", "jobs-not-found", "error", err, "hint", fault.HintOf(err))
			return
		}
		if pause.Pause(ctx) != nil {
			return
		}
	}
}

// next is how long nothing is to be asked: no more than half of what the hub allows on its smallest size.
func (w *Watch) next(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	due, first := 0, 24*time.Hour
	for _, j := range w.jobs {
		if j.due.After(now) {
			first = min(first, j.due.Sub(now))
		} else {
			due++
		}
	}
	if due > 0 {
		return min(first, max(watchEvery, time.Duration(due)*watchShare))
	}
	return first
}

// look asks for each job that is due.
func (w *Watch) look(ctx context.Context) {
	for _, j := range w.due(time.Now()) {
		over, err := w.ask(ctx, j.id)
		if ctx.Err() != nil {
			return
		}
		w.note(j, over, err)
	}
}

func (w *Watch) due(now time.Time) (due []*watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, j := range w.jobs {
		if !j.due.After(now) {
			due = append(due, j)
		}
	}
	return due
}

// ask asks for a job, and tells its end. over: there is nothing more to wait for, or the platform refuses to hear of it.
func (w *Watch) ask(ctx context.Context, id string) (over bool, err error) {
	found, err := w.Hub.Job(ctx, id)
	if err != nil || !found.Over {
		return err == nil && found.Gone, err
	}
	err = w.Over(ctx, found)
	return err == nil || fault.ClassOf(err) != fault.Transient, err
}

// note forgets a job that is over. One that cannot be asked for is asked for less and less often, and given up in the end.
func (w *Watch) note(j *watched, over bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	switch {
	case err == nil:
		j.failed = time.Time{}
		j.pause.Reset()
	case j.failed.IsZero():
		j.failed = now
	case now.Sub(j.failed) >= watchFails:
		over = true
	}
	if over {
		delete(w.jobs, j.id)
	}
	switch {
	case over && err != nil:
		w.Log.Warn("the end of a job was not told", "event", "job-not-told", "job", j.id, "error", err)
	case err != nil:
		j.due = now.Add(j.pause.Next())
	}
}
