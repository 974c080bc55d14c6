package ingress

import (
	"context"
	"errors"
	"iter"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/message"
)

// Bounds of what a replay has in flight. It has room of its own: while the quarantine is full, what the pumps have may be
// all in use, and it must be possible to empty the quarantine then.
const (
	replayMessages = 64
	replayBytes    = 8 << 20
	replayGrace    = 10 * time.Second // for what is in flight when a replay is broken off
)

// Replay writes messages of the quarantine again, through the lanes of their Things, where the platform has no newer values.
type Replay struct {
	// Way is how a message travels; false if this process does not hold its partition: whoever does may write to the Thing.
	Way     func(m *message.Message) (Way, bool)
	Archive Archive
}

// Way is how messages of a partition travel.
type Way struct {
	Translator *Translator
	Writer     Writer
	Forget     func(thing string) // drops what is known of a Thing: it may have been mended since
	Held       func() bool        // this process still holds the partition
}

// Archive is the quarantine as a replay needs it.
type Archive interface {
	// Settle notes what has become of messages and returns once that is durable: those that were refused stay.
	Settle(ctx context.Context, ended []Replayed) error
}

// Archived is a message of the quarantine.
type Archived struct {
	*message.Message
	ID uint64
}

// Replayed is a message that was tried again.
type Replayed struct {
	Archived
	delivery.Outcome
	Stage string // "decode" or "write": where it ended if it was refused
}

// ReplayTally is what a replay has come to.
type ReplayTally struct {
	Delivered  int            `json:"delivered"`
	Superseded int            `json:"superseded"`          // the platform has newer values: not written, and kept
	Refused    map[string]int `json:"refused,omitempty"`   // by reason: they stay
	Elsewhere  int            `json:"elsewhere,omitempty"` // another connector reads their partition: they stay
	Unfinished int            `json:"unfinished,omitempty"`
}

func (t *ReplayTally) count(o delivery.Outcome) {
	switch o.Kind {
	case delivery.Accepted:
		t.Delivered++
	case delivery.Superseded:
		t.Superseded++
	case delivery.Unwanted:
		t.Elsewhere++
	default:
		if t.Refused == nil {
			t.Refused = map[string]int{}
		}
		t.Refused[o.Reason]++
	}
}

// replaying is a replay under way.
type replaying struct {
	Replay
	tally    ReplayTally
	asked    map[string]bool // Things that were forgotten
	ended    chan Replayed   // never full: so many are in flight at most
	inFlight int
	bytes    int
}

// Run writes messages again, in their order, and returns what has become of them. When ctx ends it begins no more. An error
// says that the messages or the archive cannot be read or written.
func (r Replay) Run(ctx context.Context, messages iter.Seq2[Archived, error]) (ReplayTally, error) {
	w := &replaying{Replay: r, ended: make(chan Replayed, replayMessages), asked: map[string]bool{}}
	var failed error
	for m, err := range messages {
		if err == nil {
			err = w.begin(ctx, m)
		}
		if err != nil {
			failed = err
			break
		}
	}
	return w.tally, errors.Join(failed, w.finish(ctx))
}

// begin waits for room and hands a message to its lane.
func (w *replaying) begin(ctx context.Context, m Archived) error {
	size := m.Size()
	for w.inFlight == replayMessages || w.inFlight > 0 && w.bytes+size > replayBytes {
		if err := w.take(ctx); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	way, held := w.Way(m.Message)
	if !held {
		w.tally.Elsewhere++
		return nil
	}
	w.inFlight++
	w.bytes += size
	telemetry, err := way.Translator.Translate(m.Message)
	if rule, skipped := SkippedBy(err); skipped {
		w.ended <- Replayed{m, delivery.Outcome{Kind: delivery.Nothing, Reason: rule, Err: err}, "decode"}
	} else if err != nil {
		w.ended <- Replayed{m, delivery.Outcome{Kind: delivery.Refused, Reason: delivery.Undecodable, Err: err}, "decode"}
	} else {
		if thing := m.Hub + "/" + telemetry.Thing; !w.asked[thing] {
			w.asked[thing] = true
			way.Forget(telemetry.Thing)
		}
		way.Writer.Write(&delivery.Queued{Telemetry: telemetry, OnlyNewer: true, Wanted: way.Held, Settle: func(o delivery.Outcome) {
			w.ended <- Replayed{m, withCause(o), o.Stage()}
		}})
	}
	return nil
}

// withCause gives an outcome that is no error in a live message the words that a record needs.
func withCause(o delivery.Outcome) delivery.Outcome {
	if o.Kind == delivery.Nothing && o.Err == nil {
		o.Err = fault.Reject("write again", "give the Thing a remote property of that name, or drop the record", "no key of the message belongs to a remote property")
	}
	return o
}

// take waits for a message that has ended, and settles it with all others that have.
func (w *replaying) take(ctx context.Context) error {
	select {
	case one := <-w.ended:
		return w.settle(ctx, one)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *replaying) settle(ctx context.Context, one Replayed) error {
	all := []Replayed{one}
	for more := true; more; {
		select {
		case next := <-w.ended:
			all = append(all, next)
		default:
			more = false
		}
	}
	for _, e := range all {
		w.inFlight--
		w.bytes -= e.Size()
	}
	if err := w.Archive.Settle(ctx, all); err != nil {
		w.tally.Unfinished += len(all)
		return err
	}
	for _, e := range all {
		w.tally.count(e.Outcome)
	}
	return nil
}

// finish waits for what is in flight, also for a moment after ctx has ended: what is not settled then is tried again by the
// next replay, which finds that its values are there.
func (w *replaying) finish(ctx context.Context) error {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(replayGrace, cancel) })()
	var failed error
	for w.inFlight > 0 && lasting.Err() == nil {
		failed = errors.Join(failed, w.take(lasting))
	}
	w.tally.Unfinished += w.inFlight
	return failed
}
