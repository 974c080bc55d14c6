package thingworx

import (
	"context"
	"slices"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/security"
)

// eventServices are those of GenericThing for events and subscriptions; parameters are the platform's own (read).
func eventServices() []*service {
	always := func(name, description string, params []Param, result infotable.BaseType, run func(*Platform, *call) (infotable.Value, error)) *service {
		return &service{ServiceInfo: ServiceInfo{name, description, params, result}, always: true, run: run}
	}
	dynamic := []Param{optional("thingName", infotable.TypeThingName), required("eventName", tString), optional("propertyName", tString),
		required("serviceName", tString)}
	switched := []Param{optional("subscriptionName", tString), optional("eventName", tString), optional("propertyName", tString),
		optional("thingName", infotable.TypeThingName)}
	return []*service{
		always("AddEventDefinition", "Add or change an own event", []Param{required("name", tString), optional("description", tString),
			optional("category", tString), optional("dataShape", infotable.TypeDataShapeName), optional("remote", tBoolean),
			optional("remoteEventName", tString)}, tNothing, addEventDefinition),
		always("RemoveEventDefinition", "Remove an own event", []Param{required("name", tString)}, tNothing, removeEventDefinition),
		always("GetEventDefinitions", "Events of the Thing", []Param{optional("category", tString), optional("dataShape", infotable.TypeDataShapeName)},
			tTable, getEventDefinitions),
		always("GetServiceDefinitions", "Services of the Thing", []Param{optional("category", tString), optional("type", tTypeName),
			optional("dataShape", infotable.TypeDataShapeName)}, tTable, getServiceDefinitions),
		always("AddDynamicSubscription", "Call a service of this Thing when an event is fired", dynamic, tNothing, addDynamicSubscription),
		always("RemoveDynamicSubscription", "Call it no more", dynamic, tNothing, removeDynamicSubscription),
		always("EnableSubscription", "Let own subscriptions run", switched, tNothing, switchSubscription(true)),
		always("DisableSubscription", "Let own subscriptions not run", switched, tNothing, switchSubscription(false)),
	}
}

// addEvent adds or changes an own event; the caller holds the Thing's mutex.
func (t *thing) addEvent(m *model, e EventDefinition) error {
	if err := CheckPropertyName(e.Name); err != nil {
		return Refuse(Invalid, "event: %v", err)
	}
	if _, ok := m.dataShape(e.DataShape); e.DataShape != "" && !ok {
		return Refuse(NotFound, "event %s: there is no data shape %q", e.Name, shorten(e.DataShape))
	}
	if other, ok := t.class.events[e.Name]; ok {
		return Refuse(Exists, "event %s exists already: it belongs to %s", e.Name, other.From)
	}
	if _, ok := t.events[e.Name]; !ok && len(t.events) >= maxMembers {
		return Refuse(Forbidden, "a Thing may define %d events", maxMembers)
	}
	if err := t.canBind(e.Remote != nil); err != nil {
		return err
	}
	t.events[e.Name] = e
	return nil
}

func addEventDefinition(p *Platform, c *call) (infotable.Value, error) {
	e := EventDefinition{Event: entity.Event{Name: c.text("name"), Description: c.text("description"), Category: c.text("category"),
		DataShape: c.text("dataShape")}}
	if c.truth("remote") {
		e.Remote = &entity.RemoteEvent{Name: e.Name, SourceName: c.text("remoteEventName")}
	}
	return nothing(), p.define(c.thing, func(m *model) error { return c.thing.addEvent(m, e) })
}

func removeEventDefinition(p *Platform, c *call) (infotable.Value, error) {
	t, name := c.thing, c.text("name")
	return nothing(), p.define(t, func(*model) error {
		if _, ok := t.events[name]; !ok {
			return Refuse(NotFound, "Thing %s defines no event %q itself", t.name, shorten(name))
		}
		delete(t.events, name)
		return nil
	})
}

// EventDefinitions describes the events of a Thing that the caller sees, sorted by name.
func (p *Platform) EventDefinitions(ctx context.Context, thingName string) ([]EventDefinition, error) {
	t, err := p.seen(ctx, thingName)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sortedEvents(), nil
}

// Subscriptions describes the subscriptions of a Thing that the caller sees: those of its template and shapes, then its own.
func (p *Platform) Subscriptions(ctx context.Context, thingName string) ([]entity.Subscription, error) {
	t, err := p.seen(ctx, thingName)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []entity.Subscription
	for _, s := range t.allSubscriptions() {
		out = append(out, s.Subscription)
	}
	return out, nil
}

