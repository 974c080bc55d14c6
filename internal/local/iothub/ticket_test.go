package iothub

import (
	"sync"
	"testing"
)

// Whoever waits may get the turn after the batch was written by somebody else: then there is nothing to commit, while
// others append.
func TestEveryEventIsWrittenOnceAlthoughTurnsFindNothing(t *testing.T) {
	const senders, each = 4, 500
	written := 0
	c := newCommitter(1<<20, func(events []appended) error {
		written += len(events)
		return nil
	})
	var sending, turning sync.WaitGroup
	over := make(chan struct{})
	turning.Go(func() {
		for {
			select {
			case <-over:
				return
			case c.turn <- struct{}{}:
				c.commit()
				<-c.turn
			}
		}
	})
	for range senders {
		sending.Go(func() {
			for range each {
				if err := c.add(appended{}).wait(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sending.Wait()
	close(over)
	turning.Wait()
	if written != senders*each {
		t.Errorf("%d events were written of %d", written, senders*each)
	}
}
