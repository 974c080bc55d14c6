// Package presence knows of each device and module whether it is alive, and since when, from signs that have a time: it
// does not ask anybody, and it has no clock.
//
// Start here: a Partition is told of every message that is read (Saw) and of how far the hub's log reaches (Head). That
// gives it a horizon: the time up to which everything the hub took is known. Silence is measured up to the horizon and
// never up to now, so a connector that was away cannot take its own absence for that of the devices. Table.Advance
// compares (judge.go), and returns what has changed. What is known of a partition travels with it (Snapshot, Take).
package presence

import (
	"time"

	"azx/internal/fault"
	"azx/internal/message"
)

// State is what is believed of a device.
type State uint8

const (
	// Unknown: the evidence does not suffice, for instance because messages are waiting that nobody has read.
	Unknown State = iota
	// Online: there was a sign of life within the first time-out.
	Online
	// Late: the first time-out has passed, or the hub says that the device has gone.
	Late
	// Offline: the second time-out has passed without a sign of life.
	Offline
)

// String is the state's name as users see it.
func (s State) String() string { return [...]string{"unknown", "online", "late", "offline"}[s] }

// Kind is a kind of evidence. A smaller one is more trusted: of two signs of the same moment it is the one that counts.
type Kind uint8

const (
	// None: there is no evidence.
	None Kind = iota
	// Message: the device, or a module of it, sent something.
	Message
	// Connection: the hub said that it connected or disconnected.
	Connection
	// Client: the $edgeHub module of its edge device said so.
	Client
	// Ping: it answered a direct method, or the hub said that there is nobody to answer.
	Ping
)

// String is the kind's name as users see it.
func (k Kind) String() string {
	return [...]string{"none", "message", "connection event", "edge hub", "ping"}[k]
}

// Evidence is the sign that decides.
type Evidence struct {
	Kind  Kind
	Alive bool      // a sign of life; else one of absence
	Time  time.Time // enqueued time, UTC; zero if there is no evidence
}

// Status is what is known of a device or module.
type Status struct {
	State State
	// Since is when the state began. It follows from the evidence and the time-outs alone, so whoever works it out twice,
	// on whichever connector, gets the same.
	Since    time.Time
	Evidence Evidence
	LastSeen time.Time // of the last sign of life; zero if there was none
}

// Change is a status that has become another one. If From is the state of Status, only LastSeen has moved.
type Change struct {
	Target message.Target
	From   State
	Status
	// Again: it was offline before, became unknown, and no sign of life came in between. The state is to be written, but
	// this is not another absence.
	Again bool
}

// Timeouts say how long a device may be silent.
type Timeouts struct {
	Late    time.Duration // from then on it is late; at least a second
	Offline time.Duration // from then on it is offline; more than Late, at most a year
	// LastSeen asks for a Change whenever the last sign of life has moved by a quarter of Offline.
	LastSeen bool
}

const (
	op          = "presence"
	shortest    = time.Second
	longest     = 366 * 24 * time.Hour
	mostClasses = 1024 // different Timeouts of one table
)

func (t Timeouts) check() error {
	if t.Late < shortest || t.Offline <= t.Late || t.Offline > longest {
		return fault.Reject(op, "late comes first, at least after a second, then offline, at most after a year",
			"a device cannot be late after %s and offline after %s", t.Late, t.Offline)
	}
	return nil
}

// moment is a time as it is kept: ms since 1970 UTC. 0 is no time.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// milliseconds is the reverse of moment, within what a snapshot takes.
func milliseconds(t time.Time) int64 { return min(max(t.UnixMilli(), 0), latest) }
