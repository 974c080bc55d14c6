package platform

import (
	"context"
	"maps"
	"slices"
	"time"

	"azx/alwayson"
	"azx/internal/fault"
)

// Whether a platform heeds a group bind, nobody but the platform can tell, and no public source shows how. The
// connector finds out by having the platform call the remote service Ping: it calls that service of the Thing over its
// own connection, as any client may, and the platform passes the call on to whoever carries the Thing's requests. An
// answer that is a success means that somebody did, this connector or another of the same group. How a real platform
// treats a call that comes back to its own caller is unknown; this file is the only place that relies on it.

const (
	pingTimeout = 5 * time.Second // for a Ping to arrive
	pingTry     = time.Second     // for one call of it; the platform may hold on to a call for longer
	pingPause   = 250 * time.Millisecond
	pingSample  = 5 // device Things that are tried: any may be disabled, or about to go
)

// Pinged tells that a Ping for a Thing arrived here. It returns at once.
func (b *Binder) Pinged(thing string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, waited := b.arrived[thing]; waited {
		b.arrived[thing] = true
	}
}

// verify finds out whether requests come through the group, as far as that is not known, or again. Without a device
// Thing the hub Thing alone decides for now.
func (b *Binder) verify(ctx context.Context, again bool) {
	if b.cleared || b.bindErr != nil && (b.group == b.cfg.Hub || fault.ClassOf(b.bindErr) != fault.Rejected) {
		return // nothing can be known, or the hub Thing itself cannot be bound: one by one would not help
	}
	if !b.hubReached {
		reached, sure := b.reached(ctx, b.cfg.Hub)
		if sure && !reached {
			b.fall(ctx, b.cfg.Hub)
		}
		if b.hubReached = reached; !reached {
			return
		}
	}
	verified := b.State().Verified
	if verified && !again {
		return
	}
	things := b.sample(ctx)
	if len(things) == 0 {
		return
	}
	reached, sure := b.reached(ctx, things...)
	switch {
	case reached:
		b.change(func(s *BindState) { s.Verified = true })
	case !sure:
	case verified && !b.stillReached(ctx): // it did come through before: the platform is in trouble, not the group
	default:
		b.fall(ctx, things[0])
	}
}

func (b *Binder) stillReached(ctx context.Context) bool {
	reached, _ := b.reached(ctx, b.cfg.Hub)
	return reached
}

// sample returns a few device Things to try; those are best that the hub Thing names.
func (b *Binder) sample(ctx context.Context) []string {
	things, _ := b.page(ctx, "", pingSample)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.heard != "" && !slices.Contains(things, b.heard) {
		things = append(things, b.heard)
	}
	return things
}

// reached reports whether a Ping for one of these Things arrives in time. It is not sure while there is no connection.
func (b *Binder) reached(ctx context.Context, things ...string) (reached, sure bool) {
	b.await(things)
	defer b.await(nil)
	limited, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	pause := fault.Backoff{Min: pingPause, Max: pingPause}
	sure = true
	for {
		for _, thing := range things {
			resp, v := call(limited, b.cfg.Socket, alwayson.CallService(thing, pingService, nil), pingTry)
			if v == accepted || b.hasArrived() {
				return true, true
			}
			sure = sure && (resp.Code != 0 || v == noReply)
		}
		if pause.Pause(limited) != nil {
			return b.hasArrived(), sure && ctx.Err() == nil
		}
	}
}

func (b *Binder) await(things []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arrived = make(map[string]bool, len(things))
	for _, thing := range things {
		b.arrived[thing] = false
	}
}

func (b *Binder) hasArrived() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(slices.Collect(maps.Values(b.arrived)), true)
}