func getEventDefinitions(_ *Platform, c *call) (infotable.Value, error) {
	c.thing.mu.Lock()
	defer c.thing.mu.Unlock()
	table := infotable.New(infotable.Column("name", tString), infotable.Column("description", tString), infotable.Column("dataShape", tString))
	for _, e := range c.thing.sortedEvents() {
		if (c.text("category") == "" || e.Category == c.text("category")) && (c.text("dataShape") == "" || e.DataShape == c.text("dataShape")) {
			table.Add(infotable.String(e.Name), infotable.String(e.Description), infotable.String(e.DataShape))
		}
	}
	return infotable.FromTable(table), nil
}

func getServiceDefinitions(p *Platform, c *call) (infotable.Value, error) {
	all, err := p.Services(c.ctx, EntityThing, c.thing.name)
	if err != nil {
		return nothing(), err
	}
	all = slices.DeleteFunc(all, func(d ServiceDefinition) bool {
		return c.text("category") != "" && d.Category != c.text("category") || c.text("dataShape") != "" && d.DataShape != c.text("dataShape")
	})
	return infotable.FromTable(serviceTable(all)), nil
}

// serviceTable has the columns of the data shape ServiceDefinition (read).
func serviceTable(all []ServiceDefinition) *infotable.Table {
	table := infotable.New(infotable.Column("name", tString), infotable.Column("description", tString),
		infotable.Column("parameterDefinitions", tTable), infotable.Column("resultType", tTable))
	for i := range all {
		d := &all[i]
		var params []infotable.Field
		for _, param := range d.Params {
			params = append(params, infotable.Field{Name: param.Name, Description: param.Description, Type: param.Type})
		}
		result := infotable.Column("result", d.Result)
		if d.DataShape != "" {
			result.Aspects = []infotable.Aspect{{Name: aspectDataShape, Value: infotable.String(d.DataShape)}}
		}
		table.Add(infotable.String(d.Name), infotable.String(d.Description), infotable.FromTable(fieldTable(params)),
			infotable.FromTable(fieldTable([]infotable.Field{result})))
	}
	return table
}

func dynamicOf(c *call) entity.Subscription {
	return entity.Subscription{Name: "dynamic " + c.text("serviceName"), Enabled: true, Event: c.text("eventName"), SourceType: sourceThing,
		Source: c.text("thingName"), Property: c.text("propertyName")}
}

// addDynamicSubscription takes up a subscription that lasts until the platform ends (inferred).
func addDynamicSubscription(p *Platform, c *call) (infotable.Value, error) {
	t, in := c.thing, dynamicOf(c)
	source, err := p.seen(c.ctx, orText(in.Source, t.name))
	if err != nil {
		return nothing(), err
	}
	if err := p.may(c.ctx, subject{thing: source}, security.EventSubscribe, in.Event); err != nil {
		return nothing(), err
	}
	return nothing(), p.define(t, func(*model) error {
		if t.service(c.text("serviceName")) == nil {
			return Refuse(NotFound, "Thing %s has no service %q", t.name, shorten(c.text("serviceName")))
		}
		if len(t.subscriptions) >= maxMembers {
			return Refuse(Forbidden, "a Thing may have %d subscriptions of its own", maxMembers)
		}
		t.subscriptions = append(slices.Clip(t.subscriptions), &subscription{Subscription: in, service: c.text("serviceName")})
		return nil
	})
}

func removeDynamicSubscription(p *Platform, c *call) (infotable.Value, error) {
	t, in := c.thing, dynamicOf(c)
	return nothing(), p.define(t, func(*model) error {
		i := slices.IndexFunc(t.subscriptions, func(s *subscription) bool { return s.service != "" && s.Subscription == in })
		if i < 0 {
			return Refuse(NotFound, "Thing %s has no such dynamic subscription", t.name)
		}
		t.subscriptions = slices.Delete(slices.Clone(t.subscriptions), i, i+1)
		return nil
	})
}

// switchSubscription enables or disables subscriptions that the Thing defines itself.
func switchSubscription(enabled bool) func(*Platform, *call) (infotable.Value, error) {
	return func(p *Platform, c *call) (infotable.Value, error) {
		t, name, event := c.thing, c.text("subscriptionName"), c.text("eventName")
		return nothing(), p.define(t, func(*model) error {
			found := false
			own := slices.Clone(t.subscriptions)
			for i, s := range own {
				if s.Name == name || name == "" && s.Event == event && s.Property == c.text("propertyName") && s.Source == c.text("thingName") {
					next := *s
					next.Enabled, own[i], found = enabled, &next, true
				}
			}
			if !found {
				return Refuse(NotFound, "Thing %s defines no subscription %q itself", t.name, shorten(orText(name, event)))
			}
			t.subscriptions = own
			return nil
		})
	}
}
