package observe

import "sync"

// maxValues is how many values the labels whose values come from outside this package may have together.
const maxValues = 128

// bounded lets the first maxValues different label values through and calls the rest "other", so
// that no input from outside can grow the metrics without end.
type bounded struct {
	mu   sync.RWMutex
	seen map[string]struct{}
}

func (b *bounded) bound(value string) string {
	b.mu.RLock()
	_, known := b.seen[value]
	b.mu.RUnlock()
	if known {
		return value
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known = b.seen[value]; !known && len(b.seen) >= maxValues {
		return "other"
	}
	if b.seen == nil {
		b.seen = map[string]struct{}{}
	}
	b.seen[value] = struct{}{}
	return value
}
