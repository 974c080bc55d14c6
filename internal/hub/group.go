package hub

import (
	"sync"

	"azx/internal/amqp10"
	"azx/internal/message"
)

const (
	mostTogether = 16  // messages that are made together
	roomStep     = 4   // a group has room for so many, for twice as many, and so on
	eventBytes   = 240 // memory of an event
)

// group is the memory of messages that are made together. They are those whose payloads share a chunk: it is used again once the
// last of them has ended in any case.
type group struct {
	message.Shared
	home   *sync.Pool
	chunk  *amqp10.Chunk
	n      int
	events []event
}

// groups are those that are not in use, by their room.
type groups [mostTogether / roomStep]sync.Pool

// together is how many of the first payloads are of one group.
func together(payloads []amqp10.Received) int {
	n, chunk := 1, payloads[0].Chunk
	for chunk != nil && n < min(len(payloads), mostTogether) && payloads[n].Chunk == chunk {
		n++
	}
	return n
}

// of returns a group for the messages of these payloads.
func (all *groups) of(payloads []amqp10.Received) *group {
	steps := (len(payloads) + roomStep - 1) / roomStep
	home := &all[steps-1]
	g, _ := home.Get().(*group)
	if g == nil {
		g = &group{home: home, events: make([]event, steps*roomStep)}
		g.Owner = g
	}
	g.n, g.chunk, g.Size = len(payloads), payloads[0].Chunk, len(g.events)*eventBytes
	if g.chunk != nil {
		g.Size += amqp10.ChunkSize
	} else {
		g.Size += message.Allocated(len(payloads[0].Payload))
	}
	return g
}

// Reuse is message.Reuser's.
func (g *group) Reuse() {
	clear(g.events[:g.n])
	g.chunk.Release(g.n)
	g.chunk = nil
	g.home.Put(g)
}
