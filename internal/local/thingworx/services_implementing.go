package thingworx

import (
	"maps"
	"path"
	"slices"

	"azx/alwayson/infotable"
	"azx/extension/entity"
)

// implementingServices are those of templates and shapes that list their Things (read).
func implementingServices() []*service {
	params := []Param{optional("maxItems", tNumber), optional("nameMask", tString), optional("query", tQuery), optional("tags", tTags)}
	return []*service{
		native("GetImplementingThings", "Things of the template or shape", nil, tTable, queryImplementingThings),
		native("QueryImplementingThings", "Things of the template or shape", params, tTable, queryImplementingThings),
		native("GetImplementingThingsWithData", "Things of the template or shape, with their properties", nil, tTable, queryImplementingThingsWithData),
		native("QueryImplementingThingsWithData", "Things of the template or shape, with their properties", params, tTable, queryImplementingThingsWithData),
		native("GetInstanceServiceDefinitions", "Services of its Things", nil, tTable, getInstanceServices),
		native("GetInstanceEventDefinitions", "Events of its Things", nil, tTable, getInstanceEvents),
		native("GetInstancePropertyDefinitions", "Properties of its Things", []Param{optional("type", tString)}, tTable, getInstanceProperties),
	}
}

// implementing returns the Things that the caller sees and that are of a template or shape, as a call's parameters want
// them, sorted by name.
func (p *Platform) implementing(c *call, kind EntityKind, name string) []*thing {
	mask, tags := orText(c.text("nameMask"), "*"), c.text("tags")
	var out []*thing
	for _, t := range p.all() {
		of := t.composed()
		if kind == EntityTemplate && !of.bases[name] || kind == EntityShape && !of.implements[name] || !p.sees(c.ctx, t) {
			continue
		}
		about, _ := subject{thing: t}.about()
		if ok, err := path.Match(mask, t.name); err == nil && ok && tagged(about.Tags, tags) {
			out = append(out, t)
		}
	}
	return out
}

func queryImplementingThings(p *Platform, c *call) (infotable.Value, error) {
	return p.thingList(c, p.implementing(c, c.entry.kind, c.entry.name()))
}

// thingList lists Things as the call's parameters query and maxItems want it.
func (p *Platform) thingList(c *call, things []*thing) (infotable.Value, error) {
	table := EntityList()
	for _, t := range things {
		about, _ := subject{thing: t}.about()
		AddEntity(table, &about, t.system)
	}
	return queried(table, c.text("query"), int(c.number("maxItems")))
}

func queryImplementingThingsWithData(p *Platform, c *call) (infotable.Value, error) {
	table := EntityList()
	var columns []string
	for _, d := range p.instanceProperties(c.entry) {
		columns = append(columns, d.Name)
		table.Fields = append(table.Fields, infotable.Column(d.Name, d.Type))
	}
	for _, t := range p.implementing(c, c.entry.kind, c.entry.name()) {
		v := t.viewed()
		p.conceal(c.ctx, t, &v)
		about, _ := subject{thing: t}.about()
		AddEntity(table, &about, t.system)
		row := table.Rows[len(table.Rows)-1]
		for _, name := range columns {
			d, _ := v.Property(name)
			row = append(row, d.Value)
		}
		table.Rows[len(table.Rows)-1] = row
	}
	return queried(table, c.text("query"), int(c.number("maxItems")))
}

// instanceProperties are those that Things have from a template or shape.
func (p *Platform) instanceProperties(e *entry) []Definition { return p.instanceClass(e).properties }

func getInstanceProperties(p *Platform, c *call) (infotable.Value, error) {
	var views []PropertyView
	for _, d := range p.instanceProperties(c.entry) {
		if base := c.text("type"); base == "" || d.Type.String() == base {
			views = append(views, PropertyView{Definition: d})
		}
	}
	return infotable.FromTable(PropertyTable(views)), nil
}

// instanceClass is what Things have from a template or shape.
func (p *Platform) instanceClass(e *entry) *class {
	m := p.model.Load()
	if e.template != nil {
		return m.class(e.name(), nil)
	}
	c := &class{services: map[string]*service{}, events: map[string]EventDefinition{}}
	c.take(m, e.name(), &e.shape.members, map[string]string{})
	return c
}

func getInstanceServices(p *Platform, c *call) (infotable.Value, error) {
	of := p.instanceClass(c.entry)
	var all []ServiceDefinition
	for _, name := range slices.Sorted(maps.Keys(of.services)) {
		all = append(all, of.services[name].definition())
	}
	return infotable.FromTable(serviceTable(all)), nil
}

func getInstanceEvents(p *Platform, c *call) (infotable.Value, error) {
	of := p.instanceClass(c.entry)
	table := infotable.New(infotable.Column("name", tString), infotable.Column("description", tString), infotable.Column("dataShape", tString))
	for _, name := range slices.Sorted(maps.Keys(of.events)) {
		table.Add(infotable.String(name), infotable.String(of.events[name].Description), infotable.String(of.events[name].DataShape))
	}
	return infotable.FromTable(table), nil
}

