package history

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"azx/alwayson/infotable"
)

// BenchmarkAppend appends values of 1,000 properties (100 Things) from 16 goroutines, and says how many a second: one in
// each append, and 20 as a connector's request has them. The bound is 200,000, which a second fills.
func BenchmarkAppend(b *testing.B) {
	for _, place := range []string{"memory", "synced", "unsynced"} {
		for _, together := range []int{1, 20} {
			b.Run(fmt.Sprintf("%s/together=%d", place, together), func(b *testing.B) {
				h := benchHistory(b, place)
				var n atomic.Int64
				b.SetParallelism(8) // of two processors, where this was measured
				b.ResetTimer()
				start := time.Now()
				b.RunParallel(func(pb *testing.PB) {
					entries := make([]Entry, together)
					for pb.Next() {
						from := n.Add(int64(together)) - int64(together)
						for i := range entries {
							at := from + int64(i)
							entries[i] = Entry{Thing: fmt.Sprint("thing", at/10%100), Property: fmt.Sprint("property", at%10), Time: at,
								Value: infotable.Number(float64(at)), Quality: "GOOD"}
						}
						if err := h.Append(entries); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(n.Load())/time.Since(start).Seconds(), "values/s")
			})
		}
	}
}

func benchHistory(b *testing.B, place string) History {
	b.Helper()
	o := Options{Entries: 200_000, NoSync: place == "unsynced"}
	if place == "memory" {
		return Memory(o)
	}
	d, err := Open(filepath.Join(b.TempDir(), "history.db"), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close() })
	return d
}

// BenchmarkQuery asks for the newest 500 of 20,000 entries of a Thing with ten properties.
func BenchmarkQuery(b *testing.B) {
	for _, place := range []string{"memory", "unsynced"} {
		b.Run(place, func(b *testing.B) {
			h := benchHistory(b, place)
			for n := range int64(20_000) {
				entry := Entry{Thing: "press", Property: fmt.Sprint("property", n%10), Time: n, Value: infotable.Number(float64(n)), Quality: "GOOD"}
				if err := h.Append([]Entry{entry}); err != nil {
					b.Fatal(err)
				}
			}
			b.ResetTimer()
			for range b.N {
				if found, err := h.Query(Query{Thing: "press", Limit: 500}); err != nil || len(found) != 500 {
					b.Fatal(len(found), err)
				}
			}
		})
	}
}
