package platform

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"azx/alwayson"
	"azx/internal/message"
)

// Limits of what people are told: of each kind so many at once, and then so many a second.
const (
	eventBurst  = 64
	eventRate   = 10
	eventQueue  = 4 * eventBurst
	quietTime   = 10 * time.Minute // without events of a kind that the platform does not have
	eventWithin = 30 * time.Second // for the platform's answer
)

// Results of an event, as metrics have them.
const (
	eventSent   = "sent"
	eventFailed = "failed"
	eventHeld   = "held back"
)

// EventMeter counts events. Its methods are called from many goroutines.
type EventMeter interface {
	// Request counts an exchange, as Meter's does.
	Request(name string, code alwayson.Code, took time.Duration)
	// Event counts an event: "sent", "failed" or "held back".
	Event(event, result string)
	// Announced counts devices without a Thing that the platform was told of, or not told of.
	Announced(sent bool)
}

// Announcer tells the people who watch the platform of what goes wrong, as well as it can: it fires events of the Thing
// of Connection Services. Too many of a kind are held back; one that fails is not tried again.
type Announcer struct {
	socket caller
	meter  EventMeter
	log    *slog.Logger
	queue  chan Event

	mu      sync.Mutex
	buckets map[EventKind]*eventBucket
}

// eventBucket holds how many events of a kind may be fired now.
type eventBucket struct {
	tokens float64
	asOf   time.Time
	quiet  time.Time // none before this time
}

// NewAnnouncer returns an Announcer that tells nothing until Run. meter and log may be nil.
func NewAnnouncer(socket caller, meter EventMeter, log *slog.Logger) *Announcer {
	if meter == nil {
		meter = noMeter{}
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Announcer{
		socket: socket, meter: meter, log: log, queue: make(chan Event, eventQueue), buckets: map[EventKind]*eventBucket{},
	}
}

// Offer queues an event, unless there are too many, and returns at once. A nil Announcer tells nobody.
func (a *Announcer) Offer(e Event) {
	if a == nil {
		return
	}
	may, quiet := a.take(e.Kind)
	if quiet {
		return
	}
	if may {
		select {
		case a.queue <- e:
			return
		default:
		}
	}
	a.count(e.Kind, eventHeld)
}

// take reports whether an event of a kind may be fired now, or whether the platform does not want any.
func (a *Announcer) take(kind EventKind) (may, quiet bool) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.buckets[kind]
	if b == nil {
		b = &eventBucket{tokens: eventBurst, asOf: now}
		a.buckets[kind] = b
	}
	if now.Before(b.quiet) {
		return false, true
	}
	b.tokens = min(eventBurst, b.tokens+eventRate*now.Sub(b.asOf).Seconds())
	b.asOf = now
	if b.tokens < 1 {
		return false, false
	}
	b.tokens--
	return true, false
}

func (a *Announcer) count(kind EventKind, result string) {
	a.meter.Event(string(kind), result)
	if kind == ThingNotFoundError {
		a.meter.Announced(result == eventSent)
	}
}

// Run fires what is offered until ctx ends.
func (a *Announcer) Run(ctx context.Context) error {
	for {
		select {
		case event := <-a.queue:
			a.announce(ctx, event)
		case <-ctx.Done():
			return nil
		}
	}
}

// announce fires an event once.
func (a *Announcer) announce(ctx context.Context, e Event) {
	if a.isQuiet(e.Kind) {
		return
	}
	start := time.Now()
	resp, v := call(ctx, a.socket, e.request(), eventWithin)
	a.meter.Request(string(e.Kind), resp.Code, time.Since(start))
	switch {
	case v == accepted:
		a.count(e.Kind, eventSent)
		return
	case isNotFound(resp, v):
		a.hush(e.Kind)
		a.log.Info("the platform does not take events of a kind; the log has what they would tell", "event", "events-not-taken",
			"thing", servicesHub, "kind", e.Kind)
	}
	a.count(e.Kind, eventFailed)
}

func (a *Announcer) isQuiet(kind EventKind) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.buckets[kind]
	return b != nil && time.Now().Before(b.quiet)
}

// hush keeps events of a kind back for a while.
func (a *Announcer) hush(kind EventKind) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buckets[kind].quiet = time.Now().Add(quietTime)
}

// noThing tells of a device whose messages have no Thing.
func (a *Announcer) noThing(t message.Telemetry) {
	if a != nil {
		a.Offer(notFoundEvent(t))
	}
}
