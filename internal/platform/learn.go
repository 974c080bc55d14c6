package platform

import (
	"context"
	"errors"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/mapping"
)

// Services that tell the remote properties of a Thing. The first is of our own template; the others are
// those of the platform (GetPropertySubscriptions captured, GetPropertyDefinitions read).
const (
	remotePropertiesService = "GetAzureRemoteProperties"
	definitionsService      = "GetPropertyDefinitions"
	subscriptionsService    = "GetPropertySubscriptions"

	gatewayProperty = "gatewayThing" // of the platform's shape RoutedEgress, and a column of the first (read)
)

// A Thing that does not answer is asked for again after these pauses, doubling.
const (
	minProbePause = time.Minute
	maxProbePause = 30 * time.Minute
)

// learn asks the platform which remote properties a Thing has, and keeps the answer. The error is that of ctx.
func (h *hand) learn(ctx context.Context, thing string) (knowledge, error) {
	mark := h.tables.mark()
	before, _ := h.tables.get(thing)
	table, problem, err := h.lookUp(ctx, thing, before.parked)
	if err != nil {
		return knowledge{}, err
	}
	cfg := &h.writer.cfg
	k := knowledge{table: table, asked: time.Now()}
	switch {
	case table != nil && table.Len() == 0: // somebody is making the Thing
		k.until = k.asked.Add(cfg.AskAgain)
		cfg.Meter.LookedUp("empty")
	case table != nil:
		k.until = k.asked.Add(cfg.KeepTable)
		k.parked, k.pause = before.parked, before.pause // until a write gets through, too
		cfg.Meter.LookedUp("table")
		h.writer.tellLearned(thing, table.Gateway())
	case problem.stuck:
		return h.park(thing, problem.outcome), nil
	default:
		k.outcome = problem.outcome
		k.until = k.asked.Add(cfg.AskAgain)
		cfg.Meter.LookedUp(problem.outcome.Reason)
	}
	return h.tables.put(thing, k, mark), nil
}

// park notes that a Thing keeps its requests waiting, so that its messages end with o, unsent, until a probe gets an
// answer.
func (h *hand) park(thing string, o delivery.Outcome) knowledge {
	before, _ := h.tables.get(thing)
	pause := max(minProbePause, min(2*before.pause, maxProbePause))
	now := time.Now()
	h.writer.cfg.Meter.LookedUp(o.Reason)
	h.writer.cfg.Log.Warn("a Thing does not answer; its messages are put aside", "event", "thing-parked", "thing", thing, "reason", o.Reason, "probe", pause)
	h.parked = true
	return h.tables.put(thing, knowledge{outcome: o, asked: now, until: now.Add(pause), parked: true, pause: pause}, h.tables.mark())
}

// unpark notes that a write to a parked Thing was answered.
func (h *hand) unpark(thing string) {
	h.parked = false
	h.tables.unpark(thing)
	h.writer.cfg.Log.Info("a Thing answers again; its messages are written", "event", "thing-answers", "thing", thing)
}

// unusable says why a Thing has no table.
type unusable struct {
	outcome delivery.Outcome
	stuck   bool // the Thing keeps requests waiting
}

// lookUp asks our extension's service, or else the platform's own two. Exactly one result is not nil.
func (h *hand) lookUp(ctx context.Context, thing string, probe bool) (*mapping.Table, *unusable, error) {
	if h.writer.cfg.AzxExtension {
		resp, v, err := h.ask(ctx, alwayson.CallService(thing, remotePropertiesService, nil), probe)
		switch {
		case err != nil:
			return nil, nil, err
		case v == accepted:
			return remoteTable(content(resp)), nil, nil
		case v != rejected || resp.Code == alwayson.Forbidden:
			return nil, notLearned(thing, resp, v), nil
		} // no such service, however the platform says it, or no such Thing
	}
	defs, v, err := h.ask(ctx, alwayson.CallService(thing, definitionsService, nil), probe)
	switch {
	case err != nil:
		return nil, nil, err
	case isNotFound(defs, v):
		return nil, &unusable{outcome: noThing(thing)}, nil
	case v != accepted:
		return nil, notLearned(thing, defs, v), nil
	}
	subs, v, err := h.ask(ctx, subscriptionsOf(thing), probe)
	switch {
	case err != nil:
		return nil, nil, err
	case isNotFound(subs, v):
		return nil, &unusable{outcome: notRemote(thing)}, nil
	case v != accepted:
		return nil, notLearned(thing, subs, v), nil
	}
	gateway, failed, err := h.gatewayOf(ctx, thing, content(defs), probe)
	if err != nil || failed != nil {
		return nil, failed, err
	}
	return mapping.NewTable(subscribedProperties(content(defs), content(subs)), gateway), nil, nil
}

// gatewayOf reads gatewayThing of a Thing that has such a property: the platform's own shape RoutedEgress brings it, with or
// without our packages. A Thing whose property may not be read counts as one that has none.
func (h *hand) gatewayOf(ctx context.Context, thing string, definitions *infotable.Table, probe bool) (string, *unusable, error) {
	if !hasRow(definitions, gatewayProperty) {
		return "", nil, nil
	}
	resp, v, err := h.ask(ctx, alwayson.ReadProperty(thing, gatewayProperty), probe)
	switch {
	case err != nil:
		return "", nil, err
	case v == accepted:
		return firstText(content(resp), gatewayProperty), nil, nil
	case v == rejected:
		return "", nil, nil
	}
	return "", notLearned(thing, resp, v), nil
}

