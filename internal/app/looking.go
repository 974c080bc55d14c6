package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azx/internal/checkpoint"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/hub"
	"azx/internal/message"
	"azx/internal/supervise"
)

// openLook opens the hub's events to look at them through a consumer group, beside whoever reads.
func (c *connector) openLook(ctx context.Context, group string) (*events, error) {
	h := *c.hub
	h.ConsumerGroup = group
	return openEvents(ctx, &h, c.keys, c.network)
}

// nextOf is where a connector would go on, by partition. The checkpoints are read and stay as they are.
func (c *connector) nextOf(e *events) (map[string]delivery.Start, error) {
	_, stored, err := checkpoint.Read(c.Config.Checkpoint.File)
	if err != nil {
		return nil, err
	}
	id := identity(e.service, e.endpoint, c.hub.ConsumerGroup).String()
	starts := map[string]delivery.Start{}
	for _, p := range e.partitions {
		start := c.hub.Start
		if c.Start != nil {
			start = *c.Start
		}
		starts[p.ID] = delivery.Start{Latest: start.Latest, From: start.At}
		for _, s := range stored {
			if at, has := s.At[p.ID]; has && s.Identity == id && c.Start == nil {
				starts[p.ID] = delivery.Start{After: &at}
			}
		}
	}
	return starts, nil
}

// read takes the messages between where each partition starts and where it ends now, or for ever if it starts at the latest
// message. Those of one device, "" for all, go to take, one at a time, until it says no.
func (c *connector) read(ctx context.Context, e *events, starts map[string]delivery.Start, device string,
	take func(*message.Message) (more bool, err error)) error {
	reading := supervise.New(ctx)
	read := make(chan *message.Message)
	for _, p := range e.partitions {
		reading.Go("read partition "+p.ID, func(ctx context.Context) error { return readTo(ctx, e.client, p, starts[p.ID], read) })
	}
	ended := make(chan error, 1)
	waiting := supervise.New(context.WithoutCancel(ctx))
	waiting.Go("wait", func(context.Context) error {
		ended <- reading.Wait()
		return nil
	})
	for {
		select {
		case m := <-read:
			if device != "" && m.DeviceID != device {
				continue
			}
			if more, err := take(m); err != nil || !more {
				reading.Stop()
				return errors.Join(err, waiting.Wait())
			}
		case err := <-ended:
			return errors.Join(lookProblem(err), ctx.Err(), waiting.Wait())
		}
	}
}

// lookProblem says what to do where somebody else reads the group.
func lookProblem(err error) error {
	if !errors.Is(err, hub.ErrStolen) {
		return err
	}
	return &fault.Problem{Op: "look at the messages", Class: fault.Transient, Cause: err,
		Hint: "a connector, or another application, reads this consumer group; look through another one: --consumer-group '" + defaultGroup + "'"}
}

// readTo reads a partition up to the message that was its last.
func readTo(ctx context.Context, client *hub.Client, p hub.Partition, from delivery.Start, to chan<- *message.Message) error {
	follow := from.Latest
	switch {
	case follow:
	case p.Empty, from.After != nil && from.After.Sequence >= p.Last, from.From.After(p.LastTime):
		return nil
	}
	reader, err := client.Peek(p.ID, position(from))
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = reader.Close(ctx) // nothing could be lost
	}()
	for {
		messages, err := reader.Receive(ctx)
		if err != nil {
			return fmt.Errorf("partition %s: %w", p.ID, err)
		}
		for _, m := range messages {
			if !follow && m.Sequence > p.Last {
				return nil
			}
			select {
			case to <- m:
			case <-ctx.Done():
				return ctx.Err()
			}
			if !follow && m.Sequence == p.Last {
				return nil
			}
		}
	}
}
