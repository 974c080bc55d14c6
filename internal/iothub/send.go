package iothub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/go-amqp"

	"azx/internal/fault"
)

// Send sends a cloud-to-device message and returns once the hub has put it into the device's queue, or has refused it:
// ErrNotFound, ErrQueueFull, ErrThrottled, ErrDailyQuota, ErrBasicTier. It needs Run, and waits for its connection as
// long as ctx lets it. ErrUncertain: ctx or the connection ended before the hub's answer; the message may be in the
// queue.
func (c *Client) Send(ctx context.Context, m Message) error {
	start := time.Now()
	waited, err := c.deliver(ctx, m)
	usage := Usage{Kind: KindC2D, Result: resultOf(err), Took: time.Since(start), Waited: waited}
	if err == nil {
		usage.Messages = pieces(m.size(), c.chunk)
	}
	c.options.Meter.Used(usage)
	return err
}

func (c *Client) deliver(ctx context.Context, m Message) (waited time.Duration, err error) {
	op := "send to " + short(m.Device)
	if err := m.check(op); err != nil {
		return 0, err
	}
	pause := fault.Backoff{Min: pauseMin, Max: pauseMax}
	for try := 1; ; try++ {
		if err := c.refusals.check(op, KindC2D); err != nil {
			return waited, err
		}
		d, err := c.buckets[KindC2D].wait(ctx, 1)
		waited += d
		if err != nil {
			return waited, &fault.Problem{Op: op, Class: fault.Transient, Cause: err, Hint: hintOfWait(err)}
		}
		err = c.transfer(ctx, op, m)
		c.refusals.learn(KindC2D, err)
		// A throttled message is in no queue.
		if try == tries || !errors.Is(err, ErrThrottled) ||
			!c.pause(ctx, KindC2D, &attempt{problem: c.unreached(op, "", err)}, pause.Next()) {
			return waited, err
		}
	}
}

// transfer sends a message over the connection there is, or over the next one.
func (c *Client) transfer(ctx context.Context, op string, m Message) error {
	for {
		l, err := c.line.get(ctx)
		if err != nil {
			return c.unreached(op, "endpoints.amqps", err)
		}
		if err := ended(ctx, l.sender); err != nil {
			c.line.lost(l, err)
			continue
		}
		receipt, err := l.sender.SendWithReceipt(ctx, m.wire(), nil)
		if err != nil {
			return c.unsettled(ctx, op, l, err)
		}
		return c.outcome(ctx, op, l, receipt)
	}
}

// ended returns the error of a link that is gone, which its library tells only to those who send. What is sent here is
// refused before it is written: a delivery tag has at most 32 octets.
func ended(ctx context.Context, sender *amqp.Sender) error {
	_, err := sender.SendWithReceipt(ctx, &amqp.Message{DeliveryTag: make([]byte, 33)}, nil)
	if isGone(err) {
		return err
	}
	return nil
}

// unsettled is the error of a message that may have been written and was not settled. A link that the hub ends for a
// reason that it has words for was ended by the message; anything else leaves open what became of it.
func (c *Client) unsettled(ctx context.Context, op string, l *link, err error) error {
	stopped, gone := ctx.Err() != nil, isGone(err)
	if stopped {
		err = ctx.Err()
	} else if gone {
		c.line.lost(l, err)
	}
	p := c.amqpProblem(op, err)
	refused := errors.As(err, new(*amqp.LinkError)) && errors.As(p, new(*Refusal))
	if stopped || gone && !refused {
		p.Cause = fmt.Errorf("%w: %w", ErrUncertain, p.Cause)
	}
	return p
}

func (c *Client) outcome(ctx context.Context, op string, l *link, receipt amqp.SendReceipt) error {
	state, err := receipt.Wait(ctx)
	if err != nil {
		return c.unsettled(ctx, op, l, err)
	}
	switch state := state.(type) {
	case *amqp.StateAccepted:
		return nil
	case *amqp.StateRejected:
		if state.Error != nil {
			return c.amqpProblem(op, state.Error)
		}
		return &fault.Problem{Op: op, Class: fault.Rejected, Cause: fmt.Errorf("%w, and does not say why", errInvalid)}
	}
	return &fault.Problem{Op: op, Class: fault.Transient, Cause: fmt.Errorf("%w: it gave the message back", errUnavailable)}
}

// isGone reports whether a link, its session or its connection has ended.
func isGone(err error) bool {
	return errors.As(err, new(*amqp.LinkError)) || errors.As(err, new(*amqp.SessionError)) || errors.As(err, new(*amqp.ConnError))
}
