package iothub

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// bucket spaces operations so that the hub has no reason to throttle them. It fills at the rate of the quota and
// holds a quarter of what the hub allows in its window: what goes beyond the quota in the first window is that
// quarter, which the hub delays without an error (read: quotas page, traffic shaping).
type bucket struct {
	rate  float64 // tokens a second
	burst float64

	mu    sync.Mutex
	level float64 // below zero: reserved by those who wait
	at    time.Time
	held  time.Time // nothing passes before
}

const burstShare = 4

func newBucket(amount float64, window time.Duration) *bucket {
	burst := max(1, amount/burstShare)
	return &bucket{rate: amount / window.Seconds(), burst: burst, level: burst, at: time.Now()}
}

// wait takes n tokens, and waits until they are there. If that would be after ctx's deadline it fails at once.
// Who waits longer is served earlier; a wait that was given up gives its tokens back.
func (b *bucket) wait(ctx context.Context, n float64) (waited time.Duration, err error) {
	if b == nil || ctx.Err() != nil {
		return 0, ctx.Err()
	}
	delay := b.reserve(n)
	if delay == 0 {
		return 0, nil
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < delay {
		b.giveBack(n)
		return 0, fmt.Errorf("%w: the hub's quota has room for it in %s, after the deadline", ErrThrottled, round(delay))
	}
	start := time.Now()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return time.Since(start), nil
	case <-ctx.Done():
		b.giveBack(n)
		return time.Since(start), ctx.Err()
	}
}

func (b *bucket) reserve(n float64) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.level = min(b.burst, b.level+now.Sub(b.at).Seconds()*b.rate) - n
	b.at = now
	delay := time.Duration(max(0, -b.level/b.rate) * float64(time.Second))
	return max(delay, b.held.Sub(now), 0)
}

func (b *bucket) giveBack(n float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.level += n
}

// hold lets nothing pass for a while: the hub has said so.
func (b *bucket) hold(d time.Duration) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := time.Now().Add(d); until.After(b.held) {
		b.held = until
	}
}

// round makes a duration readable.
func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}