// templateServices are those of templates alone (read).
func templateServices() []*service {
	return []*service{
		native("GetBaseThingTemplate", "Template that it is based on", nil, infotable.TypeThingTemplateName, func(_ *Platform, c *call) (infotable.Value, error) {
			return infotable.Text(infotable.TypeThingTemplateName, c.entry.template.base), nil
		}),
		native("IsDerivedFromTemplate", "Whether it is based on a template", []Param{required("thingTemplateName", infotable.TypeThingTemplateName)}, tBoolean,
			func(p *Platform, c *call) (infotable.Value, error) {
				return infotable.Boolean(p.model.Load().class(c.entry.name(), nil).bases[c.text("thingTemplateName")]), nil
			}),
		native("SetValueStream", "Choose the value stream of its Things", []Param{required("name", infotable.TypeThingName)}, tNothing,
			func(p *Platform, c *call) (infotable.Value, error) {
				return nothing(), p.editTemplate(c.entry.name(), func(in *entity.ThingTemplate) error {
					in.ValueStream = c.text("name")
					return nil
				})
			}),
		native("GetValueStream", "Value stream of its Things", nil, infotable.TypeThingName, func(p *Platform, c *call) (infotable.Value, error) {
			return infotable.Text(infotable.TypeThingName, p.model.Load().class(c.entry.name(), nil).stream), nil
		}),
	}
}

// dataShapeServices are those of data shapes (read).
func dataShapeServices() []*service {
	return []*service{
		native("GetFieldDefinitions", "Columns", nil, tTable, getFieldDefinitions),
		native("GetEffectiveFieldDefinitions", "Columns", nil, tTable, getFieldDefinitions),
		native("CreateValues", "An empty table with these columns", nil, tTable, func(_ *Platform, c *call) (infotable.Value, error) {
			return infotable.FromTable(infotable.New(c.entry.fields...)), nil
		}),
	}
}

func getFieldDefinitions(_ *Platform, c *call) (infotable.Value, error) {
	return infotable.FromTable(fieldTable(c.entry.fields)), nil
}

// fieldTable has the columns of the data shape FieldDefinition (read), and the default values besides.
func fieldTable(fields []infotable.Field) *infotable.Table {
	table := infotable.New(infotable.Column("name", tString), infotable.Column("description", tString), infotable.Column("baseType", tTypeName),
		infotable.Column("isPrimaryKey", tBoolean), infotable.Column("dataShape", infotable.TypeDataShapeName),
		infotable.Column("ordinal", tInteger), infotable.Column("defaultValue", tString))
	for i, f := range fields {
		key, _ := f.Aspect(aspectPrimaryKey).Boolean()
		shape, _ := f.Aspect(aspectDataShape).Text()
		def := infotable.Nothing()
		if v := f.Aspect(aspectDefault); !v.IsNothing() {
			if text, err := formatText(v); err == nil {
				def = infotable.String(text)
			}
		}
		table.Add(infotable.String(f.Name), infotable.String(f.Description), infotable.Text(tTypeName, f.Type.String()), infotable.Boolean(key),
			infotable.Text(infotable.TypeDataShapeName, shape), infotable.Integer(int32(i)), def)
	}
	return table
}

// searchServices are those of SearchFunctions that are served here (read).
func searchServices() []*service {
	mask, most := optional("nameMask", tString), optional("maxItems", tNumber)
	query, tags := optional("query", tQuery), optional("tags", tTags)
	return []*service{
		native("SearchThingsByTemplate", "Things of a template", []Param{required("thingTemplate", infotable.TypeThingTemplateName), mask, most, query, tags},
			tTable, func(p *Platform, c *call) (infotable.Value, error) {
				return p.searchBy(c, EntityTemplate, c.text("thingTemplate"))
			}),
		native("SearchThingsByShape", "Things of a shape", []Param{required("thingShape", infotable.TypeThingShapeName), mask, most, query, tags},
			tTable, func(p *Platform, c *call) (infotable.Value, error) {
				return p.searchBy(c, EntityShape, c.text("thingShape"))
			}),
		native("SearchThings", "Things whose names fit; the answer has the column thingResults alone", []Param{optional("searchExpression", tString),
			most, optional("maxSearchItems", tNumber), query, optional("modelTags", tTags), optional("thingTemplates", tJSON), optional("thingShapes", tJSON),
			optional("types", tJSON)}, tTable, searchThings),
	}
}

func (p *Platform) searchBy(c *call, kind EntityKind, name string) (infotable.Value, error) {
	if _, err := p.entry(c.ctx, kind, name); err != nil {
		return nothing(), err
	}
	return p.thingList(c, p.implementing(c, kind, name))
}

func searchThings(p *Platform, c *call) (infotable.Value, error) {
	expression := orText(c.text("searchExpression"), "*")
	var found []*thing
	for _, t := range p.all() {
		about, _ := subject{thing: t}.about()
		if ok, err := path.Match(expression, t.name); err == nil && ok && tagged(about.Tags, c.text("modelTags")) && p.sees(c.ctx, t) {
			found = append(found, t)
		}
	}
	list, err := p.thingList(c, found)
	return infotable.FromTable(infotable.Single("thingResults", list)), err
}

// deviceServices are those of DeviceFunctions that are served here (read).
func deviceServices() []*service {
	return []*service{native("GetBoundRemoteThings", "Things that somebody stands for", []Param{optional("maxItems", tNumber)}, tTable, getBoundThings)}
}

func getBoundThings(p *Platform, c *call) (infotable.Value, error) {
	table := infotable.New(infotable.Column("name", tString), infotable.Column("description", tString), infotable.Column("isBound", tBoolean))
	for _, t := range p.all() {
		if most := int(c.number("maxItems")); p.IsBound(t.name) && p.sees(c.ctx, t) && (most <= 0 || table.Len() < most) {
			about, _ := subject{thing: t}.about()
			table.Add(infotable.String(t.name), infotable.String(about.Description), infotable.Boolean(true))
		}
	}
	return infotable.FromTable(table), nil
}
