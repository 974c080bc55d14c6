package iothub

import (
	"context"
	"errors"
	"fmt"
)

// endpoint is where the events are until the hub fails over.
type endpoint struct {
	names     Names
	failovers int // since the hub was made
	life      context.Context
	end       context.CancelFunc
}

// errFailedOver ends the connections of devices.
var errFailedOver = errors.New("the hub has failed over to another region")

// groupsOfFailover are the consumer groups that are there after a failover (users report that their own are gone).
var groupsOfFailover = [...]string{"$Default"}

func newEndpoint(names Names, failovers int) *endpoint {
	e := &endpoint{names: names.after(failovers), failovers: failovers}
	e.life, e.end = context.WithCancel(context.Background())
	return e
}

// Endpoint ends when the hub fails over: the names of before are no more. Ask for it before Names.
func (h *Hub) Endpoint() context.Context { return h.endpoint.Load().life }

// Failover does what a failover to another region does (read: iot-hub-ha-dr). The Event Hubs-compatible name and endpoint
// change; the events, the feedback and the consumer groups of before are lost, and numbers begin anew; every connection of
// a device ends. Registry, twins and messages to devices stay: that none of them is lost is a guess.
func (h *Hub) Failover() error {
	h.failing.Lock()
	defer h.failing.Unlock()
	if err := h.loseEvents(); err != nil {
		return fmt.Errorf("fail over: %w", err)
	}
	h.mu.Lock()
	h.groups = groupsOfFailover[:]
	h.mu.Unlock()
	old := h.endpoint.Load()
	h.endpoint.Store(newEndpoint(h.names, old.failovers+1))
	h.feedback.lose()
	old.end()
	for _, s := range h.presence.all() {
		s.kick(errFailedOver)
	}
	if err := h.registry.rewrite(); err != nil { // what follows from it has happened: the next start knows nothing of it
		return fmt.Errorf("fail over: %w", err)
	}
	return nil
}

// loseEvents empties the event log.
func (h *Hub) loseEvents() error {
	if h.disk != nil {
		return h.disk.lose()
	}
	for _, p := range h.partitions {
		p.clear()
	}
	return nil
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
