package iothub

import (
	"sync"
	"sync/atomic"
	"time"
)

// Operation is a kind of work that a hub limits. The core admits messages, methods and twins itself; a front calls
// Hub.Admit before the other kinds.
type Operation uint8

// The kinds of operations (read: the quotas page).
const (
	// OpConnect is a new connection of a device.
	OpConnect Operation = iota
	// OpTelemetry is a message from a device; admitted by Submit.
	OpTelemetry
	// OpCloudToDevice is a message to a device; admitted by SendToDevice.
	OpCloudToDevice
	// OpReceive is a device asking for messages over HTTPS.
	OpReceive
	// OpMethod is a direct method; admitted by Invoke.
	OpMethod
	// OpTwinRead reads a twin; admitted by ReadTwin, not by Twin.
	OpTwinRead
	// OpTwinUpdate changes a twin; admitted by the methods that do.
	OpTwinUpdate
	// OpRegistry reads or changes one identity.
	OpRegistry
	// OpQuery is one page of a query.
	OpQuery
	// OpJob makes, reads or cancels a job.
	OpJob
	// OpJobDevice is what a job does with one device. The hub's own jobs wait for their turn.
	OpJobDevice

	operations // their number
)

// rate is a limit of an operation for one unit of S1. Bytes of methods are metered in pieces of 4 KB.
type rate struct {
	count  float64
	per    time.Duration
	basic  bool // there is this operation in the Basic tier
	daily  bool // counts against the messages of a day
	pieces bool // each started 4 KB counts
}

// meter is the size of a metered piece.
const meter = 4 << 10

// ratesS1 is the table of S1 (read); 160 KB/s of methods are 40 pieces.
var ratesS1 = [operations]rate{
	OpConnect:       {count: 100, per: time.Second, basic: true},
	OpTelemetry:     {count: 100, per: time.Second, basic: true, daily: true},
	OpCloudToDevice: {count: 100, per: time.Minute, daily: true},
	OpReceive:       {count: 1000, per: time.Minute},
	OpMethod:        {count: 40, per: time.Second, daily: true, pieces: true},
	OpTwinRead:      {count: 100, per: time.Second, daily: true},
	OpTwinUpdate:    {count: 50, per: time.Second, daily: true},
	OpRegistry:      {count: 100, per: time.Minute, basic: true},
	OpQuery:         {count: 20, per: time.Minute},
	OpJob:           {count: 100, per: time.Minute},
	OpJobDevice:     {count: 10, per: time.Second, basic: true}, // of a job there was
}

// Limits say which limits of a real hub this one keeps. The zero Limits are none.
type Limits struct {
	// Basic refuses what a hub of the Basic tier does not have: C2D messages, methods, twins (403010).
	Basic bool `json:"basic"`
	// Throttle keeps to the rates of one unit of S1 (429001). There is no queue before the refusal, as a real hub has.
	Throttle bool `json:"throttle"`
	// DailyMessages is the quota of a day, UTC (403002); 0 is none. One unit of S1 has 400000.
	DailyMessages int `json:"dailyMessages"`
}

// limiter is the state of the limits.
type limiter struct {
	on atomic.Bool // there is any limit: else admit costs nothing

	mu      sync.Mutex
	limits  Limits
	buckets [operations]bucket
	day     string
	used    int
}

// bucket holds tokens, up to those of one period.
type bucket struct {
	tokens float64
	at     time.Time
}

// SetLimits changes which limits the hub keeps; rates and the day's messages start anew.
func (h *Hub) SetLimits(l Limits) {
	h.limits.mu.Lock()
	defer h.limits.mu.Unlock()
	h.limits.limits = l
	h.limits.buckets = [operations]bucket{}
	h.limits.used = 0
	h.limits.on.Store(l != Limits{})
}

// Limits are the limits the hub keeps.
func (h *Hub) Limits() Limits {
	h.limits.mu.Lock()
	defer h.limits.mu.Unlock()
	return h.limits.limits
}

// Admit takes one operation of that many bytes out of the hub's limits. Errors: NotInThisTier, QuotaExceeded, Throttled; besides
// what a fault says (see SetFaults).
func (h *Hub) Admit(op Operation, bytes int) error {
	if h.faults.on.Load() {
		if err := h.faults.meet(op); err != nil {
			return err
		}
	}
	if !h.limits.on.Load() {
		return nil
	}
	return h.limits.admit(op, bytes, h.clock())
}

func (l *limiter) admit(op Operation, bytes int, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := ratesS1[op]
	if l.limits.Basic && !r.basic {
		return refusal(NotInThisTier, "a hub of the Basic tier has no messages to devices, methods, twins and queries of them")
	}
	pieces := max(1, (bytes+meter-1)/meter)
	if day := now.UTC().Format(time.DateOnly); day != l.day {
		l.day, l.used = day, 0
	}
	if quota := l.limits.DailyMessages; quota > 0 && r.daily && l.used+pieces > quota {
		return refusal(QuotaExceeded, "total number of messages on this hub exceeded the allocated quota: %d a day", quota)
	}
	cost := 1.0
	if r.pieces {
		cost = float64(pieces)
	}
	if l.limits.Throttle {
		if wait := l.buckets[op].take(r, cost, now); wait > 0 {
			refused := refusal(Throttled, "throttled: one unit of S1 takes %.0f in %s", r.count, r.per)
			refused.RetryAfter = wait
			return refused
		}
	}
	if r.daily {
		l.used += pieces
	}
	return nil
}

// take takes tokens out, or returns after what time there are enough.
func (b *bucket) take(r rate, cost float64, now time.Time) time.Duration {
	if b.at.IsZero() {
		b.tokens = r.count
	} else if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(r.count, b.tokens+r.count*float64(passed)/float64(r.per))
	}
	b.at = now
	if b.tokens < cost {
		return max(1, time.Duration((cost-b.tokens)/r.count*float64(r.per)))
	}
	b.tokens -= cost
	return 0
}
