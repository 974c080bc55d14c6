package hub_test

import (
	"fmt"
	"testing"

	"azx/internal/hub"
)

// BenchmarkReceive reads messages of 120 bytes that wait in one partition.
func BenchmarkReceive(b *testing.B) {
	for _, kind := range kinds {
		for _, prefetch := range []int{16, 64, 256, 1024} {
			b.Run(fmt.Sprintf("%s/prefetch=%d", kind, prefetch), func(b *testing.B) {
				s := start(b, kind)
				body := fmt.Sprintf("%0120d", 0)
				for range b.N {
					s.send(b, body)
				}
				r := s.receiver(b, s.open(b, func(o *hub.Options) { o.Prefetch = prefetch }), hub.Earliest())
				b.SetBytes(120)
				b.ResetTimer()
				take(b, r, b.N)
			})
		}
	}
}
