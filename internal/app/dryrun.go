package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/config"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/ingress"
	"azx/internal/message"
	"azx/internal/platform"
	"azx/internal/supervise"
)

// DryRunOptions say which messages a dry run reads.
type DryRunOptions struct {
	Config   *config.Config
	Hub      string        // a hub Thing of the file; "" for the only one
	Start    *config.Start // instead of checkpoint and file
	Group    string        // consumer group to look through; "" for the file's
	Device   string        // "" for all
	Messages int           // at most
}

// DryRunSummary counts what a dry run saw.
type DryRunSummary struct {
	Messages, Delivered, Skipped, Quarantined int
	Waiting                                   bool // there are more messages than were asked for
}

// DryRun reads the messages that a connector would read next, up to those that are there when it begins, and tells what it
// would write. It asks the platform which properties Things have, by the connector's own code, and neither writes to it nor
// moves a checkpoint. What the platform would say to a write cannot be known.
func DryRun(ctx context.Context, o DryRunOptions, tell func(Seen) error) (sum DryRunSummary, err error) {
	options := Options{Config: o.Config, Log: slog.New(slog.DiscardHandler)}
	if o.Start != nil {
		options.Starts = Starts{"": *o.Start}
	}
	h, err := newConnector(options).oneHub(o.Hub)
	if err != nil {
		return sum, err
	}
	d := &dryRun{}
	group := supervise.New(ctx)
	defer func() {
		group.Stop()
		err = errors.Join(err, group.Wait())
	}()
	if err := d.open(group, h); err != nil {
		return sum, err
	}
	e, err := d.openLook(group.Context(), cmp.Or(o.Group, d.hub.ConsumerGroup))
	if err != nil {
		return sum, err
	}
	defer e.close()
	starts, err := d.nextOf(group.Context(), e)
	if err != nil {
		return sum, err
	}
	err = d.read(group.Context(), e, starts, o.Device, func(m *message.Message) (bool, error) {
		if sum.Messages == o.Messages {
			sum.Waiting = true
			return false, nil
		}
		s, err := d.carry(group.Context(), m)
		if err != nil {
			return false, err
		}
		sum.count(s.Result)
		return true, tell(s)
	})
	return sum, err
}

func (s *DryRunSummary) count(result string) {
	s.Messages++
	switch result {
	case delivery.Delivered.String():
		s.Delivered++
	case delivery.Skipped.String():
		s.Skipped++
	default:
		s.Quarantined++
	}
}

// dryRun is a connector whose writes go nowhere.
type dryRun struct {
	*carrier
	translator *ingress.Translator
	caught     caught
}

// open signs in at the platform, and finds out what the hub is.
func (d *dryRun) open(group *supervise.Group, h *hubSide) (err error) {
	if d.carrier, err = h.look(group, true); err != nil {
		return err
	}
	d.translator = &ingress.Translator{Names: &ingress.Names{}, Stamp: ingress.Stamp{Field: d.hub.TimeField}, Meter: d.meter}
	cfg := d.writerConfig([]platform.Socket{&dry{Socket: d.link.Sockets()[0], caught: &d.caught}})
	cfg.Lanes = 1
	if d.writer, err = platform.NewWriter(cfg); err != nil {
		return err
	}
	group.Go("writer", d.writer.Run)
	return nil
}

// carry does with a message what a connector does, as far as that is known without writing.
func (d *dryRun) carry(ctx context.Context, m *message.Message) (Seen, error) {
	telemetry, err := d.translator.Translate(m)
	if err != nil {
		return undecoded(m, err), nil
	}
	s := seen(m)
	settled := make(chan delivery.Outcome, 1)
	d.writer.Write(&delivery.Queued{Telemetry: telemetry, Settle: func(o delivery.Outcome) { settled <- o }})
	select {
	case o := <-settled:
		s.Thing, s.Writes = telemetry.Thing, d.caught.take()
		d.outcome(&s, o)
		return s, nil
	case <-ctx.Done():
		return s, ctx.Err()
	}
}

func (d *dryRun) outcome(s *Seen, o delivery.Outcome) {
	s.Result, s.Reason = delivery.Quarantined.String(), o.Reason
	switch {
	case o.Kind == delivery.Accepted:
		s.Result, s.Reason = delivery.Delivered.String(), ""
	case o.Kind == delivery.Nothing, o.Kind == delivery.NoThing && d.hub.OnUnknownThing == config.UnknownSkip:
		s.Result = delivery.Skipped.String()
	}
	if o.Err != nil {
		s.Error, s.Hint = o.Err.Error(), fault.HintOf(o.Err)
	}
}

// dry is a connection over which everything is asked, and nothing written.
type dry struct {
	platform.Socket
	caught *caught
}

// Call is platform.Socket's.
func (s *dry) Call(ctx context.Context, r alwayson.Request) (alwayson.Response, error) {
	if r.Target != alwayson.PushService {
		return s.Socket.Call(ctx, r)
	}
	if err := s.caught.put(&r); err != nil {
		return alwayson.Response{}, err
	}
	return alwayson.Done(), nil
}

// caught are the values of requests that were not sent.
type caught struct {
	mu     sync.Mutex
	writes []SeenWrite
}

// put reads them from the bytes that would have gone out.
func (c *caught) put(r *alwayson.Request) error {
	sent, err := alwayson.DecodeRequest(r.Code, alwayson.AppendRequest(nil, r), infotable.Limits{})
	if err != nil {
		return err
	}
	values, err := alwayson.PushedValues(sent.Params)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range values {
		c.writes = append(c.writes, seenWrite(v.Name, v.Value, v.TimeMs))
	}
	return nil
}

func (c *caught) take() []SeenWrite {
	c.mu.Lock()
	defer c.mu.Unlock()
	writes := c.writes
	c.writes = nil
	return writes
}
