package store

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// BenchmarkSave saves records of 300 bytes, one at a time, from one goroutine and from 16.
func BenchmarkSave(b *testing.B) {
	for name, o := range map[string]Options{"synced": {}, "unsynced": {NoSync: true}} {
		for _, callers := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) {
				d, err := Open(filepath.Join(b.TempDir(), "state.db"), o)
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = d.Close() }()
				var n atomic.Int64
				value := make([]byte, 300)
				b.SetParallelism(callers / 2) // there are two processors where this was measured
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := d.Save([]Record{{"Things", fmt.Sprint(n.Add(1) % 1000), value}}); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}
