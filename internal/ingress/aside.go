package ingress

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"azx/internal/delivery"
	"azx/internal/message"
)

// Dead is a message that cannot be delivered as things stand, and why.
type Dead struct {
	*message.Message
	Thing  string
	Stage  string // "decode" or "write"
	Reason string // short, fit for a metric label
	Err    error
}

// Quarantine stores messages with their original bytes.
type Quarantine interface {
	// Put returns once all of them are durable, in their order. With an error it returns how many of the first ones are.
	Put(ctx context.Context, dead []Dead) (stored int, err error)
}

// Shelf keeps the last messages of each device that has no Thing.
type Shelf interface {
	// Keep returns once the messages are durable, with the number of older ones they pushed out.
	Keep(ctx context.Context, dead []Dead) (evicted int, err error)
	// Kept returns the messages kept for a Thing, oldest first.
	Kept(thing string) ([]Kept, error)
	// Forget drops a Thing's kept messages up to one of them.
	Forget(ctx context.Context, thing string, upTo uint64) error
}

// Kept is a message on the shelf.
type Kept struct {
	*message.Message
	ID uint64 // ascending
}

// UnknownThing is what happens to messages of a device without a Thing.
type UnknownThing string

// What may happen to them.
const (
	KeepUnknown       UnknownThing = "keep"       // the last ones are kept and written when the Thing appears
	SkipUnknown       UnknownThing = "skip"       // they are counted
	QuarantineUnknown UnknownThing = "quarantine" // all of them go to quarantine
)

// Aside puts messages aside that cannot be delivered. Lanes hand them over and go on: one goroutine stores
// what has gathered, many at a time, and settles the receipts once it is durable. While storing fails
// nothing is settled, so the budget fills and the reading stops; nothing is dropped.
type Aside struct {
	Quarantined Quarantine
	Shelf       Shelf
	Unknown     UnknownThing
	Translator  *Translator // for kept messages that are tried again
	Meter       Meter
	Log         *slog.Logger
	// Told hears of each message that was put into quarantine, Failed once of storing that fails, until it works again. They
	// must not block, and may be nil.
	Told   func(d Dead)
	Failed func(err error)

	mu      sync.Mutex
	waiting []task
	keeping map[string]int // tasks in waiting or being stored that keep a message, by Thing
	changed *sync.Cond     // waiting, keeping or stopped changed
	stopped bool
	failing error

	notices notices
}

// forgetGrace is how long dropping kept messages may go on after a stop.
const forgetGrace = 2 * time.Second

// task is something to be stored.
type task struct {
	dead Dead
	kept uint64 // of the message to forget
	do   action
	then func() // when it is durable
}

type action uint8

const (
	quarantine action = iota
	keep
	forget
)

// NewAside returns an Aside that stores nothing until Run.
func NewAside(q Quarantine, s Shelf, unknown UnknownThing, translator *Translator, meter Meter, log *slog.Logger) *Aside {
	a := &Aside{
		Quarantined: q, Shelf: s, Unknown: unknown, Translator: translator, Meter: meter, Log: log,
		keeping: map[string]int{},
	}
	a.changed = sync.NewCond(&a.mu)
	return a
}

// NoThing does with a message of a device without a Thing what the settings say.
func (a *Aside) NoThing(c *carried, o delivery.Outcome) {
	switch a.Unknown {
	case SkipUnknown:
		c.end(delivery.Skipped, o.Reason)
	case QuarantineUnknown:
		a.Quarantine(c, "write", o.Reason, o.Err)
	default:
		a.add(task{
			dead: Dead{Message: c.Message, Thing: message.ThingName(c.Message.DeviceID), Stage: "write", Reason: o.Reason, Err: o.Err},
			do:   keep,
			then: func() { c.end(delivery.Quarantined, o.Reason) },
		})
	}
}

// Release returns the messages kept for a Thing that now exists, oldest first. Each is forgotten when it
// has been written, and goes to quarantine when the platform refuses it.
func (a *Aside) Release(thing string) []*delivery.Queued {
	a.mu.Lock()
	for a.keeping[thing] > 0 && !a.stopped {
		a.changed.Wait()
	}
	a.mu.Unlock()
	kept, err := a.Shelf.Kept(thing)
	if err != nil {
		a.Log.Error("kept messages cannot be read", "event", "kept-unreadable", "thing", thing, "error", err)
		return nil
	}
	var queue []*delivery.Queued
	for _, k := range kept {
		t, err := a.Translator.Translate(k.Message)
		if err != nil {
			continue // it was readable when it was kept; it stays where it is
		}
		queue = append(queue, &delivery.Queued{Telemetry: t, Settle: func(o delivery.Outcome) { a.replayed(thing, k, o) }})
	}
	return queue
}

