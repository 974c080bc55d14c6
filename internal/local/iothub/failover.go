package iothub

import (
	"context"
	"errors"
	"fmt"
)

// endpoint is what a failover changes: the names of the events' endpoint, and which events it has.
type endpoint struct {
	names     Names
	failovers int     // since the hub was made
	from      []int64 // number of the first event by partition; those before were lost
	life      context.Context
	end       context.CancelFunc
}

// errFailedOver ends the connections of devices.
var errFailedOver = errors.New("the hub has failed over to another region")

func newEndpoint(names Names, failovers int, from []int64) *endpoint {
	e := &endpoint{names: names.after(failovers), failovers: failovers, from: from}
	e.life, e.end = context.WithCancel(context.Background())
	return e
}

// Endpoint ends when the hub fails over: the names of before are no more. Ask for it before Names.
func (h *Hub) Endpoint() context.Context { return h.endpoint.Load().life }

// Failover does what a failover to another region does (read: iot-hub-ha-dr). The Event Hubs-compatible name and endpoint
// change, the events and the feedback of before are lost, and every connection of a device ends. Registry, twins and
// messages to devices stay: that none of them is lost, and that the numbers of events go on, is a guess.
func (h *Hub) Failover() error {
	h.failing.Lock()
	defer h.failing.Unlock()
	old := h.endpoint.Load()
	from := make([]int64, len(h.partitions))
	for i := range from {
		info, err := h.PartitionInfo(i)
		if err != nil {
			return fmt.Errorf("fail over: %w", err)
		}
		from[i] = info.LastSequence + 1
	}
	h.endpoint.Store(newEndpoint(h.names, old.failovers+1, from))
	if err := h.registry.rewrite(); err != nil {
		h.endpoint.Swap(old).end()
		return fmt.Errorf("fail over: %w", err)
	}
	h.loseEvents(from)
	h.feedback.lose()
	old.end()
	for _, s := range h.presence.all() {
		s.kick(errFailedOver)
	}
	return nil
}

// loseEvents drops the events before these numbers.
func (h *Hub) loseEvents(from []int64) {
	for i, number := range from {
		if i < len(h.partitions) {
			h.partitions[i].lose(number)
		}
	}
}

// lose drops all feedback.
func (f *Feedback) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending, f.queue.items = nil, nil
}

// all are the sessions there are.
func (p *presence) all() []*Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	sessions := make([]*Session, 0, len(p.sessions))
	for _, s := range p.sessions {
		sessions = append(sessions, s)
	}
	return sessions
}
