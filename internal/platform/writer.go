package platform

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync/atomic"
	"time"

	"azx/alwayson"
	"azx/internal/delivery"
	"azx/internal/mapping"
	"azx/internal/message"
	"azx/internal/supervise"
)

// Backlog keeps messages for Things that do not exist yet.
type Backlog interface {
	// Release returns the messages kept for a Thing that has just become known, oldest first. They are
	// written before anything newer. Those that are not settled when the Writer ends are lost to it: they
	// must come again from where they were kept.
	Release(thing string) []*delivery.Queued
}

// Meter counts. Its methods are called from many goroutines.
type Meter interface {
	// Request counts an exchange: service or event name, the answer's code (0: none), and how long it took.
	Request(name string, code alwayson.Code, took time.Duration)
	// Written counts acknowledged values.
	Written(values int)
	// Retried counts requests that are going to be sent again, by verdict.
	Retried(reason string)
	// LookedUp counts what was learned of a Thing: "table", "no-thing" or a reason of refusal.
	LookedUp(result string)
	// UnknownKeys counts values left out because no remote property has their name.
	UnknownKeys(keys int)
}

// Tracer hears of requests that carry messages.
type Tracer interface {
	// Wrote tells of a request that has come to its end, with its repetitions: the Thing, the messages and how many values
	// they made, when it was sent first, and its verdict. It must not block, nor keep the slice.
	Wrote(thing string, messages []*message.Message, values int, began time.Time, verdict string)
}

// Socket is one connection to the platform; *alwayson.Client is one.
type Socket interface {
	// Wait returns when the socket is connected, or with an error when ctx or the socket has ended.
	Wait(ctx context.Context) error
	// Call sends a request and waits for its answer, until ctx or the connection ends. A refusal is no error.
	Call(ctx context.Context, r alwayson.Request) (alwayson.Response, error)
	// Send is Call for those who do not wait: done gets what Call returns, once, and must not block. It has no time-out. After
	// an error nothing was sent, and done is not called.
	Send(r alwayson.Request, done func(alwayson.Response, error)) error
	// Drop ends the connection, so that nothing more of it is carried out, and makes a new one. It does not wait.
	Drop(reason error)
	// Move is Drop with a new connection to another instance of the platform; false, and nothing done, if none is known.
	Move(reason error) bool
}

// WriterConfig sets up a Writer. Zero fields mean their defaults.
type WriterConfig struct {
	// Sockets carry the lanes; required. A Thing stays on one lane and a lane on one socket.
	Sockets []Socket
	// Lanes is how many queues of messages there are; default 32. Each has one request in flight, or up to mostFlights small
	// ones of as many Things.
	Lanes int
	// Gather is how long a Thing that was written rests at most before it is written again while many messages come, so that
	// several travel in one request; 0: it does not.
	Gather     time.Duration
	gatherFrom int // how many messages a second, over all lanes, are many: 5,000
	// MaxValues and MaxBytes bound what joins in one request; defaults 1,000 and 200 KiB. A message is never
	// split: one that exceeds them travels alone.
	MaxValues, MaxBytes int
	// ReplyTimeout is how long an answer may take before the socket is closed and the request sent again;
	// default 30 s, the platform's own (read).
	ReplyTimeout time.Duration

	// AzxExtension says that device Things may have the service GetAzureRemoteProperties of our template.
	AzxExtension bool
	// MaxThings is how many Things' tables are kept; default 100,000.
	MaxThings int
	// KeepTable is how long a table is used before it is asked for again; default 10 min.
	KeepTable time.Duration
	// AskAgain is the least time between two questions about the same Thing that an unknown key or a
	// missing Thing gives cause for; default 5 s, so that a change is seen within 10 s even of a device that sends seldom.
	AskAgain time.Duration

	// AllowThings are patterns (path.Match) of Things that devices may write to although the platform does
	// not tell which hub they belong to.
	AllowThings []string
	// DenyThings are patterns of Things that no device may write to; default: SystemThings.
	DenyThings []string

	// LastBytes bounds the memory of the last acknowledged value of each property, in bytes as reckoned; default 0:
	// none is remembered.
	LastBytes int
	// Learned is called when the platform has told the remote properties of a Thing, with its gatewayThing, "" where
	// that is not told and AllowThings lets devices write to it: Binder.Learned. It must not block. May be nil.
	Learned func(thing, gateway string)

	// Written is called with a message and its values, of which there are n from the one at from on, once the platform has
	// acknowledged them. It must not block, nor keep the values. May be nil.
	Written func(t message.Telemetry, values *mapping.Values, from, n int)

	// Missing is called for a Thing that is not there and has messages that wait, and Moved for one that belongs to another
	// hub than these; nil: nobody is. The messages wait meanwhile, those of other Things do not. nil says that this is mended:
	// the platform is asked again. An error is the reason that they end with, and nobody is called again for a while. An error
	// of ctx is none.
	Missing func(ctx context.Context, m *message.Message) error
	Moved   func(ctx context.Context, m *message.Message, gateway string) error

	Events  *Announcer   // hears of devices without a Thing; nil tells nobody
	Backlog Backlog      // may be nil
	Meter   Meter        // may be nil
	Tracer  Tracer       // may be nil
	Log     *slog.Logger // may be nil
}

