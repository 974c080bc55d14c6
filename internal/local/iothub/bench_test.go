package iothub

import (
	"fmt"
	"sync"
	"testing"
)

// BenchmarkAppend writes messages of 300 bytes: one after the other, with several on their way as an MQTT device has
// them, and from many senders. "unsynced" is what leaving the sync to the operating system would be worth.
func BenchmarkAppend(b *testing.B) {
	for _, place := range []string{"memory", "disk", "disk, unsynced"} {
		for _, window := range []int{1, 20, 256} {
			b.Run(fmt.Sprintf("%s/window=%d", place, window), func(b *testing.B) {
				h, p := benchHub(b, place)
				sent := make(chan *Ticket, window-1)
				var waiting sync.WaitGroup
				waiting.Go(func() {
					for ticket := range sent {
						if _, err := ticket.Wait(); err != nil {
							b.Error(err)
						}
					}
				})
				for range b.N {
					ticket, err := h.Submit(p, Message{Body: make([]byte, 300)})
					if err != nil {
						b.Fatal(err)
					}
					sent <- ticket
				}
				close(sent)
				waiting.Wait()
			})
		}
		b.Run(place+"/64 senders", func(b *testing.B) {
			h, p := benchHub(b, place)
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := h.Accept(p, Message{Body: make([]byte, 300)}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkReadFromFile reads messages of 300 bytes that are not in memory any more, again and again.
func BenchmarkReadFromFile(b *testing.B) {
	h, p := benchHub(b, "disk, unsynced")
	const written = 20_000
	for range written - 1 {
		if _, err := h.Submit(p, Message{Body: make([]byte, 300)}); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := h.Accept(p, Message{}); err != nil { // who waits for the last waits for all
		b.Fatal(err)
	}
	for _, partition := range h.disk.partitions {
		partition.recent, partition.bytes = nil, 0
	}
	b.ResetTimer()
	for read := 0; read < b.N; {
		events, _, _, err := h.Poll(0, int64(read%written), 256)
		if err != nil || len(events) == 0 {
			b.Fatalf("%d events, %v", len(events), err)
		}
		read += len(events)
	}
}

func benchHub(b *testing.B, place string) (*Hub, Principal) {
	b.Helper()
	cfg := Config{Partitions: 1}
	if place != "memory" {
		cfg.Dir = b.TempDir()
	}
	h, err := Open(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := h.Close(); err != nil {
			b.Error(err)
		}
	})
	if h.disk != nil {
		h.disk.db.NoSync = place == "disk, unsynced"
	}
	added, err := h.Registry().Add(Spec{ID: ID{Device: "d1"}})
	if err != nil {
		b.Fatal(err)
	}
	return h, principalOf(added[0])
}
