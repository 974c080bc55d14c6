package presence

import (
	"sync"
	"time"
)

// Budget bounds pings, which the hub counts as messages. In no 24 hours are there more than it was made for; an hour's
// worth may come at once.
type Budget struct {
	mu      sync.Mutex
	every   time.Duration // until there may be one ping more; 0 if there never is
	most    int64         // at once
	have    int64
	counted time.Time // up to when have is reckoned; zero before the first Take
}

// NewBudget makes a budget of a share, 0 to 1, of a day's quota of messages. One that leaves no ping a day allows none.
func NewBudget(quota int64, share float64) *Budget {
	perDay := int64(float64(quota) * min(max(share, 0), 1))
	if perDay < 1 {
		return &Budget{}
	}
	most := max(perDay/24, 1)
	return &Budget{most: most, have: most, every: 24*time.Hour/time.Duration(max(perDay-most, 1)) + 1}
}

// Take reports whether there may be a ping now, and counts it.
func (b *Budget) Take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.counted.IsZero() {
		b.counted = now
	}
	b.refill(now)
	if b.have == 0 {
		return false
	}
	b.have--
	return true
}

func (b *Budget) refill(now time.Time) {
	if b.every == 0 || now.Before(b.counted) {
		return
	}
	came := int64(now.Sub(b.counted) / b.every)
	b.counted = b.counted.Add(time.Duration(came) * b.every)
	b.have = min(b.most, b.have+came)
}
