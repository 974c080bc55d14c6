package platform

import (
	"context"
	"maps"
	"slices"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/fault"
)

// deviceThingsService of a hub Thing lists its device Things by name: the parameters are after (STRING, "" for the
// first page) and maxItems (INTEGER), the result has a column name.
const deviceThingsService = "GetDeviceThings"

const (
	devicesPage = 1000
	mostDevices = 50_000 // bound one by one, or remembered
	mostRetried = 500    // refused names that are tried again at once: each may cost a message of its own
)

// Learned tells of a device Thing that ingress has met, with its gatewayThing ("" if that is not known). It returns at
// once.
func (b *Binder) Learned(thing, gateway string) {
	if thing == b.cfg.Hub || gateway != "" && gateway != b.cfg.Hub {
		return
	}
	b.mu.Lock()
	_, known := b.learned[thing]
	fresh := !known && len(b.learned) < mostDevices
	if fresh {
		if gateway != "" {
			gateway = b.cfg.Hub // equal, and no part of an answer that stays in memory with it
		}
		b.learned[thing] = gateway
	}
	b.heard = thing
	wanted := fresh && (!b.state.ByGroup || b.state.Mode == BindAuto && !b.state.Verified)
	b.mu.Unlock()
	if wanted {
		b.signal()
	}
}

// page returns names of device Things that follow after, in their order.
func (b *Binder) page(ctx context.Context, after string, most int) ([]string, verdict) {
	resp, v := call(ctx, b.cfg.Socket, deviceThings(b.cfg.Hub, after, most), b.cfg.Timeout)
	if v != accepted {
		return nil, v
	}
	return thingNames(resp, b.cfg.Hub), v
}

func deviceThings(hub, after string, most int) alwayson.Request {
	return alwayson.CallService(hub, deviceThingsService, infotable.OneRow(
		infotable.Cell{Name: "after", Value: infotable.String(after)},
		infotable.Cell{Name: "maxItems", Value: infotable.Integer(int32(most))},
	))
}

// thingNames are the names in an answer, but for the hub Thing's own.
func thingNames(resp alwayson.Response, hub string) (names []string) {
	rows := content(resp)
	for i := range rows.Len() {
		if name, _ := rows.At(i, "name").Text(); name != "" && name != hub {
			names = append(names, name)
		}
	}
	return names
}

// listDevices makes the hub's device Things those that are bound. Where the platform cannot list them, those that
// ingress has met are.
func (b *Binder) listDevices(ctx context.Context) {
	before := b.learnedThings()
	want := map[string]bool{b.cfg.Hub: true}
	after, v := "", accepted
	for known := 0; len(want) > known && len(want) < mostDevices; {
		known = len(want)
		var names []string
		names, v = b.page(ctx, after, devicesPage)
		for _, name := range names {
			want[name], after = true, name
		}
	}
	if v != accepted {
		return // new ones among those that were met are bound all the same
	}
	b.forgetUnlisted(before, want)
	var gone []string
	for name := range b.names {
		if !want[name] {
			gone = append(gone, name)
			delete(b.names, name)
		}
	}
	b.unbind(ctx, gone...)
	b.bindDevices(ctx, want)
}

// learnedThings returns those that ingress has met, with their gatewayThing.
func (b *Binder) learnedThings() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.learned)
}

// forgetUnlisted forgets learned Things about which the hub Thing knows better, and adds the others to want.
func (b *Binder) forgetUnlisted(before map[string]string, want map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for thing, gateway := range b.learned {
		if _, old := before[thing]; old && gateway != "" {
			delete(b.learned, thing)
		} else {
			want[thing] = true
		}
	}
}

// bindLearned binds what ingress has met since the last list, and tries again what was refused.
func (b *Binder) bindLearned(ctx context.Context) {
	want := maps.Clone(b.names)
	want[b.cfg.Hub] = true
	for thing := range b.learnedThings() {
		want[thing] = true
	}
	b.bindDevices(ctx, want)
}

// bindDevices binds those of want that are not yet, and tries some of those again that were refused.
func (b *Binder) bindDevices(ctx context.Context, want map[string]bool) {
	if b.bound != "" {
		b.unbind(ctx, b.bound)
		b.bound = ""
	}
	retry := b.bindErr != nil && !time.Now().Before(b.nextRetry)
	all := retry && fault.ClassOf(b.bindErr) != fault.Rejected // nobody knows which of the last are bound
	refused := b.refused()
	var add []string
	retried := 0
	for name := range want {
		again := retry && refused[name] != nil && retried < mostRetried
		if again {
			retried++
		}
		if again || all || !b.names[name] {
			add = append(add, name)
		}
		b.names[name] = true
	}
	if len(add) > 0 {
		slices.Sort(add)
		b.bind(ctx, add...)
	}
}

// fall gives up the group for good: devices are bound one by one from here on. Not, though, if the platform has
// another group by now, or none: then it is that which no request came through.
func (b *Binder) fall(ctx context.Context, thing string) {
	before := b.group
	if b.renewGroup(ctx); b.cleared || b.group != before {
		b.signal()
		return
	}
	b.cfg.Log.Warn("the platform does not pass on requests through the routing group; the hub's Things are bound one by one",
		"event", "group-bind-ignored", "hub", b.cfg.Hub, "group", b.group, "thing", thing,
		"hint", "the hub Thing needs the shapes EgressGateway and MultiBindRemoteThing, and device Things RoutedEgress with gatewayThing")
	b.nextList = time.Now()
	b.change(func(s *BindState) { s.ByGroup, s.Ignored, s.Verified = false, true, false })
	if b.cfg.Ignored != nil {
		b.cfg.Ignored()
	}
}
