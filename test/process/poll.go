package process

import (
	"testing"
	"time"
)

// interval is the pause between two looks.
const interval = 25 * time.Millisecond

// Eventually looks until check returns nil, and ends the test with what check last said if that
// does not happen within the time given. what completes the sentence "... within 5s".
func Eventually(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	look := time.NewTicker(interval)
	defer look.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("not within %s: %s: %v", within, what, err)
		case <-look.C:
		}
	}
}
