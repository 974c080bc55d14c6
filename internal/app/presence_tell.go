package app

import (
	"context"
	"sync"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/devices/presence"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
	"azx/internal/supervise"
)

// Events of a device's Thing, with the data shape AzureIotPresence.
const (
	eventPresent = "AzureIotDevicePresent"
	eventAbsent  = "AzureIotDeviceAbsent"
)

const (
	tellers  = 16               // changes that are told at once
	tellTime = 15 * time.Second // for the platform to take one
)

// presenceThings are the Things that say how their devices are: platform.Things is.
type presenceThings interface {
	// Gateway returns the hub Thing that a Thing's device belongs to.
	Gateway(ctx context.Context, thing string) (string, error)
	// Property reports whether the Thing has a remote property of that edge name.
	Property(ctx context.Context, thing, edgeName string) (mapping.Property, bool, error)
	// Silence is how long its device may be silent; 0 if the Thing does not say.
	Silence(ctx context.Context, thing string) (time.Duration, error)
	Push(ctx context.Context, thing string, writes []message.Write) error
	Fire(ctx context.Context, thing, event string, data *infotable.Table) error
}

// tellAll tells changes, each device's in one turn; false if ctx ended before.
func (w *watch) tellAll(ctx context.Context, changes []presence.Change) bool {
	var mu sync.Mutex
	next := func() (c presence.Change, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if len(changes) == 0 {
			return c, false
		}
		c, changes = changes[0], changes[1:]
		return c, true
	}
	group := supervise.New(ctx)
	for range min(tellers, len(changes)) {
		group.Go("tell presence", func(ctx context.Context) error {
			for c, ok := next(); ok; c, ok = next() {
				w.tell(ctx, c)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		w.log.Error("presence was not told", "event", "presence-not-told", "hub", w.hub, "error", err)
	}
	return ctx.Err() == nil
}

// tell has a Thing say what has changed, again and again while the platform is away. While it works for others, it is the Thing
// that does not answer: then nobody waits for it here.
func (w *watch) tell(ctx context.Context, c presence.Change) {
	retry := fault.Backoff{Min: 200 * time.Millisecond, Max: 15 * time.Second}
	for {
		before := w.works()
		switch {
		case w.attempt(ctx, c):
			return
		case w.works() > before:
			w.owe(owed{Change: c})
			return
		}
		if retry.Pause(ctx) != nil {
			return
		}
	}
}

// attempt tells a change, and reports whether that came to an end. A change of a partition that is lost meanwhile is left to its
// new reader; one that its Thing refuses is counted.
func (w *watch) attempt(ctx context.Context, c presence.Change) (ended bool) {
	if now, known := w.table.Status(c.Target); !known || now.State != c.State || !now.Since.Equal(c.Since) {
		w.meter.Presence(w.hub, c.State.String(), "outdated")
		return true
	}
	result, err := w.once(ctx, c)
	switch {
	case err == nil:
		w.meter.Presence(w.hub, c.State.String(), result)
		if c.State == presence.Late && result == "told" {
			w.wonder(c.Target)
		}
	case ctx.Err() != nil:
	case fault.ClassOf(err) == fault.Rejected:
		w.refused(c, err)
	default:
		return false
	}
	return true
}

func (w *watch) refused(c presence.Change, err error) {
	w.log.Debug("a Thing does not take how its device is", "event", "presence-refused", "hub", w.hub, "device", c.Target.Device,
		"module", c.Target.Module, "error", err)
	w.meter.Presence(w.hub, c.State.String(), "refused")
}

// once tries to tell a change.
func (w *watch) once(ctx context.Context, c presence.Change) (result string, err error) {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	thing := message.ThingName(c.Target.Device)
	if gateway, err := w.things.Gateway(ctx, thing); err != nil || gateway != w.hub {
		return "elsewhere", err
	}
	if c.State == presence.Online {
		if err := w.adopt(ctx, thing, c.Target); err != nil {
			return "", err
		}
	}
	prefix := ""
	if c.Target.Module != "" {
		prefix = c.Target.Module + mapping.ModuleSeparator
		if _, has, err := w.things.Property(ctx, thing, prefix+"presence"); err != nil || !has {
			return "unwanted", err
		}
	}
	if err := w.things.Push(ctx, thing, presenceWrites(prefix, c)); err != nil {
		return "", err
	}
	if event := presenceEvent(c); event != "" {
		return "told", w.things.Fire(ctx, thing, event, infotable.OneRow(
			infotable.Cell{Name: "time", Value: infotable.DateTime(c.Since.UnixMilli())},
			infotable.Cell{Name: "reason", Value: infotable.String(c.Evidence.Kind.String())},
		))
	}
	return "told", nil
}

// presenceWrites are the values of a change. They all have the time at which the state began: whoever writes them twice
// writes the same.
func presenceWrites(prefix string, c presence.Change) []message.Write {
	seen := message.Write{Property: prefix + "lastSeen", Value: infotable.DateTime(c.LastSeen.UnixMilli()), Time: c.LastSeen.UnixMilli()}
	if c.From == c.State {
		return []message.Write{seen}
	}
	at := c.Since.UnixMilli()
	writes := []message.Write{
		{Property: prefix + "presence", Value: infotable.String(c.State.String()), Time: at},
		{Property: prefix + "presenceChanged", Value: infotable.DateTime(at), Time: at},
	}
	if prefix == "" {
		writes = append(writes, message.Write{Property: "presenceEvidence", Value: infotable.String(c.Evidence.Kind.String()), Time: at})
		if !c.Evidence.Time.IsZero() {
			writes = append(writes, message.Write{Property: "presenceEvidenceTime", Value: infotable.DateTime(c.Evidence.Time.UnixMilli()), Time: at})
		}
		if !c.LastSeen.IsZero() {
			writes = append(writes, seen)
		}
	}
	return writes
}

// presenceEvent is the event of a device that has come or gone, "" for what is neither.
func presenceEvent(c presence.Change) string {
	switch {
	case c.Target.Module != "" || c.From == c.State:
		return ""
	case c.State == presence.Offline && !c.Again:
		return eventAbsent
	case c.State == presence.Online && c.From != presence.Late:
		return eventPresent
	}
	return ""
}
