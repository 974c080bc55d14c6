package platform

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestALimitEndsEachRequestAtItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var l limit
		const most = 10 * time.Second
		for _, request := range []struct {
			name         string
			before, took time.Duration // since the one before, and until it had its answer
			over         bool
		}{
			{"the first", 0, time.Second, false},
			{"one under way when the timer rings that was set for the first", time.Second, 9 * time.Second, false},
			{"one that gets no answer", 0, most, true},
			{"the next, with a context of its own", 0, most - 1, false},
			{"one after a long rest", time.Hour, most - 1, false},
			{"one that gets no answer, of a timer set for another", time.Second, most, true},
			{"one that gets no answer right after that", 0, most, true},
			{"the last", 0, 0, false},
		} {
			pass(request.before)
			began := time.Now()
			limited := l.start(ctx, began.Add(most))
			select {
			case <-limited.Done():
			case <-time.After(request.took):
				synctest.Wait()
			}
			if took := time.Since(began); took != request.took {
				t.Errorf("%s: ended after %v", request.name, took)
			}
			if over := l.stop(); over != request.over {
				t.Errorf("%s: over is %v", request.name, over)
			}
		}
		limited := l.start(ctx, time.Now().Add(most))
		cancel()
		if <-limited.Done(); !l.stop() {
			t.Error("it did not end with the context around it")
		}
	})
}
