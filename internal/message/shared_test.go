package message

import (
	"sync"
	"testing"
)

type counted struct{ times int }

func (c *counted) Reuse() { c.times++ }

func TestMemoryIsUsedAgainOnceAllMessagesHaveEndedAndNobodyKeepsOne(t *testing.T) {
	const messages = 100
	for name, tc := range map[string]struct {
		kept int // the message that somebody keeps; -1: none
		want int
	}{"nobody keeps one": {-1, 1}, "the first is kept": {0, 0}, "the last is kept": {messages - 1, 0}} {
		t.Run(name, func(t *testing.T) {
			var owner counted
			s := &Shared{Owner: &owner}
			s.Begin(messages)
			var all sync.WaitGroup
			for i := range messages {
				all.Go(func() {
					if s.End(i == tc.kept) {
						s.Free()
					}
				})
			}
			all.Wait()
			if owner.times != tc.want {
				t.Errorf("it was used again %d times, want %d", owner.times, tc.want)
			}
		})
	}
}