func (a *Aside) replayed(thing string, k Kept, o delivery.Outcome) {
	dead := Dead{Message: k.Message, Thing: thing, Stage: "replay", Reason: o.Reason, Err: o.Err}
	drop := func() { a.add(task{dead: dead, kept: k.ID, do: forget}) }
	switch o.Kind {
	case delivery.NoThing: // gone again: it stays kept
	case delivery.Refused:
		a.add(task{dead: dead, do: quarantine, then: drop})
	default:
		drop()
	}
}

// Failing returns why nothing can be stored at present, or nil.
func (a *Aside) Failing() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failing
}

func (a *Aside) add(t task) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, t)
	if t.do == keep {
		a.keeping[t.dead.Thing]++
	}
	a.changed.Broadcast()
}

// Run stores what is put aside until ctx ends.
func (a *Aside) Run(ctx context.Context) error {
	defer a.stop()
	defer context.AfterFunc(ctx, a.stop)()
	for {
		batch := a.take()
		if batch == nil {
			return nil
		}
		if err := a.storeAll(ctx, batch); err != nil {
			return nil // ctx ended: what was not stored comes again
		}
	}
}

// take waits for tasks and returns all there are; nil once stopped with none left.
func (a *Aside) take() []task {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.waiting) == 0 && !a.stopped {
		a.changed.Wait()
	}
	batch := a.waiting
	a.waiting = nil
	return batch
}

func (a *Aside) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = true
	a.changed.Broadcast()
}

// storeAll stores a batch, again and again until it works or ctx ends, and tells each task. What is to be
// forgotten comes last, so that nothing is dropped before all that was handed over with it is durable.
func (a *Aside) storeAll(ctx context.Context, batch []task) error {
	dead := only(batch, quarantine)
	quarantineRest := func(ctx context.Context, _ []task) error {
		if len(dead) == 0 {
			return nil
		}
		stored, err := a.Quarantined.Put(ctx, dead)
		dead = dead[stored:] // a quarantine that is full has room now and then: nothing goes in twice
		return err
	}
	for _, store := range []func(context.Context, []task) error{quarantineRest, a.keepAll, a.forgetAll} {
		if err := a.untilStored(ctx, func() error { return store(ctx, batch) }); err != nil {
			return err
		}
	}
	a.mu.Lock()
	for _, t := range batch {
		if t.do == keep {
			if a.keeping[t.dead.Thing]--; a.keeping[t.dead.Thing] == 0 {
				delete(a.keeping, t.dead.Thing)
			}
		}
	}
	a.changed.Broadcast()
	a.mu.Unlock()
	for _, t := range batch {
		a.tell(t)
		if t.then != nil {
			t.then()
		}
	}
	return nil
}

func only(batch []task, do action) []Dead {
	var dead []Dead
	for _, t := range batch {
		if t.do == do {
			dead = append(dead, t.dead)
		}
	}
	return dead
}

func (a *Aside) keepAll(ctx context.Context, batch []task) error {
	dead := only(batch, keep)
	if len(dead) == 0 {
		return nil
	}
	evicted, err := a.Shelf.Keep(ctx, dead)
	if evicted > 0 {
		a.Meter.Evicted(dead[0].Hub, evicted)
	}
	return err
}

// forgetAll drops what was written from the shelf, up to the last of each Thing. A stop does not break it off at once:
// what is not forgotten is written again at the next start.
func (a *Aside) forgetAll(ctx context.Context, batch []task) error {
	last := map[string]uint64{}
	for _, t := range batch {
		if t.do == forget {
			last[t.dead.Thing] = max(last[t.dead.Thing], t.kept)
		}
	}
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(forgetGrace, cancel) })()
	for thing, upTo := range last {
		if err := a.Shelf.Forget(lasting, thing, upTo); err != nil {
			return err
		}
	}
	return nil
}
