package platform

import (
	"context"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/delivery"
	"azx/internal/fault"
)

// propertyTimeService tells the time of the value that a property has now, by the property's own name (read).
const propertyTimeService = "GetPropertyTime"

// leaveOld takes out of the lane's items, if that is a message that must not replace newer values, the values that the
// platform has as new ones of, and settles a message of which nothing is left. The lane writes nothing to the Thing between
// the question and the answer. The error is that of ctx.
func (h *hand) leaveOld(ctx context.Context, thing string) error {
	if len(h.items) != 1 || !h.items[0].queued.OnlyNewer {
		return nil
	}
	it := &h.items[0]
	times, refused, err := h.presentTimes(ctx, thing, it)
	switch {
	case err != nil:
		return err
	case refused != nil:
		if refused.stuck {
			h.park(thing, refused.outcome)
		}
		h.settle(it.queued, refused.outcome)
		h.dropItems()
		return nil
	}
	h.values.Keep(it.from, func(i int) bool {
		_, _, at := h.values.At(i)
		return at > times[i-it.from]
	})
	it.to = h.values.Len()
	switch {
	case it.to > it.from:
		return nil
	case it.unfit != nil: // a value that the platform does not have at all
		h.settle(it.queued, misfit(it))
	default:
		h.settle(it.queued, delivery.Outcome{Kind: delivery.Superseded, Reason: "superseded"})
	}
	h.dropItems()
	return nil
}

func (h *hand) dropItems() {
	clear(h.items)
	h.items = h.items[:0]
}

// neverWritten is older than any message.
const neverWritten = -1 << 63

// presentTimes is the one place that knows how a platform tells how old a property's value is: the time of the property of each
// of the item's values, in ms since 1970-01-01 UTC.
func (h *hand) presentTimes(ctx context.Context, thing string, it *item) ([]int64, *unusable, error) {
	names, refused, err := h.ownNames(ctx, thing)
	if err != nil || refused != nil {
		return nil, refused, err
	}
	times := make([]int64, it.to-it.from)
	for i := range times {
		property, _, _ := h.values.At(it.from + i)
		name, ok := names[property]
		if !ok {
			name = property
		}
		resp, v, err := h.ask(ctx, alwayson.CallService(thing, propertyTimeService, infotable.Single("propertyName", infotable.String(name))), h.parked)
		if err != nil {
			return nil, nil, err
		}
		if v != accepted {
			return nil, timeNotTold(thing, name, resp, v), nil
		}
		var told bool
		if times[i], told = resp.Result().Millis(); !told {
			times[i] = neverWritten
		}
	}
	return times, nil, nil
}

// ownNames returns the own names of a Thing's remote properties by their remote names, as far as the platform tells: the
// service of our template does. Without it a property has its remote name.
func (h *hand) ownNames(ctx context.Context, thing string) (map[string]string, *unusable, error) {
	if !h.writer.cfg.AzxExtension {
		return nil, nil, nil
	}
	resp, v, err := h.ask(ctx, alwayson.CallService(thing, remotePropertiesService, nil), h.parked)
	switch {
	case err != nil:
		return nil, nil, err
	case v == rejected:
		return nil, nil, nil
	case v != accepted:
		return nil, notLearned(thing, resp, v), nil
	}
	rows := content(resp)
	names := make(map[string]string, rows.Len())
	for i := range rows.Len() {
		if name, _ := rows.At(i, "name").Text(); name != "" {
			names[edgeName(rows, i)] = name
		}
	}
	return names, nil, nil
}

// timeNotTold refuses a message that might replace a newer value.
func timeNotTold(thing, property string, r alwayson.Response, v verdict) *unusable {
	u := notLearned(thing, r, v)
	if !u.stuck {
		u.outcome.Reason = "time-unknown"
		u.outcome.Err = &fault.Problem{Op: "read the time of " + thing + "." + property, Class: fault.Rejected, Cause: r.Err(),
			Hint: "let the connector's user invoke " + propertyTimeService + " of the Thing"}
	}
	return u
}
