package amqp10

import (
	"bytes"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// Whatever comes and is released in whatever order: nobody writes to a payload that is not released, and what is has its memory used
// again.
func TestAPayloadStaysAsItIsUntilItIsReleased(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type kept struct {
			in   Received
			want []byte
		}
		var home sync.Pool
		memory := chunks{home: &home}
		var open []kept
		next := byte(0)
		t.Repeat(map[string]func(*rapid.T){
			"keep": func(t *rapid.T) {
				next++
				size := rapid.SampledFrom([]int{1, 200, 700, sharedMost, sharedMost + 1, 2 * ChunkSize}).Draw(t, "size")
				k := kept{want: bytes.Repeat([]byte{next}, size)}
				memory.keep(&k.in, k.want)
				if (k.in.Chunk != nil) != (size <= sharedMost) {
					t.Fatalf("%d bytes share memory: %t", size, k.in.Chunk != nil)
				}
				open = append(open, k)
			},
			"release": func(t *rapid.T) {
				if len(open) > 0 {
					i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
					open[i].in.Chunk.Release(1)
					open = append(open[:i], open[i+1:]...)
				}
			},
			"": func(t *rapid.T) {
				for i, k := range open {
					if !bytes.Equal(k.in.Payload, k.want) || cap(k.in.Payload) != len(k.want) && k.in.Chunk != nil {
						t.Fatalf("payload %d of %d is not as it was kept", i, len(open))
					}
				}
			},
		})
	})
}

func TestReleasedMemoryIsUsedAgain(t *testing.T) {
	var home sync.Pool
	memory, payload := chunks{home: &home}, make([]byte, 700)
	allocs := testing.AllocsPerRun(1000, func() {
		var in Received
		memory.keep(&in, payload)
		in.Chunk.Release(1)
	})
	if allocs > 0 && !poisons { // where races are looked for, pools forget at random
		t.Errorf("%.2f allocations for a message that is released at once", allocs)
	}
}
