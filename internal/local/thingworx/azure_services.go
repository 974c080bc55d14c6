package thingworx

import (
	"fmt"
	"slices"
	"strings"

	"azx/alwayson/infotable"
)

// Pages of GetDeviceThings.
const (
	deviceThingsDefault = 1000
	deviceThingsMost    = 10_000
)

// getAzureRemoteProperties has a row for each remote property but the template's own: those no device writes. A
// disabled Thing has none, for the reason that getPropertySubscriptions gives.
func getAzureRemoteProperties(p *Platform, c *call) (infotable.Value, error) {
	view, err := p.Thing(c.ctx, c.thing.name)
	if err != nil {
		return nothing(), err
	}
	table := infotable.New(infotable.Column("name", tString), infotable.Column("edgeName", tString),
		infotable.Column("baseType", tString), infotable.Column("pushType", tString),
		infotable.Column(propGateway, infotable.TypeThingName), infotable.Column(PropertyWriteVia, tString))
	gateway, _ := view.Property(propGateway)
	via, _ := view.Property(PropertyWriteVia)
	for _, d := range view.Properties {
		if d.Remote != nil && d.From != TemplateAzureThing && view.Enabled {
			table.Add(infotable.String(d.Name), infotable.String(d.Remote.EdgeName), infotable.String(d.Type.String()),
				infotable.String(d.Remote.PushType), gateway.Value, via.Value)
		}
	}
	return infotable.FromTable(table), nil
}

// getAzureRemoteServices has a row for each remote service but the template's own: those the connector answers itself.
// resultFields is JSON, [{"name": ..., "baseType": ...}], null where the columns are not said; timeout is in ms, 0 for
// the platform's own.
func getAzureRemoteServices(p *Platform, c *call) (infotable.Value, error) {
	c.thing.mu.Lock()
	definitions, enabled := c.thing.definitions(), c.thing.enabled
	c.thing.mu.Unlock()
	table := infotable.New(infotable.Column("name", tString), infotable.Column("edgeName", tString),
		infotable.Column("resultType", tString), infotable.Column("resultFields", tJSON), infotable.Column("timeout", tInteger))
	for i := range definitions {
		d := &definitions[i]
		if d.Remote == nil || !enabled {
			continue
		}
		fields, err := columnsJSON(d.Fields)
		if err != nil {
			return nothing(), fmt.Errorf("service %s: %w", d.Name, err)
		}
		table.Add(infotable.String(d.Name), infotable.String(d.Remote.EdgeName), infotable.String(d.Result.String()),
			fields, infotable.Integer(int32(d.Remote.Timeout)))
	}
	return infotable.FromTable(table), nil
}

// getDeviceThings has the column name. A connector that binds devices one by one asks for page after page, until one
// is empty.
func getDeviceThings(p *Platform, c *call) (infotable.Value, error) {
	most := int(c.number("maxItems"))
	if most <= 0 {
		most = deviceThingsDefault
	}
	table := infotable.New(infotable.Column("name", tString))
	for _, name := range p.behind(c.thing.name, c.text("after"), min(most, deviceThingsMost)) {
		table.Add(infotable.String(name))
	}
	return infotable.FromTable(table), nil
}

// behind returns the names of enabled Things that have this gateway, sorted: those behind after, and at most most.
func (p *Platform) behind(gateway, after string, most int) []string {
	var names []string
	for _, t := range p.snapshot() {
		if t.name <= after || t.gateway() != gateway {
			continue
		}
		t.mu.Lock()
		if t.usable() == nil {
			names = append(names, t.name)
		}
		t.mu.Unlock()
	}
	slices.SortFunc(names, strings.Compare)
	return names[:min(len(names), most)]
}

// sendThroughHub calls the service of the same name on the hub Thing of the device.
func sendThroughHub(p *Platform, c *call) (infotable.Value, error) {
	device, err := p.find(c.text("thingName"))
	if err != nil {
		return nothing(), err
	}
	hub := device.gateway()
	if hub == "" {
		return nothing(), Refuse(Invalid, "Thing %s has no hub: its property %s is empty, or it lacks the shape %s", device.name,
			propGateway, ShapeRoutedEgress)
	}
	content, err := p.Call(c.ctx, EntityThing, hub, c.service.Name, infotable.OneRow(c.given()...))
	if err != nil {
		return nothing(), err
	}
	return content.First("result"), nil
}
