package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"azx/internal/config"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/hub"
	"azx/internal/message"
	"azx/internal/supervise"
)

// openLook opens the hub's events to look at them through a consumer group, beside whoever reads.
func (k *carrier) openLook(ctx context.Context, group string) (*events, error) {
	h := *k.hub
	h.ConsumerGroup = group
	return openEvents(ctx, &h, k.keys, k.network, prefetchBytes)
}

// read takes the messages between where each partition starts and where it ends now, or for ever if it starts at the latest
// message. Those of one device, "" for all, go to take, one at a time, until it says no.
func (k *carrier) read(ctx context.Context, e *events, starts map[string]delivery.Start, device string,
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

// oneHub returns the hub with a hub Thing, "" for the only one.
func (c *connector) oneHub(thing string) (*hubSide, error) {
	file, err := findHub(c.Config, "the file", thing)
	if err != nil {
		return nil, err
	}
	return c.hubNamed(file.Thing), nil
}

// findHub returns the hub of a file, which errors name, with a hub Thing, "" for the only one.
func findHub(cfg *config.Config, file, thing string) (*config.Hub, error) {
	var names []string
	for i := range cfg.Hubs {
		h := &cfg.Hubs[i]
		if h.Thing == thing || thing == "" && len(cfg.Hubs) == 1 {
			return h, nil
		}
		names = append(names, h.Thing)
	}
	hint := "--hub with one of: " + strings.Join(names, ", ")
	if thing == "" {
		return nil, fault.Reject("find the hub", hint, "%s has %d", file, len(names))
	}
	return nil, fault.Reject("find the hub", hint, "%s has no hub %q", file, thing)
}

// look finds out what the hub is, for verbs that look at its messages: with the platform, or by the file alone.
func (h *hubSide) look(group *supervise.Group, withPlatform bool) (*carrier, error) {
	k := &carrier{hubSide: h, hub: h.file.Load()}
	h.answers = answerPing
	var err error
	if h.outside, err = openOutsideNow(group.Context(), h.Config, h.Log); err != nil {
		return nil, err
	}
	if withPlatform {
		if err := h.signIn(group.Context(), group); err != nil {
			return nil, err
		}
		if err := k.askHub(group.Context()); err != nil {
			return nil, err
		}
	}
	err = checkHub(k.hub, "set "+k.hub.Path("connectionString"))
	if err == nil {
		k.network, err = openNetwork(k.hub, h.dialer, h.Log)
	}
	return k, err
}

// askHub asks the hub Thing, if there is one.
func (k *carrier) askHub(ctx context.Context) error {
	if !k.azx() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, signInWithin)
	defer cancel()
	if err := k.checkPackages(ctx); err != nil {
		return err
	}
	found, _, err := k.readSettings(ctx, k.hub)
	if err == nil {
		k.hub = found.Hub
		k.keys.now.Store(found.Hub)
	}
	return err
}