func hasRow(rows *infotable.Table, name string) bool {
	for i := range rows.Len() {
		if text, _ := rows.At(i, "name").Text(); text == name {
			return true
		}
	}
	return false
}

func isNotFound(r alwayson.Response, v verdict) bool {
	return v == rejected && r.Code == alwayson.NotFound
}

// content returns the table that a service answered with. An INFOTABLE is the content itself (captured);
// one inside a column "result" is taken as well.
func content(r alwayson.Response) *infotable.Table {
	if inner, ok := r.Result().Table(); ok {
		return inner
	}
	return r.Content
}

// subscriptionsOf asks for the remote names of a Thing.
func subscriptionsOf(thing string) alwayson.Request {
	return alwayson.CallService(thing, subscriptionsService, infotable.OneRow(
		infotable.Cell{Name: "options", Value: infotable.Text(infotable.TypeJSON, `{"hasDeadband":true}`)}))
}

// remoteTable reads rows of name, edgeName, baseType and gatewayThing.
func remoteTable(rows *infotable.Table) *mapping.Table {
	return mapping.NewTable(remoteProperties(rows), firstText(rows, gatewayProperty))
}

func remoteProperties(rows *infotable.Table) []mapping.Property {
	var properties []mapping.Property
	for i := range rows.Len() {
		if name := edgeName(rows, i); name != "" {
			properties = append(properties, mapping.Property{EdgeName: name, Type: baseType(rows.At(i, "baseType"))})
		}
	}
	return properties
}

// edgeName returns the remote name in a row, which is the own name unless another is set.
func edgeName(rows *infotable.Table, row int) string {
	name, _ := rows.At(row, "edgeName").Text()
	if name == "" {
		name, _ = rows.At(row, "name").Text()
	}
	return name
}

// firstText returns the first text of a column that is not empty.
func firstText(rows *infotable.Table, column string) string {
	for i := range rows.Len() {
		if text, _ := rows.At(i, column).Text(); text != "" {
			return text
		}
	}
	return ""
}

// firstSeconds returns the first time in a column that is more than 0.
func firstSeconds(rows *infotable.Table, column string) time.Duration {
	for i := range rows.Len() {
		if n, ok := rows.At(i, column).Integer(); ok && n > 0 {
			return time.Duration(n) * time.Second
		}
	}
	return 0
}

// subscribedProperties joins the platform's two answers. Only remote names are told, not whose they are: one that
// is also a property's name has that property's base type, any other takes the JSON type of what comes
// (what a real platform answers for a property bound under another name is unknown).
func subscribedProperties(definitions, subscriptions *infotable.Table) []mapping.Property {
	types := make(map[string]infotable.BaseType, definitions.Len())
	for i := range definitions.Len() {
		name, _ := definitions.At(i, "name").Text()
		types[name] = baseType(definitions.At(i, "baseType"))
	}
	var properties []mapping.Property
	for i := range subscriptions.Len() {
		name, _ := subscriptions.At(i, "edgeName").Text()
		if name == "" {
			continue
		}
		base, ok := types[name]
		if !ok {
			base = infotable.TypeVariant
		}
		properties = append(properties, mapping.Property{EdgeName: name, Type: base})
	}
	return properties
}

// baseType reads a base type's name. One that cannot travel leaves the choice to the value.
func baseType(v infotable.Value) infotable.BaseType {
	name, _ := v.Text()
	base, err := infotable.ParseBaseType(name)
	if err != nil || !base.OnWire() {
		return infotable.TypeVariant
	}
	return base
}

func noThing(thing string) delivery.Outcome {
	return delivery.Outcome{Kind: delivery.NoThing, Reason: "no-thing", Err: fault.Reject("write to Thing "+thing,
		"create the Thing, or import the hub's devices", "there is no such Thing, or the connector's user may not see it")}
}

func notRemote(thing string) delivery.Outcome {
	return delivery.Outcome{Kind: delivery.Refused, Reason: "not-remote", Err: fault.Reject("write to Thing "+thing,
		"give the Thing a template that derives from RemoteThing, such as AzureIotThing", "the Thing is not a remote Thing")}
}

// notLearned says that the platform refused to tell about a Thing that may exist.
func notLearned(thing string, r alwayson.Response, v verdict) *unusable {
	u := &unusable{outcome: rejection(thing, r), stuck: v.isStuck()}
	u.outcome.Reason = "lookup-" + u.outcome.Reason
	return u
}

// rejection is the outcome of a request that the platform rejected or left without an answer.
func rejection(thing string, r alwayson.Response) delivery.Outcome {
	cause := r.Err()
	if r.Code == 0 {
		cause = errors.New(r.Reason)
	}
	return delivery.Outcome{Kind: delivery.Refused, Reason: reasonOf(r.Code), Err: &fault.Problem{
		Op: "write to Thing " + thing, Class: fault.Rejected, Cause: cause, Hint: hintOf(r.Code),
	}}
}

func hintOf(code alwayson.Code) string {
	switch code {
	case alwayson.Forbidden:
		return "let the connector's user write properties and call services of the Thing"
	case 0:
		return "look for slow subscriptions of the Thing in the platform's script log"
	}
	return "look at the Thing's remote properties and at the platform's log"
}
