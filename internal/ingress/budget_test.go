//go:build !mutant_unbounded

package ingress

import (
	"context"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"azx/internal/message"
)

// Whatever messages come and end in whatever order: what is taken is what they hold, with what they share once, and all of
// it comes back.
func TestWhatMessagesShareIsTakenOnceAndGivenBackWithTheLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 1 << 20
		b := NewBudget(limit)
		type held struct {
			m    *message.Message
			size int
		}
		var open []held
		groups := make([]*message.Shared, 3)
		for i := range groups {
			groups[i] = &message.Shared{Bytes: 1 << rapid.IntRange(8, 14).Draw(t, "shared")}
		}
		end := func() {
			i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
			b.Give(open[i].m, open[i].size)
			open = append(open[:i], open[i+1:]...)
		}
		want := func() (bytes int) {
			in := map[*message.Shared]bool{}
			for _, h := range open {
				bytes += h.size
				if s := h.m.Shared; s != nil && !in[s] {
					in[s] = true
					bytes += s.Bytes
				}
			}
			return bytes
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) {
				m := &message.Message{Body: make([]byte, rapid.SampledFrom([]int{10, 2000, 600_000}).Draw(t, "body"))}
				if group := rapid.IntRange(0, len(groups)).Draw(t, "group"); group < len(groups) {
					m.Shared = groups[group]
				}
				waited := len(open) > 0
				ctx, cancel := context.WithCancel(context.Background())
				size, err := b.Take(ctx, m, func() { // where it would wait, others end, and it gives up
					for range rapid.IntRange(0, len(open)).Draw(t, "meanwhile") {
						end()
					}
					cancel()
				})
				switch {
				case err == nil:
					open = append(open, held{m, size})
				case !errors.Is(err, context.Canceled):
					t.Fatal(err)
				case len(open) == 0 && !waited:
					t.Fatal("there is no room although nothing is in flight")
				}
				cancel()
			},
			"end": func(t *rapid.T) {
				if len(open) > 0 {
					end()
				}
			},
			"": func(t *rapid.T) {
				free := int64(limit - want())
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
