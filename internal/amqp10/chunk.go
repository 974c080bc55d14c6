package amqp10

// ChunkSize is how much memory messages that come one after the other share, in bytes. A message that stays keeps a chunk.
// Go's allocator gets four of this size at once, and of 4 KiB only two.
const ChunkSize = 6 << 10

// sharedMost is the largest message that shares a chunk. A larger one has memory of its own: it would waste the rest of one.
const sharedMost = ChunkSize / 4

// chunks copies messages out of the buffer of the connection, which is used again, into memory that nobody writes to a
// second time: it lives, as everything does in Go, for as long as somebody holds a part of it.
//
// Small messages share, so that one allocation serves several. The chunk is small, so that a message which somebody holds for
// long keeps little else alive.
type chunks struct{ free []byte }

// keep returns a copy of b.
func (c *chunks) keep(b []byte) []byte {
	if len(b) > sharedMost {
		return append([]byte(nil), b...)
	}
	if len(b) > len(c.free) {
		c.free = make([]byte, ChunkSize)
	}
	kept := c.free[:len(b):len(b)]
	copy(kept, b)
	c.free = c.free[len(b):]
	return kept
}

// ChunksOf is how many bytes of memory messages that came one after the other keep at most, as long as somebody holds a part of
// one of them; beside those of the large ones, of which nothing is shared.
func ChunksOf(messages []Received) int {
	small, sum, largest := 0, 0, 0
	for _, m := range messages {
		if n := len(m.Payload); n <= sharedMost {
			small, sum, largest = small+1, sum+n, max(largest, n)
		}
	}
	filled := ChunkSize - largest // at least, of each chunk but the first and the last
	return min(small, 2+sum/filled) * ChunkSize
}
