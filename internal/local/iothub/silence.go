package iothub

import (
	"fmt"
	"strings"
	"sync"
)

// Reading is whoever reads a partition for a consumer group.
type Reading struct {
	ConsumerGroup string `json:"consumerGroup"`
	Partition     int    `json:"partition"`
}

// silences stop readers without a word. It is for tests.
type silences struct {
	mu   sync.Mutex
	next map[Reading]chan struct{} // closed when the next silence falls
}

// Silenced is asked by a reader when it begins: once the channel is closed it is to send nothing more, and to keep its link.
func (h *Hub) Silenced(r Reading) <-chan struct{} {
	r.ConsumerGroup = strings.ToLower(r.ConsumerGroup)
	s := &h.silences
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = map[Reading]chan struct{}{}
	}
	if s.next[r] == nil {
		s.next[r] = make(chan struct{})
	}
	return s.next[r]
}

// Silence has those who read a partition now get nothing more, though their links stay; who opens it again gets everything.
// Error: ErrNotFound.
func (h *Hub) Silence(r Reading) error {
	if _, err := h.partition(r.Partition); err != nil {
		return err
	}
	if !h.HasConsumerGroup(r.ConsumerGroup) {
		return fmt.Errorf("consumer group %q: %w", r.ConsumerGroup, ErrNotFound)
	}
	r.ConsumerGroup = strings.ToLower(r.ConsumerGroup)
	s := &h.silences
	s.mu.Lock()
	defer s.mu.Unlock()
	if falls := s.next[r]; falls != nil {
		close(falls)
		delete(s.next, r)
	}
	return nil
}
