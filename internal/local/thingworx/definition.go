package thingworx

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"azx/alwayson/infotable"
	"azx/extension/entity"
)

// definition gives the Thing as packages and exports have it, without values and what was set in configuration tables; the
// caller holds its mutex.
func (t *thing) definition() entity.Thing {
	out := entity.Thing{Common: t.about, Template: t.template, Identifier: t.identifier, Enabled: t.enabled, Published: t.published,
		ValueStream: t.stream, Shapes: slices.Clone(t.shapes), Tables: t.shipped}
	own := t.own()
	slices.SortFunc(own.properties, func(a, b Definition) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(own.services, func(a, b *service) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(own.events, func(a, b EventDefinition) int { return strings.Compare(a.Name, b.Name) })
	for i := range own.properties {
		own.properties[i].into(&out.Members)
	}
	for _, s := range own.services {
		d := s.definition()
		d.into(&out.Members)
	}
	out.RemoteProperties = append(out.RemoteProperties, t.bindings...)
	out.RemoteServices = append(out.RemoteServices, t.calls...)
	for _, e := range own.events {
		out.Events = append(out.Events, e.Event)
		if e.Remote != nil {
			out.RemoteEvents = append(out.RemoteEvents, *e.Remote)
		}
	}
	for _, s := range t.subscriptions {
		if s.service == "" { // dynamic ones last as long as the platform runs
			out.Subscriptions = append(out.Subscriptions, s.Subscription)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.tables)) {
		out.Definitions = append(out.Definitions, t.tables[name].definition())
	}
	return out
}

// into adds the property to members.
func (d *Definition) into(m *entity.Members) {
	aspects := maps.Clone(d.Aspects)
	if aspects == nil {
		aspects = map[string]string{}
	}
	set := func(name, text string) {
		if text != "" {
			aspects[name] = text
		}
	}
	truth := map[bool]string{true: "true"}
	set(aspectReadOnly, truth[d.ReadOnly])
	set(aspectPersistent, truth[d.Persistent])
	set(aspectLogged, truth[d.Logged])
	set(aspectDataShape, d.DataShape)
	set(aspectChange, d.Change)
	if d.Threshold != 0 {
		set(aspectThreshold, strconv.FormatFloat(d.Threshold, 'g', -1, 64))
	}
	if !d.Default.IsNothing() {
		if text, err := formatText(d.Default); err == nil {
			aspects[aspectDefault] = text
		}
	}
	if b := d.Remote; b != nil {
		set(aspectCacheTime, strconv.FormatFloat(float64(b.CacheTime), 'f', 1, 64))
		m.RemoteProperties = append(m.RemoteProperties, entity.RemoteProperty{Name: d.Name, SourceName: b.EdgeName, PushType: b.PushType,
			PushThreshold: b.PushThreshold, Timeout: b.Timeout, CacheTime: float64(b.CacheTime)})
	}
	m.Properties = append(m.Properties, entity.Property{Category: d.Category, Field: entity.Field{Name: d.Name, BaseType: d.Type.String(),
		Description: d.Description, Ordinal: d.Ordinal, Aspects: aspects}})
}

// into adds the service to members.
func (d *ServiceDefinition) into(m *entity.Members) {
	s := entity.Service{Name: d.Name, Description: d.Description, Category: d.Category, AllowOverride: d.AllowOverride, Private: d.Private,
		Handler: d.Handler, Code: d.Code, Result: entity.Field{Name: "result", BaseType: d.Result.String()}}
	if d.Async {
		s.Aspects = map[string]string{aspectAsync: "true"}
	}
	if d.DataShape != "" {
		s.Result.Aspects = map[string]string{aspectDataShape: d.DataShape}
	}
	for i, param := range d.Params {
		f := entity.Field{Name: param.Name, BaseType: param.Type.String(), Description: param.Description, Ordinal: i, Aspects: maps.Clone(param.Aspects)}
		if f.Aspects == nil {
			f.Aspects = map[string]string{}
		}
		if param.Required {
			f.Aspects[aspectRequired] = "true"
		}
		if param.DataShape != "" {
			f.Aspects[aspectDataShape] = param.DataShape
		}
		if !param.Default.IsNothing() {
			if text, err := formatText(param.Default); err == nil {
				f.Aspects[aspectDefault] = text
			}
		}
		s.Parameters = append(s.Parameters, f)
	}
	m.Services = append(m.Services, s)
	if d.Remote != nil {
		m.RemoteServices = append(m.RemoteServices, entity.RemoteService{Name: d.Name, SourceName: d.Remote.EdgeName, Timeout: d.Remote.Timeout})
	}
}

// exported is definition with present values and configuration tables, as an export has them; the caller holds the mutex.
// Passwords stay encrypted with this platform's key.
func (t *thing) exported() (entity.Thing, error) {
	out := t.definition()
	out.Tables = nil
	names := slices.AppendSeq(slices.Collect(maps.Keys(t.class.tables)), maps.Keys(t.tables))
	slices.Sort(names)
	for _, name := range names {
		c, err := t.configTable(name)
		if err != nil {
			return out, err
		}
		table, err := tableEntity(c, t.tableNow(c))
		if err != nil {
			return out, err
		}
		out.Tables = append(out.Tables, table)
	}
	for _, name := range slices.Sorted(maps.Keys(t.props)) {
		prop := t.props[name]
		if prop.now.Value.IsNothing() || prop.now.Quality == qualityNone || prop.def.From == ShapeConnectable || strings.Contains(name, "::") {
			continue // whether somebody is connected is not for another platform, and a name with a colon cannot be an element of XML
		}
		text, err := formatText(prop.now.Value)
		if err != nil {
			return out, err
		}
		at, err := formatText(infotable.DateTime(prop.now.Time))
		if err != nil {
			return out, err
		}
		out.Values = append(out.Values, entity.Value{Property: name, Text: text, Time: at, Quality: prop.now.Quality})
	}
	return out, nil
}

func tableEntity(c *configTable, table *infotable.Table) (entity.Table, error) {
	out := entity.Table{Name: c.name, DataShape: c.dataShape, MultiRow: c.multiRow, Fields: fieldsOf(c.fields)}
	for _, row := range table.Rows {
		cells := entity.Row{}
		for i, f := range c.fields {
			v := row.Cell(i)
			if v.IsNothing() {
				continue
			}
			text, err := formatText(v)
			if err != nil {
				return out, err
			}
			cells[f.Name] = text
		}
		out.Rows = append(out.Rows, cells)
	}
	return out, nil
}
