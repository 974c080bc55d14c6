package app

import (
	"context"
	"errors"
	"time"

	"azx/internal/devices/presence"
	"azx/internal/fault"
	"azx/internal/iothub"
	"azx/internal/message"
)

const (
	askers      = 4    // pings at once
	mostToAsk   = 1024 // late devices that wait for one; others are asked when they are late again
	pingAnswer  = 10 * time.Second
	pingShare   = 0.01 // of the hub's daily quota of messages
	edgeAgent   = "$edgeAgent"
	pingMethod  = "ping" // which the agent of every edge device has (read)
	leastSilent = 2 * time.Second
)

// edgeAgents answer direct methods: *iothub.Client reaches them.
type edgeAgents interface {
	Call(ctx context.Context, t iothub.Target, m iothub.Method) (iothub.Answer, error)
}

// adopt takes the time-out that a Thing, or its template, has of its own. It is looked at whenever the device comes, and kept
// with what is known of it. When the device is late follows in the proportion of the hub's settings.
func (w *watch) adopt(ctx context.Context, thing string, target message.Target) error {
	silence, err := w.things.Silence(ctx, thing)
	if err != nil {
		return err
	}
	own := w.timeouts
	if silence > 0 {
		own.Offline = max(silence, w.timeouts.Late, leastSilent)
		own.Late = max(time.Second, time.Duration(float64(own.Offline)*float64(w.timeouts.Late)/float64(w.timeouts.Offline)))
	}
	if _, err := w.table.SetTimeouts(target, own); err != nil {
		w.log.Warn("a Thing's time-out is not kept to", "event", "presence-timeout-refused", "hub", w.hub, "thing", thing, "error", err,
			"hint", fault.HintOf(err))
	}
	return nil
}

// wonder has a device that is late asked whether it is alive, if it may be.
func (w *watch) wonder(target message.Target) {
	if w.pings == nil || target.Module != "" {
		return
	}
	select {
	case w.late <- target:
	default:
	}
}

// ask asks late devices until ctx ends.
func (w *watch) ask(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case target := <-w.late:
			if result := w.ping(ctx, target); ctx.Err() == nil {
				w.meter.Pinged(w.hub, result)
			}
		}
	}
}

// ping asks the agent of an edge device, and says what came of it. Whatever it answers is a sign of life. A device without
// one is not asked again.
func (w *watch) ping(ctx context.Context, target message.Target) (result string) {
	w.mu.Lock()
	plain := w.plain[target.Device]
	w.mu.Unlock()
	switch {
	case plain:
		return "no-edge-device"
	case !w.pings.Take(time.Now()):
		return "budget"
	}
	asked := time.Now()
	_, err := w.agents.Call(ctx, iothub.Target{Device: target.Device, Module: edgeAgent}, iothub.Method{Name: pingMethod, Response: pingAnswer})
	switch {
	case err == nil:
		w.table.Pinged(target, asked, true)
		return "answered"
	case errors.Is(err, iothub.ErrOffline):
		w.table.Pinged(target, asked, false)
		return "offline"
	case errors.Is(err, iothub.ErrNotFound):
		w.mu.Lock()
		w.plain[target.Device] = true
		w.mu.Unlock()
		return "no-edge-device"
	case errors.Is(err, iothub.ErrNoAnswer):
		return "no-answer"
	}
	w.log.Debug("an edge device could not be asked", "event", "presence-ping-failed", "hub", w.hub, "device", target.Device, "error", err)
	return "failed"
}

// newPings is the budget of a hub; nil if nobody is to be asked.
func (k *carrier) newPings() *presence.Budget {
	if !k.hub.Presence.Ping {
		return nil
	}
	return presence.NewBudget(iothub.Quota{Tier: iothub.Tier(k.hub.Tier), Units: k.hub.Units}.Daily(), pingShare)
}
