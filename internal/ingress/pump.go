// Package ingress carries messages from the partitions of a hub to the platform.
//
// Start here: a Pump takes the messages of one partition, addresses each to its Thing, and hands it to the lane of that Thing
// (internal/platform), where its body is read (internal/decode) and becomes values (internal/mapping). Each message has a receipt (internal/delivery) that is settled when the platform has
// acknowledged the writes, when the message is stored in quarantine, or when a rule skips it. A Flow (flow.go) has a pump
// work on each partition as long as this connector may read it (hold.go), and saves, behind settled messages only, how
// far it has come.
package ingress

import (
	"context"
	"errors"
	"fmt"

	"azx/internal/delivery"
	"azx/internal/message"
)

// Source gives the messages of one partition in their order.
type Source interface {
	// Receive waits until there is at least one message. The error ends the source.
	Receive(ctx context.Context) ([]*message.Message, error)
	Close() error
}

// Writer takes messages to their Things.
type Writer interface {
	// Write puts a message into the lane of its Thing and returns at once.
	Write(q *delivery.Queued)
	// Hurry has all lanes send what they gather: there is no room for more.
	Hurry()
}

// Twins hear what the hub tells of changed twins.
type Twins interface {
	// Changed hands over an event and returns at once. A twin can always be read again: the event is not kept.
	Changed(m *message.Message)
}

// Presence hears of every message before anything becomes of it, so that silence is told from what was not read.
type Presence interface {
	// Saw takes a message, whatever it is. It must not block.
	Saw(m *message.Message)
}

// Tap sees messages pass, for people who watch. It must not block.
type Tap interface {
	Received(m *message.Message)
	Addressed(t message.Telemetry)
	// Ended hears of a message that was not delivered, and why.
	Ended(m *message.Message, result delivery.Result, reason string)
}

// Pump moves the messages of one partition.
type Pump struct {
	Tracker    *delivery.Tracker
	Budget     *Budget // bounds what is in flight over all pumps, in bytes
	Translator *Translator
	Writer     Writer
	Aside      *Aside
	Twins      Twins    // nil if nobody asks for twins
	Life       Life     // nil if nobody follows devices that are made and deleted
	Presence   Presence // nil if nobody asks whether devices are alive
	Tap        Tap      // nil if nobody watches
	Meter      Meter
	Trip       *Trip       // nil never pauses
	Fresh      func() bool // whether what is read may still be written; nil: always

	wanted func() bool // one for all messages, because each has it
}

// Run moves messages from source until ctx ends or the source fails. What is in flight then goes on.
func (p *Pump) Run(ctx context.Context, source Source) error {
	p.wanted = p.Tracker.Wanted
	if p.Fresh != nil {
		p.wanted = func() bool { return p.Tracker.Wanted() && p.Fresh() }
	}
	for {
		batch, err := source.Receive(ctx)
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		for len(batch) > 0 {
			group, memory := together(batch)
			if err := p.Trip.Pass(ctx); err != nil { // first: who pauses holds no memory that others need
				return err
			}
			if err := p.Budget.Take(ctx, memory, p.Writer.Hurry); err != nil { // waits: this is the back-pressure
				return err
			}
			if err := p.begin(ctx, group, memory); err != nil {
				return err
			}
			batch = batch[len(group):]
		}
	}
}

// begin brings messages that share their memory on their way.
func (p *Pump) begin(ctx context.Context, group []*message.Message, memory *message.Shared) error {
	memory.Begin(len(group))
	all := carriers(memory, len(group))
	for i, m := range group {
		if i > 0 { // the first one has passed
			if err := p.Trip.Pass(ctx); err != nil {
				for range group[i:] {
					p.release(memory, true)
				}
				return err
			}
		}
		c := &all[i]
		c.pump, c.memory, c.receipt = p, memory, p.Tracker.Begin(position(m))
		c.Queued = delivery.Queued{Telemetry: message.Telemetry{Message: m}, Settle: c.Settle, Wanted: p.wanted}
		p.carry(c)
	}
	return nil
}

// carry brings one message on its way.
func (p *Pump) carry(c *carried) {
	if p.Tap != nil {
		p.Tap.Received(c.Message)
	}
	if p.Presence != nil {
		p.Presence.Saw(c.Message)
	}
	telemetry, err := p.Translator.Translate(c.Message)
	if err != nil {
		p.leaveOut(c, err)
		return
	}
	if p.Tap != nil {
		p.Tap.Addressed(telemetry)
	}
	c.Telemetry = telemetry
	p.Writer.Write(&c.Queued)
}

// leaveOut ends a message that has nothing to write, for a rule or because it cannot be read.
func (p *Pump) leaveOut(c *carried, err error) {
	var rule skip
	switch {
	case !errors.As(err, &rule):
		p.Aside.Quarantine(c, "decode", delivery.Undecodable, err)
	case rule == lifeCycle && p.Life != nil:
		p.live(c)
	default:
		if rule == twinChange && p.Twins != nil {
			p.Twins.Changed(c.Message)
		}
		c.end(delivery.Skipped, string(rule))
	}
}

// carried is a message in flight with its receipt.
type carried struct {
	delivery.Queued
	pump    *Pump
	memory  *message.Shared
	receipt delivery.Receipt
}

// settle hears from the lane what became of the message.
func (c *carried) settle(o delivery.Outcome) {
	switch o.Kind {
	case delivery.Accepted:
		c.end(delivery.Delivered, "")
	case delivery.Nothing:
		c.end(delivery.Skipped, o.Reason)
	case delivery.NoThing:
		c.pump.Aside.NoThing(c, o)
	case delivery.Refused:
		c.pump.Aside.Quarantine(c, o.Stage(), o.Reason, o.Err)
	case delivery.Unwanted:
		c.end(delivery.Withdrawn, "partition-lost")
	}
}

// end settles the message's receipt and gives its memory back. What was delivered is not looked at any more: whoever puts aside,
// or hears of twins and of devices, may keep what they got.
func (c *carried) end(result delivery.Result, reason string) {
	if c.receipt.Settle(result) {
		c.pump.Trip.ended(result, reason, c.Message.DeviceID) // first: room lets the next one in
		c.pump.Meter.Ended(c.Message.Hub, c.Message.Partition, result, reason)
		if c.pump.Tap != nil && result != delivery.Delivered {
			c.pump.Tap.Ended(c.Message, result, reason)
		}
		pump, memory := c.pump, c.memory
		if poisons {
			c.pump, c.receipt = nil, delivery.Receipt{}
		}
		pump.release(memory, result != delivery.Delivered) // last: it may carry another message from here on
	}
}

func position(m *message.Message) delivery.Checkpoint {
	return delivery.Checkpoint{Sequence: m.Sequence, Offset: m.Offset, Enqueued: m.Enqueued}
}
