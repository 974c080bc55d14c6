package amqp

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// maxPlainReaders is how many readers without an epoch a partition has per consumer group (read: Event Hubs quotas).
const maxPlainReaders = 5

// errOutranked is behind the error of a reader that comes too late.
var errOutranked = errors.New("outranked")

type slotKey struct {
	hub       *iothub.Hub
	group     string // lower case
	partition int
}

// slot is who reads one partition for one consumer group: one reader with an epoch, or some without (inferred: the two
// kinds exclude each other).
type slot struct {
	owner *amqp10.Link
	epoch int64
	plain []*amqp10.Link
}

// readers knows the readers of every partition.
type readers struct {
	mu    sync.Mutex
	slots map[slotKey]*slot
}

// enter lets a reader in, in place of those its epoch outranks, and returns how it leaves.
// One that is outranked itself gets an errOutranked.
func (r *readers) enter(key slotKey, l *amqp10.Link, epoch int64, owns bool) (leave func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.slots[key]
	if s == nil {
		s = new(slot)
		r.slots[key] = s
	}
	switch {
	case s.owner != nil && (!owns || epoch < s.epoch):
		stolen := amqp10.Errorf(amqp10.CondLinkStolen, "a reader with epoch %d reads partition %d for this consumer group", s.epoch, key.partition)
		return nil, fmt.Errorf("%w: %w", errOutranked, stolen)
	case owns:
		s.steal(l, epoch)
	case len(s.plain) >= maxPlainReaders:
		return nil, amqp10.Errorf(amqp10.CondResourceLimitExceeded, "a partition has at most %d readers without an epoch per consumer group", maxPlainReaders)
	default:
		s.plain = append(s.plain, l)
	}
	return func() { r.leave(key, s, l) }, nil
}

// steal makes l the owner.
func (s *slot) steal(l *amqp10.Link, epoch int64) {
	stolen := amqp10.Errorf(amqp10.CondLinkStolen, "a new reader with epoch %d took over", epoch)
	if s.owner != nil {
		s.owner.Detach(stolen)
	}
	for _, other := range s.plain {
		other.Detach(stolen)
	}
	s.owner, s.epoch, s.plain = l, epoch, nil
}

func (r *readers) leave(key slotKey, s *slot, l *amqp10.Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.owner == l {
		s.owner = nil
	}
	s.plain = slices.DeleteFunc(s.plain, func(other *amqp10.Link) bool { return other == l })
	if s.owner == nil && len(s.plain) == 0 && r.slots[key] == s {
		delete(r.slots, key)
	}
}
