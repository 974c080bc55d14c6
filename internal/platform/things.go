package platform

import (
	"context"
	"errors"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

// ThingsConfig sets up Things. Zero fields mean their defaults.
type ThingsConfig struct {
	// Writer has the lanes that pushes travel through, and remembers acknowledged values; required.
	Writer *Writer
	// AzxExtension says that device Things may have the services of our template.
	AzxExtension bool
	// MaxThings is how many Things' declarations are kept; default 10,000.
	MaxThings int
	// Keep is how long a declaration is used before it is asked for again; default 10 min.
	Keep time.Duration
	// AskAgain is the least time between two questions about a Thing that an unknown name gives cause for; default 5 s.
	AskAgain time.Duration
	// Timeout is how long an answer of the platform may take; default 30 s.
	Timeout time.Duration
}

// Things is what egress knows of Things and does to them. What it asks and does is tried once: who has made the
// request that it is for can make it again.
type Things struct {
	cfg        ThingsConfig
	services   *declared[services]
	properties *declared[properties]
}

// keepAbsent is how long a Thing without the services of our template is taken to stay one.
const keepAbsent = time.Minute

// NewThings checks cfg and returns Things, which need no goroutine of their own.
func NewThings(cfg ThingsConfig) (*Things, error) {
	if cfg.Writer == nil {
		return nil, errors.New("set up Things: no writer")
	}
	byDefault(&cfg.MaxThings, 10_000)
	byDefault(&cfg.Keep, 10*time.Minute)
	byDefault(&cfg.AskAgain, 5*time.Second)
	byDefault(&cfg.Timeout, 30*time.Second)
	return &Things{
		cfg:        cfg,
		services:   newDeclared[services](cfg.MaxThings, cfg.AskAgain),
		properties: newDeclared[properties](cfg.MaxThings, cfg.AskAgain),
	}, nil
}

// Service returns the declaration of a remote service; a VARIANT result if the platform does not tell.
func (t *Things) Service(ctx context.Context, thing, edgeName string) (mapping.Service, error) {
	undeclared := mapping.Service{EdgeName: edgeName, Result: infotable.TypeVariant}
	if !t.cfg.AzxExtension {
		return undeclared, nil
	}
	known, err := t.services.get(ctx, thing, func(s services) bool { return s.has(edgeName) }, t.askServices)
	if err != nil {
		return mapping.Service{}, err
	}
	if s, ok := known.byName[edgeName]; ok {
		return s, nil
	}
	return undeclared, nil
}

// Property returns the declaration of a remote property; false if the Thing has none of that edge name.
func (t *Things) Property(ctx context.Context, thing, edgeName string) (mapping.Property, bool, error) {
	known, err := t.properties.get(ctx, thing, func(p properties) bool { return p.has(edgeName) }, t.askProperties)
	base, ok := known.types[edgeName]
	return mapping.Property{EdgeName: edgeName, Type: base}, ok, err
}

// WriteVia returns how writes to the Thing travel: "c2d", "desired" or "method:<name>", as the platform tells it; "" if
// the Thing leaves it to the configuration.
func (t *Things) WriteVia(ctx context.Context, thing string) (string, error) {
	known, err := t.properties.get(ctx, thing, func(properties) bool { return true }, t.askProperties)
	return known.writeVia, err
}

// Silence returns how long the Thing's device may be silent, as the platform tells it; 0 if the Thing leaves it to the hub's
// settings, or has no remote property.
func (t *Things) Silence(ctx context.Context, thing string) (time.Duration, error) {
	known, err := t.properties.get(ctx, thing, func(properties) bool { return true }, t.askProperties)
	return known.silence, err
}

// Last returns the last value of a remote property that the platform acknowledged, and its time in ms since
// 1970-01-01 UTC; false if none is remembered.
func (t *Things) Last(thing, edgeName string) (v infotable.Value, at int64, ok bool) {
	return t.cfg.Writer.laneOf(thing).last.get(thing, edgeName)
}

// Push is Writer.Push.
func (t *Things) Push(ctx context.Context, thing string, writes []message.Write) error {
	return t.cfg.Writer.Push(ctx, thing, writes)
}

// Fire fires an event of a Thing with one row of data.
func (t *Things) Fire(ctx context.Context, thing, event string, data *infotable.Table) error {
	resp, v := t.call(ctx, alwayson.FireEvent(thing, event, data))
	if v != accepted {
		return failure("fire event "+event+" of Thing "+thing, resp, v)
	}
	return nil
}

// Gateway returns gatewayThing of a Thing, the hub Thing that its device belongs to.
func (t *Things) Gateway(ctx context.Context, thing string) (string, error) {
	resp, v := t.call(ctx, alwayson.ReadProperty(thing, gatewayProperty))
	if v != accepted {
		return "", failure("ask for "+gatewayProperty+" of Thing "+thing, resp, v)
	}
	return firstText(content(resp), gatewayProperty), nil
}

// Forget drops what is known of a Thing, as NotifyPropertyUpdate asks for.
func (t *Things) Forget(thing string) {
	t.services.forget(thing)
	t.properties.forget(thing)
}

// ForgetAll drops what is known of all Things.
func (t *Things) ForgetAll() {
	t.services.forgetAll()
	t.properties.forgetAll()
}

// call sends a request over the socket of the Thing's lane.
func (t *Things) call(ctx context.Context, r alwayson.Request) (alwayson.Response, verdict) {
	start := time.Now()
	resp, v := call(ctx, t.cfg.Writer.laneOf(r.Name).socket, r, t.cfg.Timeout)
	t.cfg.Writer.cfg.Meter.Request(r.Target, resp.Code, time.Since(start))
	return resp, v
}

func (t *Things) askServices(ctx context.Context, thing string) (services, time.Duration, error) {
	resp, v := t.call(ctx, alwayson.CallService(thing, remoteServicesService, nil))
	switch {
	case v == accepted:
		return readServices(content(resp)), t.cfg.Keep, nil
	case isNotFound(resp, v):
		return services{absent: true}, keepAbsent, nil
	}
	return services{}, 0, failure("ask for the remote services of Thing "+thing, resp, v)
}

// ofTemplate are the remote properties of our template: its service leaves them out, since no device may write them.
var ofTemplate = []mapping.Property{
	{EdgeName: "twinDesired", Type: infotable.TypeJSON}, {EdgeName: "twinReported", Type: infotable.TypeJSON}, {EdgeName: "twinTags", Type: infotable.TypeJSON},
}

// askProperties asks our template's service, or else the platform's own two.
func (t *Things) askProperties(ctx context.Context, thing string) (properties, time.Duration, error) {
	op := "ask for the remote properties of Thing " + thing
	if t.cfg.AzxExtension {
		resp, v := t.call(ctx, alwayson.CallService(thing, remotePropertiesService, nil))
		switch {
		case v == accepted:
			rows := content(resp)
			p := newProperties(append(remoteProperties(rows), ofTemplate...))
			p.writeVia, p.silence = firstText(rows, "writeVia"), firstSeconds(rows, "presenceTimeout")
			return p, t.cfg.Keep, nil
		case v != rejected || resp.Code == alwayson.Forbidden:
			return properties{}, 0, failure(op, resp, v)
		} // no such service, however the platform says it, or no such Thing
	}
	defs, v := t.call(ctx, alwayson.CallService(thing, definitionsService, nil))
	if isNotFound(defs, v) {
		return properties{}, 0, missing{fault.Reject(op, "is the name right?", "there is no such Thing, or the connector's user may not see it")}
	}
	if v != accepted {
		return properties{}, 0, failure(op, defs, v)
	}
	subs, v := t.call(ctx, subscriptionsOf(thing))
	if v != accepted {
		return properties{}, 0, failure(op, subs, v)
	}
	return newProperties(subscribedProperties(content(defs), content(subs))), t.cfg.Keep, nil
}