// SystemThings returns the Things of the platform and of our extensions that are nobody's device.
func SystemThings() []string {
	return []string{"ConnectionServicesHub", "ProtocolAdapterServices", "ProtocolAdapterLeaderElectionTimer", "AzureServices", "System",
		"SystemRepository", "*Subsystem"}
}

func (c WriterConfig) withDefaults() WriterConfig {
	byDefault(&c.Lanes, 32)
	byDefault(&c.gatherFrom, gatherFrom)
	byDefault(&c.MaxValues, 1000)
	byDefault(&c.MaxBytes, 200<<10)
	byDefault(&c.ReplyTimeout, 30*time.Second)
	byDefault(&c.MaxThings, 100_000)
	byDefault(&c.KeepTable, 10*time.Minute)
	byDefault(&c.AskAgain, 5*time.Second)
	if c.DenyThings == nil {
		c.DenyThings = SystemThings()
	}
	if c.Meter == nil {
		c.Meter = noMeter{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func byDefault[T int | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Writer writes messages to Things. Messages of one Thing are written in the order in which they came.
type Writer struct {
	cfg       WriterConfig
	seed      maphash.Seed
	allowed   patterns
	denied    patterns
	lanes     []*lane
	successes atomic.Int64     // requests of lanes that the platform accepted
	overtaken atomic.Int64     // hands that wait for a slow Thing
	made      time.Time        // where rest and hurried count from
	gathers   atomic.Bool      // Things rest after a request
	hurried   atomic.Int64     // when Hurry was called last, in ns
	refused   atomic.Int64     // lanes that wait because of the credential
	ended     chan struct{}    // closed when Run has ended
	group     *supervise.Group // of the lanes, once Run has begun
	holds     holds
}

// NewWriter checks cfg and returns a Writer that takes messages, but sends none until Run.
func NewWriter(cfg WriterConfig) (*Writer, error) {
	cfg = cfg.withDefaults()
	if len(cfg.Sockets) == 0 {
		return nil, errors.New("set up writer: no sockets")
	}
	w := &Writer{cfg: cfg, seed: maphash.MakeSeed(), made: time.Now(), ended: make(chan struct{})}
	var allow, deny error
	w.allowed, allow = newPatterns(cfg.AllowThings)
	w.denied, deny = newPatterns(cfg.DenyThings)
	if err := errors.Join(allow, deny); err != nil {
		return nil, fmt.Errorf("set up writer: %w", err)
	}
	shared := newInterner()
	wires := make([]*wire, len(cfg.Sockets))
	for i, socket := range cfg.Sockets {
		wires[i] = &wire{Socket: socket}
	}
	for i := range cfg.Lanes {
		tables := newTables(max(1, cfg.MaxThings/cfg.Lanes), shared)
		last := newLastValues(cfg.LastBytes / cfg.Lanes)
		w.lanes = append(w.lanes, newLane(w, wires[i%len(wires)], tables, last))
	}
	return w, nil
}

// Run sends what was written until ctx ends. Messages that are not settled by then stay unsettled.
// It may be called once.
func (w *Writer) Run(ctx context.Context) error {
	defer close(w.ended)
	w.group = supervise.New(ctx)
	for i, l := range w.lanes {
		w.group.Go(fmt.Sprintf("lane %d", i), (&hand{lane: l}).run)
		w.group.Go(fmt.Sprintf("questions of lane %d", i), (&hand{lane: l}).help)
	}
	w.group.Go("relieve lanes", w.relieve)
	return w.group.Wait()
}

// Write queues a message for its Thing and returns at once: whoever calls it bounds the memory. Settle is
// called once, from a goroutine of the Writer, unless that ends before. The body must not change until then.
func (w *Writer) Write(q *delivery.Queued) {
	noteMembers(q)
	w.laneOf(q.Thing).add(q)
}

// Forget drops what is known of a Thing, so that its next message asks the platform. It is what the
// platform's NotifyPropertyUpdate calls for.
func (w *Writer) Forget(thing string) { w.laneOf(thing).tables.forget(thing) }

// ForgetAll drops what is known of all Things.
func (w *Writer) ForgetAll() {
	for _, l := range w.lanes {
		l.tables.forgetAll()
	}
}

// Visit asks the platform about a Thing again, without waiting for its next message, and writes what was
// kept for it if it exists now.
func (w *Writer) Visit(thing string) {
	w.Forget(thing)
	w.laneOf(thing).visit(thing)
}

// Drain returns when every message is settled, or with the error of ctx. Nothing should be written meanwhile.
func (w *Writer) Drain(ctx context.Context) error {
	w.Hurry()
	for _, l := range w.lanes {
		select {
		case <-l.drained():
		case <-ctx.Done():
			return fmt.Errorf("drain lanes: %w", ctx.Err())
		}
	}
	return nil
}

// Accepted returns how many requests of lanes the platform has accepted: while it grows, the platform works.
func (w *Writer) Accepted() int64 { return w.successes.Load() }

// Waiting returns the number of messages that are not settled.
func (w *Writer) Waiting() int {
	n := 0
	for _, l := range w.lanes {
		n += l.waiting()
	}
	return n
}

// Parked returns the number of Things whose messages are put aside because they do not answer.
func (w *Writer) Parked() int {
	n := 0
	for _, l := range w.lanes {
		n += l.tables.parkedThings()
	}
	return n
}

// CredentialRefused reports whether the platform answers writes with "unauthorized".
func (w *Writer) CredentialRefused() bool { return w.refused.Load() > 0 }

func (w *Writer) tellLearned(thing, gateway string) {
	if w.cfg.Learned != nil && (gateway != "" || w.mayWrite(thing, "", "")) {
		w.cfg.Learned(thing, gateway)
	}
}

// mayWrite reports whether messages of a hub may be written to a Thing whose gatewayThing is gateway.
func (w *Writer) mayWrite(thing, gateway, hub string) bool {
	if thing == hub || w.denied.match(thing) {
		return false
	}
	if gateway != "" {
		return gateway == hub
	}
	return w.allowed.match(thing)
}

type noMeter struct{}

func (noMeter) Request(string, alwayson.Code, time.Duration) {}
func (noMeter) Written(int)                                  {}
func (noMeter) Retried(string)                               {}
func (noMeter) LookedUp(string)                              {}
func (noMeter) UnknownKeys(int)                              {}
func (noMeter) Announced(bool)                               {}
func (noMeter) Event(string, string)                         {}
