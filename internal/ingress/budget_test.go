//go:build !mutant_unbounded

package ingress

import (
	"context"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"azx/internal/message"
)

// Whatever comes and ends in whatever order: what is taken is what is held, and all of it comes back.
func TestTheBudgetHasWhatIsNotHeld(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 1 << 20
		b := NewBudget(limit)
		var open []*message.Shared
		end := func() {
			i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
			b.Give(open[i])
			open = append(open[:i], open[i+1:]...)
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				s := &message.Shared{Size: rapid.SampledFrom([]int{10, 2000, 600_000, 2 * limit}).Draw(t, "size")}
				waited := len(open) > 0
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				err := b.Take(ctx, s, func() { // where it would wait, others end, and it gives up
					for range rapid.IntRange(0, len(open)).Draw(t, "meanwhile") {
						end()
					}
					cancel()
				})
				switch {
				case err == nil:
					open = append(open, s)
				case !errors.Is(err, context.Canceled):
					t.Fatal(err)
				case !waited:
					t.Fatal("there is no room although nothing is in flight")
				}
			},
			"end": func(t *rapid.T) {
				if len(open) > 0 {
					end()
				}
			},
			"": func(t *rapid.T) {
				free := int64(limit)
				for _, s := range open {
					free -= int64(min(s.Size, limit))
				}
				if !b.free.TryAcquire(free) {
					t.Fatalf("less than %d bytes are free", free)
				}
				if b.free.TryAcquire(1) {
					t.Fatalf("more than %d bytes are free", free)
				}
				b.free.Release(free)
			},
		})
	})
}
