package rig

import "time"

// taking is a partition that has got another owner; or, of the zero place, a connector that starts and looks at all checkpoints.
type taking struct {
	connector string
	in        place
	at        time.Time
	after     int // so many checkpoints had been seen
}

// saves follows how far checkpoints are, and who knows it. When they are taken away, a partition goes on where its owner knows
// it is; another connector that gets it before it is written anew goes on where that one knew it last.
type saves struct {
	account     *account
	checkpoints int // that were followed
	takings     int
	stored      map[place]int64            // the last one
	passed      map[place]int64            // what its owner does not write again
	known       map[string]map[place]int64 // by connector
	gone        map[place]bool             // taken away, and not written anew
	behind      map[place]string           // who went on where it knew it last, and has written none since
}

func (a *account) saves() *saves {
	return &saves{account: a, stored: map[place]int64{}, passed: map[place]int64{}, known: map[string]map[place]int64{},
		gone: map[place]bool{}, behind: map[place]string{}}
}

// follow goes on for as long as what comes next is in time.
func (s *saves) follow(checkpoint, taking func(at time.Time) bool) {
	a := s.account
	for {
		switch {
		case s.takings < len(a.takings) && a.takings[s.takings].after <= s.checkpoints:
			if !taking(a.takings[s.takings].at) {
				return
			}
			s.take(a.takings[s.takings])
			s.takings++
		case s.checkpoints < len(a.checkpoints) && checkpoint(a.checkpoints[s.checkpoints].At):
			s.save(a.checkpoints[s.checkpoints])
			s.checkpoints++
		default:
			return
		}
	}
}

func (s *saves) save(c Checkpoint) {
	in := place{log: c.Log, partition: c.Partition}
	switch {
	case c.Gone:
		for in := range s.stored {
			s.gone[in] = true
		}
	case !c.Refused:
		s.stored[in] = c.Sequence
		delete(s.gone, in)
		s.knows(c.Connector, in)
		if by, ok := s.behind[in]; ok && by != c.Connector {
			return // its old owner wrote it when the new one had looked already
		}
		s.passed[in] = c.Sequence
		delete(s.behind, in)
	}
}

func (s *saves) take(t taking) {
	if (t.in == place{}) {
		for in := range s.stored {
			if !s.gone[in] {
				s.knows(t.connector, in)
			}
		}
		return
	}
	at, knew := s.known[t.connector][t.in]
	switch _, stored := s.stored[t.in]; {
	case s.gone[t.in] && knew:
		s.stored[t.in], s.passed[t.in], s.behind[t.in] = at, at, t.connector
	case s.gone[t.in]: // it waits until somebody who knows gets it
	case stored:
		s.passed[t.in] = s.stored[t.in]
		delete(s.behind, t.in)
		s.knows(t.connector, t.in)
	}
}

func (s *saves) knows(connector string, in place) {
	if s.known[connector] == nil {
		s.known[connector] = map[place]int64{}
	}
	s.known[connector][in] = s.stored[in]
}
