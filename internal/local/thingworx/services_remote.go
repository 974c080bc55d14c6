package thingworx

import (
	"strings"

	"azx/alwayson/infotable"
)

// remoteServices are those of RemoteThing that are served here (read; the push was captured).
func remoteServices() []*service {
	return []*service{
		{ServiceInfo: ServiceInfo{"UpdateSubscribedPropertyValues", "Take values pushed by the edge: all or none",
			[]Param{required("values", tTable)}, tNothing}, run: updateSubscribed},
		{ServiceInfo: ServiceInfo{"GetPropertySubscriptions", "What the edge should push",
			[]Param{optional("options", tJSON)}, tTable}, always: true, run: getPropertySubscriptions},
		{ServiceInfo: ServiceInfo{"GetEventSubscriptions", "Which events the edge should fire", nil, tTable},
			run: getEventSubscriptions},
	}
}

func updateSubscribed(p *Platform, c *call) (infotable.Value, error) {
	writes, err := VTQWrites(c.table("values"))
	if err != nil {
		return nothing(), err
	}
	return nothing(), p.Push(c.thing.name, writes)
}

// getPropertySubscriptions answers with the columns of EdgeThingPropertyNotification (captured). An edge that does
// not say that it knows DEADBAND gets VALUE instead, as older ones expect (inferred). A disabled Thing wants nothing
// pushed: so whoever makes a Thing step by step, and enables it last, has no value meet it half made.
func getPropertySubscriptions(p *Platform, c *call) (infotable.Value, error) {
	view, err := p.Thing(c.thing.name)
	if err != nil {
		return nothing(), err
	}
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

// getEventSubscriptions is empty: nothing subscribes to events here.
func getEventSubscriptions(*Platform, *call) (infotable.Value, error) {
	return infotable.FromTable(infotable.New(infotable.Column("edgeName", tString))), nil
}
