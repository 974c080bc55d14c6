package egress

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
)

// Config is what a Dispatcher needs. Zero values of numbers and durations stand for the defaults named.
type Config struct {
	Hub      Hub
	Things   Things
	HubThing string // name of the hub Thing, which has services of its own
	// Services are those of the hub Thing besides AzureIotSendMessage, by name. Each gets the parameters, and its errors are
	// fault.Problems.
	Services map[string]func(ctx context.Context, params *infotable.Table) (infotable.Value, error)

	// Of these Change has others later.
	WriteVia    string        // how writes travel unless the Thing says otherwise: "c2d" (default), "desired", "method:<name>"
	WriteWindow time.Duration // how long a write waits for others of its Thing; default 20 ms
	TTL         time.Duration // how long a cloud-to-device message lives; 0 leaves it to the hub
	Feedback    bool          // ask the hub for the outcome of cloud-to-device messages; somebody calls Outcomes then
	Methods     Methods
	TwinMaxAge  time.Duration // how old a twin may be when it is read; default 1 s

	DrainTimeout time.Duration // how long requests in flight may go on at the end; default 5 s
	MaxRequests  int           // requests in flight; default 4096

	Meter Meter        // nil: nobody counts
	Log   *slog.Logger // nil: nothing is logged
}

// Methods are the time-outs of direct methods. Whatever they say, an answer comes before the platform gives up.
type Methods struct {
	Times                     // for all services
	Services map[string]Times // by remote (edge) name, "module::name" for a module's; instead of the former
}

// Times are the two time-outs of a direct method.
type Times struct {
	Connect  time.Duration // how long to wait for the device to connect; default 0: it must be connected
	Response time.Duration // how long to wait for its answer; default 25 s, at least 5 s
}

// Meter counts requests.
type Meter interface {
	// Ended hears of every request: verb, what it was about ("property", "twin", "service", "hub" or "ping"), its
	// outcome ("ok", "stale" for a twin older than wanted, "busy", "stopped", "deadline", or a fault.Class) and how
	// long it took.
	Ended(verb message.Verb, kind, outcome string, took time.Duration)
	// Sent hears how many writes went out together, and how: "c2d", "desired" or "method".
	Sent(via string, writes int)
	// TwinEvent hears what became of a change event: "pushed", "unwanted", "old", "overflow", "undecodable" or "failed".
	TwinEvent(result string)
	// Outcome hears what became of a message to a device.
	Outcome(status string)
}

type noMeter struct{}

func (noMeter) Ended(message.Verb, string, string, time.Duration) {}
func (noMeter) Sent(string, int)                                  {}
func (noMeter) TwinEvent(string)                                  {}
func (noMeter) Outcome(string)                                    {}

const (
	viaC2D     = "c2d"
	viaDesired = "desired"
	viaMethod  = "method:"
)

// CheckWriteVia returns an error unless via is "c2d", "desired" or "method:<name>".
func CheckWriteVia(via string) error {
	if via == viaC2D || via == viaDesired || strings.HasPrefix(via, viaMethod) && len(via) > len(viaMethod) {
		return nil
	}
	return fault.Reject("read writeVia", `"c2d", "desired" and "method:<name>" are known`, "writes cannot travel by %q", via)
}

// Settings are those of Config that may change while requests are carried; zero values stand for the same defaults.
type Settings struct {
	WriteVia    string
	WriteWindow time.Duration
	TTL         time.Duration
	Methods     Methods
	TwinMaxAge  time.Duration
}

func (c Config) settings() Settings {
	return Settings{WriteVia: c.WriteVia, WriteWindow: c.WriteWindow, TTL: c.TTL, Methods: c.Methods, TwinMaxAge: c.TwinMaxAge}
}

// Change makes other settings those of the requests that come from now on, and of writes that still wait. The error is
// CheckWriteVia's: then nothing has changed.
func (d *Dispatcher) Change(s Settings) error {
	s.WriteVia = cmp.Or(s.WriteVia, viaC2D)
	s.WriteWindow = cmp.Or(s.WriteWindow, 20*time.Millisecond)
	s.Methods.Response = cmp.Or(s.Methods.Response, 25*time.Second)
	s.TwinMaxAge = cmp.Or(s.TwinMaxAge, time.Second)
	if err := CheckWriteVia(s.WriteVia); err != nil {
		return err
	}
	d.live.Store(&s)
	return nil
}

// now returns the settings as they are. They are not to be changed.
func (d *Dispatcher) now() *Settings { return d.live.Load() }

func (c Config) withDefaults() Config {
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 5*time.Second)
	c.MaxRequests = cmp.Or(c.MaxRequests, 4096)
	if c.Meter == nil {
		c.Meter = noMeter{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
