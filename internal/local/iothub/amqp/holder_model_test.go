package amqp

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// held is a message as the model of a link knows it.
type held struct {
	token     string
	abandoned int
	until     time.Time // of the lock
}

// linkModel is a device's queue and the link over which it is read, beside what should be in them.
type linkModel struct {
	now   time.Time
	hub   *iothub.Hub
	box   *iothub.Outbox
	link  *holder
	free  int    // messages nobody has
	peers []held // what the peer has, also when the lock is over
}

func newLinkModel(t *rapid.T) *linkModel {
	m := &linkModel{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	hub, err := iothub.Open(iothub.Config{Host: cloud, Partitions: 1, Clock: func() time.Time { return m.now }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Registry().Add(iothub.Spec{ID: pump}); err != nil {
		t.Fatal(err)
	}
	if m.box, err = hub.Outbox(pump); err != nil {
		t.Fatal(err)
	}
	m.hub = hub
	m.attach()
	return m
}

func (m *linkModel) attach() {
	m.link = &holder{hub: m.hub, held: map[string]struct{}{}, queue: lockedQueue{
		complete: m.box.Complete, abandon: m.box.Abandon, reject: m.box.Reject, release: m.box.Release,
	}}
}

func (m *linkModel) send(t *rapid.T) {
	full := m.box.Count() == iothub.MaxQueued
	err := m.hub.SendToDevice(pump, iothub.CloudMessage{Expires: m.now.Add(48 * time.Hour)})
	if (err == nil) == full {
		t.Fatalf("sending to a queue of %d: %v", m.box.Count(), err)
	}
	if err == nil {
		m.free++
	}
}

func (m *linkModel) deliver(t *rapid.T) {
	if m.free == 0 {
		return
	}
	d, err := m.box.Next(context.Background())
	if err != nil || !m.link.hold(d.LockToken) {
		t.Fatalf("deliver: %v", err)
	}
	m.free--
	m.peers = append(m.peers, held{d.LockToken, d.DeliveryCount, m.now.Add(time.Minute)})
}

func (m *linkModel) settle(t *rapid.T) {
	if len(m.peers) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.peers)-1).Draw(t, "which")
	its := m.peers[i]
	m.peers = append(m.peers[:i:i], m.peers[i+1:]...)
	state := rapid.SampledFrom([]amqp10.State{
		{Outcome: amqp10.OutcomeAccepted}, {Outcome: amqp10.OutcomeRejected}, {Outcome: amqp10.OutcomeReleased}, {},
		{Outcome: amqp10.OutcomeModified}, {Outcome: amqp10.OutcomeModified, DeliveryFailed: true},
		{Outcome: amqp10.OutcomeModified, DeliveryFailed: true, UndeliverableHere: true},
	}).Draw(t, "state")
	inTime := m.now.Before(its.until)
	if answer := m.link.settled(its.token, state); (answer.Outcome == amqp10.OutcomeAccepted) != inTime {
		t.Fatalf("settled in time %v, answered 0x%x", inTime, answer.Outcome)
	}
	gone := state.Outcome == amqp10.OutcomeAccepted || state.Outcome == amqp10.OutcomeRejected || state.UndeliverableHere
	counts := state.Outcome == amqp10.OutcomeReleased || state.DeliveryFailed
	if inTime && !gone && (!counts || its.abandoned+1 < 10) {
		m.free++
	}
}

// detach ends the link: what the peer has is free at once.
func (m *linkModel) detach(*rapid.T) {
	m.link.releaseAll()
	for _, its := range m.peers {
		if m.now.Before(its.until) {
			m.free++
		}
	}
	m.peers = nil
	m.attach()
}

// wait lets locks end.
func (m *linkModel) wait(t *rapid.T) {
	before := m.now
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 70).Draw(t, "seconds")) * time.Second)
	for _, its := range m.peers {
		if before.Before(its.until) && !m.now.Before(its.until) {
			m.free++
		}
	}
}

func (m *linkModel) check(t *rapid.T) {
	locked := 0
	for _, its := range m.peers {
		if m.now.Before(its.until) {
			locked++
		}
	}
	if n := m.box.Count(); n != m.free+locked {
		t.Fatalf("%d messages in the queue, want %d free and %d locked", n, m.free, locked)
	}
	if len(m.link.held) != len(m.peers) {
		t.Fatalf("the link holds %d messages, want %d", len(m.link.held), len(m.peers))
	}
}

func TestALinkAndItsQueueAgreeWhateverThePeerDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newLinkModel(t)
		t.Repeat(map[string]func(*rapid.T){
			"send": m.send, "deliver": m.deliver, "settle": m.settle, "detach": m.detach, "wait": m.wait, "": m.check,
		})
	})
}
