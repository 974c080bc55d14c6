package observe

import (
	"testing"
	"time"

	"azx/alwayson"
)

// BenchmarkRequest is what an accepted write costs.
func BenchmarkRequest(b *testing.B) {
	m := NewMetrics()
	b.ReportAllocs()
	for b.Loop() {
		m.Request(alwayson.PushService, alwayson.Success, 700*time.Microsecond)
	}
}
