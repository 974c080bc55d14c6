package iothub

import (
	"context"
	"fmt"
	"sync"

	"github.com/Azure/go-amqp"

	"azx/internal/fault"
)

// link is the sending link of one AMQP connection.
type link struct {
	sender *amqp.Sender
	broken chan error // takes the first error of a sender, so that Run makes a new connection
}

// line hands the current link to those who send, and makes them wait while there is none.
type line struct {
	mu      sync.Mutex
	current *link
	why     error         // the last connection's end
	changed chan struct{} // closed at the next change
}

func (s *line) init() { s.changed = make(chan struct{}) }

// get waits for a link. If there is none because of something that waiting does not help, it says so at once.
func (s *line) get(ctx context.Context) (*link, error) {
	for {
		s.mu.Lock()
		current, why, changed := s.current, s.why, s.changed
		s.mu.Unlock()
		switch {
		case current != nil:
			return current, nil
		case why != nil && fault.ClassOf(why) != fault.Transient:
			return nil, why
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if why == nil {
				why = errNoConnected
			}
			return nil, fmt.Errorf("%w; %w", ctx.Err(), why)
		}
	}
}

// set publishes a link, or with nil the reason why there is none.
func (s *line) set(l *link, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.why = l, why
	close(s.changed)
	s.changed = make(chan struct{})
}

// lost says that a link has ended. Its connection ends with it.
func (s *line) lost(l *link, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == l {
		s.current = nil
	}
	select {
	case l.broken <- err:
	default:
	}
}
