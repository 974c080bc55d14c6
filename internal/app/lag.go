package app

import (
	"context"
	"time"

	"azx/internal/delivery"
	"azx/internal/hub"
	"azx/internal/ingress"
	"azx/internal/lease"
)

// headsEvery is how often the hub is asked how far its partitions reach.
const headsEvery = 15 * time.Second

// heads is how far the partitions of a hub reach, as it told last.
type heads struct {
	told time.Time // zero: not yet
	of   map[string]head
}

// head is how far one partition reaches.
type head struct {
	hub.Partition
	level time.Time // when it was last seen that nothing lay behind the last settled message; zero: never
}

// next returns what is known after the hub has told again, asked at a time; the accounts are younger.
func (h heads) next(at time.Time, parts []hub.Partition, settled func(id string) (sequence int64, known bool)) heads {
	all := heads{told: at, of: make(map[string]head, len(parts))}
	for _, p := range parts {
		one := head{Partition: p, level: h.of[p.ID].level}
		if sequence, known := settled(p.ID); p.Empty || known && sequence >= p.Last {
			one.level = at
		}
		all.of[p.ID] = one
	}
	return all
}

// settledUpTo is the last message that is settled: by the account, else by where the partition began. The enqueued time is
// zero where it is not known.
func settledUpTo(s delivery.Snapshot, start delivery.Start, h head) (at delivery.Checkpoint, known bool) {
	switch {
	case s.Moved:
		return s.Watermark, true
	case start.After != nil:
		return *start.After, true
	case s.InFlight > 0:
		return delivery.Checkpoint{Sequence: s.Oldest.Sequence - 1}, true
	case start == delivery.Start{} && h.ID != "" && !h.Empty:
		return delivery.Checkpoint{Sequence: h.First - 1}, true
	}
	return at, false
}

// lag tells how many messages lie behind the last settled one, negative if that is not known, and when the oldest of them
// was enqueued, zero if that is not known. What is not received yet is at most as old as the last settled message, and as
// the last look that found nothing waiting.
func lag(s delivery.Snapshot, start delivery.Start, h head) (behind int64, oldest time.Time) {
	at, known := settledUpTo(s, start, h)
	last, seen := s.Last.Sequence, s.Received > 0
	if h.ID != "" && !h.Empty && (!seen || h.Last > last) {
		last, seen = h.Last, true
	}
	switch {
	case known && seen:
		held := at.Sequence
		if h.ID != "" && !h.Empty {
			held = max(held, h.First-1) // what it no longer has, it does not hold
		}
		behind = max(0, last-held)
	case h.ID == "" || !h.Empty:
		behind = -1
	}
	switch {
	case s.InFlight > 0:
		oldest = s.Oldest.Enqueued
	case behind > 0:
		oldest = at.Enqueued
		if h.level.After(oldest) {
			oldest = h.level
		}
	}
	return behind, oldest
}

// watchHeads asks the hub regularly how far its partitions reach, for the lag, and so that silence is told from what was not read.
func (h *hubSide) watchHeads(ctx context.Context, e *events, w *watch) error {
	every := headsEvery
	if w != nil {
		every = w.every
		w.heads(e.asked, e.partitions)
	}
	tick := time.NewTicker(every)
	dogs := map[string]*lease.Watchdog{}
	defer tick.Stop()
	h.noteHeads(e.asked, e.partitions)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		asked := time.Now()
		if parts, err := e.client.Partitions(ctx); err == nil {
			h.noteHeads(asked, parts)
			if w != nil {
				w.heads(asked, parts)
			}
			h.reopenStalled(dogs, parts)
		} // else the lag stays as it was; receivers tell what is wrong
	}
}

// stallPatience is how long messages may be seen to wait at the hub for a partition that is silent. It may take two looks
// (headsEvery) to see it, and two more to lose patience: within a minute the partition is opened again.
const stallPatience = 25 * time.Second

// reopenStalled has the partitions opened again that are silent although the hub has messages for them.
func (h *hubSide) reopenStalled(dogs map[string]*lease.Watchdog, parts []hub.Partition) {
	heads := map[string]int64{}
	for _, p := range parts {
		heads[p.ID] = p.Last
		if p.Empty {
			heads[p.ID] = -1
		}
	}
	for _, p := range h.state.partitions() {
		head, told := heads[p.ID]
		v := p.View()
		received, known := v.Received()
		if dogs[p.ID] == nil {
			dogs[p.ID] = &lease.Watchdog{Patience: stallPatience}
		}
		if dogs[p.ID].Look(time.Now(), received, head, told && known && v.Held && v.Waiting) {
			h.state.reopen(p)
		}
	}
}

// noteHeads takes what the hub told when it was asked at a time.
func (h *hubSide) noteHeads(asked time.Time, parts []hub.Partition) {
	settled := map[string]int64{}
	known := h.state.knownHeads()
	for _, p := range h.state.partitions() {
		v := p.View()
		if at, ok := settledUpTo(v.Since, v.Start, known.of[p.ID]); ok && v.Held {
			settled[p.ID] = at.Sequence
		}
	}
	h.state.setHeads(known.next(asked, parts, func(id string) (int64, bool) {
		sequence, ok := settled[id]
		return sequence, ok
	}))
}

func (s *state) reopen(p *ingress.Partition) {
	s.mu.Lock()
	flow := s.flow
	s.mu.Unlock()
	if flow != nil {
		flow.Reopen(p)
	}
}

func (s *state) knownHeads() heads {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heads
}

func (s *state) setHeads(h heads) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heads = h
}
