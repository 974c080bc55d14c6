package ingress

import (
	"testing"
	"time"
)

func TestAReasonIsToldOnceAMinuteWithTheNumberPassedOver(t *testing.T) {
	var n notices
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		reason string
		after  time.Duration
		more   int
		told   bool
	}{
		{"wrong-type", 0, 0, true},
		{"wrong-type", time.Second, 0, false},
		{"no-thing", time.Second, 0, true},
		{"wrong-type", 59 * time.Second, 0, false},
		{"wrong-type", time.Minute, 2, true},
		{"wrong-type", 2 * time.Minute, 0, true},
	} {
		if more, told := n.due(step.reason, start.Add(step.after)); more != step.more || told != step.told {
			t.Errorf("%s after %s: %d, %v", step.reason, step.after, more, told)
		}
	}
}
