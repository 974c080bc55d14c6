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
// long as ctx lets it. ErrUncertain: the connection ended before the hub's answer; the message may be in the queue.
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
		receipt, err := l.sender.SendWithReceipt(ctx, m.wire(), nil)
		switch {
		case err == nil:
			return c.outcome(ctx, op, l, receipt)
		case ctx.Err() != nil:
			return c.unreached(op, "endpoints.amqps", ctx.Err())
		case !isGone(err):
			return c.amqpProblem(op, err)
		}
		// The link was gone before the message was written; the same message goes over the next one.
		c.line.lost(l, err)
	}
}

func (c *Client) outcome(ctx context.Context, op string, l *link, receipt amqp.SendReceipt) error {
	state, err := receipt.Wait(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.line.lost(l, err)
		}
		if conditionOf(err) != nil {
			return c.amqpProblem(op, err)
		}
		return c.unreached(op, "endpoints.amqps", fmt.Errorf("%w: %w", ErrUncertain, err))
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
