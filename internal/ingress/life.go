package ingress

import (
	"context"

	"azx/internal/delivery"
	"azx/internal/message"
)

// Life follows what the hub tells of devices that were made or deleted.
type Life interface {
	// Carry does what an event calls for. It returns when that is done or cannot be, or when ctx ends.
	Carry(ctx context.Context, m *message.Message)
}

// live has an event carried out where it stands among the messages of its device: in the lane of the Thing, which is made
// before what the device sends first, and disabled after what it sent last.
func (p *Pump) live(c *carried) {
	c.Thing = message.ThingName(c.Message.DeviceID)
	c.Act = func(ctx context.Context) delivery.Outcome {
		p.Life.Carry(ctx, c.Message)
		return delivery.Outcome{Kind: delivery.Nothing, Reason: string(lifeCycle)}
	}
	p.Writer.Write(&c.Queued)
}
