package lease

import (
	"testing"
	"time"
)

func TestTheWatchdogTellsSilenceFromHavingNothingToSay(t *testing.T) {
	type look struct {
		after          time.Duration
		received, head int64
		waiting        bool
		reopen         bool
	}
	const s = time.Second
	tests := []struct {
		name  string
		looks []look
	}{
		{"an empty partition", []look{{0, -1, -1, true, false}, {60 * s, -1, -1, true, false}}},
		{"all was received", []look{{0, 7, 7, true, false}, {60 * s, 7, 7, true, false}}},
		{"messages wait and none comes", []look{{0, 7, 7, true, false}, {15 * s, 7, 9, true, false}, {15 * s, 7, 9, true, false},
			{15 * s, 7, 9, true, true}, {15 * s, 7, 9, true, false}, {15 * s, 7, 9, true, true}}},
		{"the first message ever does not come", []look{{0, -1, 0, true, false}, {15 * s, -1, 0, true, false}, {30 * s, -1, 0, true, true}}},
		{"slow, but some come", []look{{0, 7, 90, true, false}, {20 * s, 8, 90, true, false}, {20 * s, 9, 90, true, false}, {20 * s, 10, 90, true, false}}},
		{"held up by the platform", []look{{0, 7, 90, false, false}, {60 * s, 7, 90, false, false}, {60 * s, 7, 90, false, false}}},
		{"a message that has only just arrived after a long silence", []look{{0, 7, 7, true, false}, {600 * s, 7, 8, true, false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := Watchdog{Patience: 30 * s}
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			for i, l := range tt.looks {
				now = now.Add(l.after)
				if got := w.Look(now, l.received, l.head, l.waiting); got != l.reopen {
					t.Errorf("look %d: reopen is %v", i, got)
				}
			}
		})
	}
}
