package thingworx

import (
	"strings"

	"azx/alwayson/infotable"
)

// Services that edges call for every Thing (captured).
const (
	serviceUpdateSubscribed = "UpdateSubscribedPropertyValues"
	serviceSubscriptions    = "GetPropertySubscriptions"
)

// remoteServices are those of RemoteThing that are served here (read; the push was captured).
func remoteServices() []*service {
	return []*service{
		{ServiceInfo: ServiceInfo{serviceUpdateSubscribed, "Take values pushed by the edge: all or none",
			[]Param{required("values", tTable)}, tNothing}, run: updateSubscribed},
		{ServiceInfo: ServiceInfo{serviceSubscriptions, "What the edge should push",
			[]Param{optional("options", tJSON)}, tTable}, always: true, run: getPropertySubscriptions},
		{ServiceInfo: ServiceInfo{"GetEventSubscriptions", "Which events the edge should fire", nil, tTable},
			run: getEventSubscriptions},
		{ServiceInfo: ServiceInfo{"ProcessRemoteEvents", "Take events of the edge", []Param{required("values", tTable)}, tNothing},
			run: processRemoteEvents},
	}
}

func updateSubscribed(p *Platform, c *call) (infotable.Value, error) {
	writes, err := VTQWrites(c.table("values"))
	if err != nil {
		return nothing(), err
	}
	return nothing(), p.push(c.ctx, c.thing, writes)
}

// getPropertySubscriptions answers with the columns of EdgeThingPropertyNotification (captured). An edge that does
// not say that it knows DEADBAND gets VALUE instead, as older ones expect (inferred). A disabled Thing wants nothing
// pushed: so whoever makes a Thing step by step, and enables it last, has no value meet it half made.
func getPropertySubscriptions(p *Platform, c *call) (infotable.Value, error) {
	view := c.thing.viewed()
	deadband := strings.Contains(strings.ReplaceAll(c.text("options"), " ", ""), `"hasDeadband":true`)
	table := infotable.New(infotable.Column("edgeName", tString), infotable.Column("pushType", tString),
		infotable.Column("pushThreshold", tNumber))
	for _, d := range view.Properties {
		if d.Remote == nil || !view.Enabled {
			continue
		}
		push := d.Remote.PushType
		if push == PushDeadband && !deadband {
			push = PushValue
		}
		table.Add(infotable.String(d.Remote.EdgeName), infotable.String(push), infotable.Number(d.Remote.PushThreshold))
	}
	return infotable.FromTable(table), nil
}

// getEventSubscriptions answers with the columns of EdgeThingEventNotification: the remote events.
func getEventSubscriptions(_ *Platform, c *call) (infotable.Value, error) {
	c.thing.mu.Lock()
	defer c.thing.mu.Unlock()
	table := infotable.New(infotable.Column("edgeName", tString))
	for _, e := range c.thing.sortedEvents() {
		if e.Remote != nil {
			table.Add(infotable.String(orText(e.Remote.SourceName, e.Name)))
		}
	}
	return infotable.FromTable(table), nil
}

// processRemoteEvents takes events of an edge: rows with the columns of RemoteEvent, eventName and eventData (inferred).
func processRemoteEvents(p *Platform, c *call) (infotable.Value, error) {
	values := c.table("values")
	for i := range values.Len() {
		edgeName, _ := values.At(i, "eventName").Text()
		data, _ := values.At(i, "eventData").Table()
		c.thing.mu.Lock()
		name := ""
		for _, e := range c.thing.sortedEvents() {
			if e.Remote != nil && orText(e.Remote.SourceName, e.Name) == edgeName {
				name = e.Name
			}
		}
		c.thing.mu.Unlock()
		if name == "" {
			return nothing(), Refuse(Invalid, "row %d: Thing %s has no event that is bound to %q", i+1, c.thing.name, shorten(edgeName))
		}
		if err := p.Fire(inService(c.ctx), c.thing.name, name, data); err != nil {
			return nothing(), err
		}
	}
	return nothing(), nil
}
