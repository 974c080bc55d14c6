package amqp10

import (
	"sync"
	"sync/atomic"
)

const (
	// ChunkSize is how much memory messages that come one after the other share, in bytes. A message that stays keeps a chunk.
	ChunkSize = 6 << 10
	// chunkHead is what the allocator and a chunk itself keep of it.
	chunkHead = 24
	// sharedMost is the largest message that shares a chunk. A larger one has memory of its own: it would waste the rest of one.
	sharedMost = (ChunkSize - chunkHead) / 2
)

// Chunk is memory of several payloads. It is used again once all of them are released.
type Chunk struct {
	home  *sync.Pool   // where it goes then
	holds atomic.Int32 // payloads that are not released, and filling
	bytes [ChunkSize - chunkHead]byte
}

// filling is counted in a chunk while payloads may still come into it: many more than it has room for.
const filling = 1 << 30

// Release says that nobody looks at n of the payloads any more, and never will. Those that are never released keep the chunk, as
// everything is kept in Go, for as long as somebody holds a part of it. Of no chunk it does nothing.
func (c *Chunk) Release(n int) {
	if c == nil || c.holds.Add(-int32(n)) != 0 || c.home == nil {
		return
	}
	if poisons {
		clear(c.bytes[:])
	}
	c.home.Put(c)
}

// chunks copies messages out of the buffer of the connection, which is used again. Small messages share a chunk, which is small,
// so that a message which somebody holds for long keeps little else from being used again.
type chunks struct {
	home *sync.Pool
	last *Chunk // that is being filled; nil: none yet
	used int    // bytes of it
	held int    // payloads in it
}

// keep has in be a message with a copy of payload.
func (c *chunks) keep(in *Received, payload []byte) {
	if len(payload) > sharedMost {
		in.Payload = append([]byte(nil), payload...)
		return
	}
	if c.last == nil || len(payload) > len(c.last.bytes)-c.used {
		c.begin()
	}
	in.Chunk, in.Payload = c.last, c.last.bytes[c.used:c.used+len(payload):c.used+len(payload)]
	copy(in.Payload, payload)
	c.used += len(payload)
	c.held++
}

// begin has another chunk filled.
func (c *chunks) begin() {
	if c.last != nil {
		c.last.Release(filling - c.held)
	}
	c.last, _ = c.home.Get().(*Chunk)
	if c.last == nil {
		c.last = &Chunk{home: c.home}
	}
	c.last.holds.Store(filling)
	c.used, c.held = 0, 0
}
