package devices

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/fault"
)

// fakeJobs is a hub whose jobs end when told to.
type fakeJobs struct {
	mu     sync.Mutex
	jobs   map[string]Job
	asked  int
	broken int    // answers that fail
	cause  error  // of all answers; nil: they do not fail
	said   []byte // the log
}

func (f *fakeJobs) Job(_ context.Context, id string) (Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked++; f.broken > 0 {
		f.broken--
		return Job{}, errors.New("throttled")
	}
	if f.cause != nil {
		return Job{}, f.cause
	}
	j, ok := f.jobs[id]
	if !ok {
		return Job{ID: id, Gone: true}, nil
	}
	return j, nil
}

func (f *fakeJobs) Unfinished(context.Context) (all []Job, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken > 0 {
		f.broken--
		return nil, errors.New("throttled")
	}
	if f.cause != nil {
		return nil, f.cause
	}
	for _, j := range f.jobs {
		if !j.Over {
			all = append(all, j)
		}
	}
	return all, nil
}

func (f *fakeJobs) set(jobs ...Job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range jobs {
		f.jobs[j.ID] = j
	}
}

// fails has all answers fail; nil: no more.
func (f *fakeJobs) fails(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cause = cause
}

// Write is io.Writer's: for the log.
func (f *fakeJobs) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, line...)
	return len(line), nil
}

func (f *fakeJobs) log() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return string(f.said)
}

// count is how often it was asked for a job.
func (f *fakeJobs) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// watching runs a Watch over fake jobs in a bubble.
func watching(t *testing.T, hub *fakeJobs, over func(context.Context, Job) error, do func(w *Watch)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &Watch{Hub: hub, Mine: "mine-", Over: over, Log: slog.New(slog.NewTextHandler(hub, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.Run(ctx) }()
		synctest.Wait()
		do(w)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// pass lets fake time pass.
func pass(d time.Duration) { <-time.After(d); synctest.Wait() }

func TestTheEndOfAJobIsToldOnceAlsoAfterARestart(t *testing.T) {
	hub := &fakeJobs{broken: 2, jobs: map[string]Job{"mine-1": {ID: "mine-1"}, "other": {ID: "other"}, "mine-0": {ID: "mine-0", Over: true}}}
	var told []string
	over := func(_ context.Context, j Job) error {
		if told = append(told, j.ID); len(told) == 1 {
			return &fault.Problem{Op: "fire", Class: fault.Transient, Cause: errors.New("the platform is away")}
		}
		return nil
	}
	watching(t, hub, over, func(w *Watch) {
		hub.set(Job{ID: "mine-2"})
		w.Add(Job{ID: "mine-2"})
		w.Add(Job{ID: "gone"})
		pass(time.Minute)
		if len(told) != 0 {
			t.Errorf("told too early: %q", told)
		}
		hub.set(Job{ID: "mine-1", Over: true}, Job{ID: "other", Over: true})
		pass(time.Minute)
		hub.set(Job{ID: "mine-2", Over: true})
		pass(time.Minute)
		if !slices.Equal(told, []string{"mine-1", "mine-1", "mine-2"}) {
			t.Errorf("told %q: the first is not taken, and told again", told)
		}
		asked := hub.count()
		if pass(time.Hour); hub.count() != asked {
			t.Error("the hub is asked though nothing is waited for")
		}
	})
}

func TestAJobForLaterIsNotAskedForBeforeItsStart(t *testing.T) {
	hub := &fakeJobs{jobs: map[string]Job{}}
	watching(t, hub, func(context.Context, Job) error { return nil }, func(w *Watch) {
		j := Job{ID: "mine-1", Start: time.Now().Add(time.Hour)}
		hub.set(j)
		w.Add(j)
		if pass(time.Hour - time.Second); hub.count() != 0 {
			t.Errorf("asked %d times", hub.count())
		}
		if pass(time.Minute); hub.count() == 0 {
			t.Error("it is never asked for")
		}
	})
}

func TestManyJobsAreAskedForWithinHalfOfTheSmallestQuota(t *testing.T) {
	hub := &fakeJobs{jobs: map[string]Job{}}
	watching(t, hub, func(context.Context, Job) error { return nil }, func(w *Watch) {
		for n := range mostWatched + 1 {
			j := Job{ID: "mine-" + time.Duration(n).String()}
			hub.set(j)
			w.Add(j)
		}
		if pass(time.Hour); hub.count() < 2000 || hub.count() > 50*60 {
			t.Errorf("asked %d times in an hour", hub.count())
		}
	})
}

func TestAJobThatCannotBeAskedForIsAskedForLessOftenAndGivenUpAfterADay(t *testing.T) {
	hub := &fakeJobs{jobs: map[string]Job{}}
	watching(t, hub, func(context.Context, Job) error { return nil }, func(w *Watch) {
		hub.set(Job{ID: "mine-1"})
		w.Add(Job{ID: "mine-1"})
		hub.fails(errors.New("it does not answer"))
		pass(23 * time.Hour)
		if n := hub.count(); n < 23*60/5 || n > 800 {
			t.Errorf("asked %d times in 23 hours", n)
		}
		hub.fails(nil)
		pass(6 * time.Minute)
		hub.fails(errors.New("it does not answer"))
		if pass(23 * time.Hour); hub.log() != "" {
			t.Errorf("it was given up though it was answered in between: %s", hub.log())
		}
		pass(2 * time.Hour)
		if n := strings.Count(hub.log(), "event=job-not-told job=mine-1 error=\"it does not answer\""); n != 1 {
			t.Errorf("given up %d times: %s", n, hub.log())
		}
		asked := hub.count()
		if pass(24 * time.Hour); hub.count() != asked {
			t.Error("it is asked for though it was given up")
		}
	})
}

func TestAnEndThatThePlatformRefusesToHearOfIsLogged(t *testing.T) {
	hub := &fakeJobs{jobs: map[string]Job{"mine-1": {ID: "mine-1"}}}
	told := 0
	over := func(context.Context, Job) error { told++; return fault.Reject("fire", "", "no such event") }
	watching(t, hub, over, func(*Watch) {
		hub.set(Job{ID: "mine-1", Over: true})
		if pass(time.Hour); told != 1 || !strings.Contains(hub.log(), "event=job-not-told job=mine-1") {
			t.Errorf("told %d times: %s", told, hub.log())
		}
	})
}

func TestWhoMayNotListJobsIsNotToldSoAtEachStart(t *testing.T) {
	hub := &fakeJobs{jobs: map[string]Job{}, cause: &fault.Problem{Op: "list jobs", Class: fault.Credential}}
	watching(t, hub, func(context.Context, Job) error { return nil }, func(*Watch) {
		if hub.log() != "" {
			t.Errorf("said %s", hub.log())
		}
	})
}

func TestAHubThatDoesNotListItsJobsIsLoggedAndJobsOfThisRunAreTold(t *testing.T) {
	hub := &fakeJobs{jobs: map[string]Job{}, cause: fault.Reject("list jobs", "let it read the registry", "not authorized")}
	told := 0
	watching(t, hub, func(context.Context, Job) error { told++; return nil }, func(w *Watch) {
		if !strings.Contains(hub.log(), `event=jobs-not-found error="list jobs: not authorized" hint="let it read the registry"`) {
			t.Errorf("said %s", hub.log())
		}
		hub.fails(nil)
		hub.set(Job{ID: "mine-1", Over: true})
		w.Add(Job{ID: "mine-1"})
		if pass(time.Minute); told != 1 {
			t.Errorf("told %d times", told)
		}
	})
}
