package thingworx

import (
	"slices"

	"azx/alwayson/infotable"
)

// aboutServices are those of GenericThing about the Thing itself; parameters are the platform's own (read).
func aboutServices() []*service {
	always := func(name, description string, params []Param, result infotable.BaseType, run func(*Platform, *call) (infotable.Value, error)) *service {
		return &service{ServiceInfo: ServiceInfo{name, description, params, result}, always: true, run: run}
	}
	get := func(name, description string, result infotable.BaseType, of func(t *thing) string) *service {
		return always(name, description, nil, result, func(_ *Platform, c *call) (infotable.Value, error) {
			c.thing.mu.Lock()
			defer c.thing.mu.Unlock()
			return infotable.Text(result, of(c.thing)), nil
		})
	}
	set := func(name, description, param string, base infotable.BaseType, change func(t *thing, text string)) *service {
		return always(name, description, []Param{optional(param, base)}, tNothing, func(p *Platform, c *call) (infotable.Value, error) {
			return nothing(), p.define(c.thing, func(*model) error {
				change(c.thing, c.text(param))
				return nil
			})
		})
	}
	stream := func(t *thing) string { return orText(t.stream, t.class.stream) }
	return []*service{
		get("GetDescription", "What the Thing is for", tString, func(t *thing) string { return t.about.Description }),
		set("SetDescription", "Say what the Thing is for", "description", tString, func(t *thing, s string) { t.about.Description = s }),
		get("GetTags", "Tags of the Thing", tTags, func(t *thing) string { return t.about.Tags }),
		set("SetTags", "Change the tags", "tags", tTags, func(t *thing, s string) { t.about.Tags = s }),
		get("GetProjectName", "Project of the Thing", tString, func(t *thing) string { return t.about.Project }),
		set("SetProjectName", "Change the project", "projectName", tString, func(t *thing, s string) { t.about.Project = s }),
		get("GetHomeMashup", "Mashup of the Thing", infotable.TypeMashupName, func(t *thing) string { return t.about.HomeMashup }),
		set("SetHomeMashup", "Change the mashup", "name", infotable.TypeMashupName, func(t *thing, s string) { t.about.HomeMashup = s }),
		get("GetValueStream", "Where the history of logged properties is kept", infotable.TypeThingName, stream),
		set("SetValueStream", "Say where the history is kept", "name", infotable.TypeThingName, func(t *thing, s string) { t.stream = s }),
		get("GetIdentifier", "Name by which edges bind the Thing", tString, func(t *thing) string { return t.identifier }),
		always("SetIdentifier", "Change the name by which edges bind the Thing", []Param{optional("identifier", tString)}, tNothing, setIdentifier),
		always("GetThingTemplate", "Template of the Thing", nil, tTable, getThingTemplate),
		always("GetImplementedShapes", "Shapes of the Thing", nil, tTable, getImplementedShapes),
		always("ImplementsShape", "Whether the Thing has a shape", []Param{required("thingShapeName", infotable.TypeThingShapeName)}, tBoolean,
			func(p *Platform, c *call) (infotable.Value, error) {
				return infotable.Boolean(p.implements(c.thing, c.text("thingShapeName"))), nil
			}),
		always("IsDerivedFromTemplate", "Whether its template is, or is based on, one", []Param{required("thingTemplateName", infotable.TypeThingTemplateName)},
			tBoolean, func(_ *Platform, c *call) (infotable.Value, error) {
				return infotable.Boolean(c.thing.composed().bases[c.text("thingTemplateName")]), nil
			}),
		native("GetPropertyTime", "Time of a value", []Param{required("propertyName", tString)}, tDateTime, getPropertyTime),
		native("GetPropertyQuality", "Quality of a value", []Param{required("propertyName", tString)}, tString, getPropertyQuality),
		native("GetNamedPropertyValues", "Present values of some properties", []Param{required("propertyNames", tTable)}, tTable, getNamedPropertyValues),
	}
}

func setIdentifier(p *Platform, c *call) (infotable.Value, error) {
	t, identifier := c.thing, c.text("identifier")
	p.mu.RLock()
	other := p.identifiers[identifier]
	p.mu.RUnlock()
	if other != "" && other != t.name {
		return nothing(), Refuse(Exists, "the identifier %q is that of Thing %s", shorten(identifier), other)
	}
	err := p.define(t, func(*model) error {
		t.identifier = identifier
		return nil
	})
	p.identify(t)
	return nothing(), err
}

// identify makes a Thing known by its identifier, and by no other.
func (p *Platform) identify(t *thing) {
	t.mu.Lock()
	identifier := t.identifier
	t.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	for known, name := range p.identifiers {
		if name == t.name {
			delete(p.identifiers, known)
		}
	}
	if identifier != "" {
		p.identifiers[identifier] = t.name
	}
}

func getThingTemplate(_ *Platform, c *call) (infotable.Value, error) {
	return infotable.FromTable(nameList().Add(infotable.String(c.thing.template), infotable.String(""))), nil
}

func getImplementedShapes(_ *Platform, c *call) (infotable.Value, error) {
	table := nameList()
	for _, name := range c.thing.composed().shapes {
		table.Add(infotable.String(name), infotable.String(""))
	}
	return infotable.FromTable(table), nil
}

func getPropertyTime(p *Platform, c *call) (infotable.Value, error) {
	v, err := p.read(c.ctx, c.thing, c.text("propertyName"))
	if err != nil || v.Value.IsNothing() {
		return nothing(), err
	}
	return infotable.DateTime(v.Time), nil
}

func getPropertyQuality(p *Platform, c *call) (infotable.Value, error) {
	v, err := p.read(c.ctx, c.thing, c.text("propertyName"))
	return infotable.String(v.Quality), err
}

func getNamedPropertyValues(p *Platform, c *call) (infotable.Value, error) {
	names := c.table("propertyNames")
	if names.Len() > maxProperties {
		return nothing(), Refuse(Invalid, "propertyNames may have %d rows", maxProperties)
	}
	var views []PropertyView
	for i := range names.Len() {
		name, _ := names.At(i, "name").Text()
		if slices.ContainsFunc(views, func(v PropertyView) bool { return v.Name == name }) {
			continue
		}
		v, err := p.Fetch(c.ctx, c.thing.name, name)
		if err != nil {
			return nothing(), err
		}
		views = append(views, v)
	}
	return infotable.FromTable(ValueTable(views)), nil
}
