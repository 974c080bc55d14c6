package thingworx

import (
	"context"
	"slices"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/security"
)

// genericServices are those of GenericThing that are served here; parameters are the platform's own (read).
func genericServices() []*service {
	own := []*service{
		{ServiceInfo: ServiceInfo{"EnableThing", "Enable the Thing", nil, tNothing}, always: true, run: enableThing},
		{ServiceInfo: ServiceInfo{"DisableThing", "Disable the Thing", nil, tNothing}, always: true, run: disableThing},
		{ServiceInfo: ServiceInfo{"RestartThing", "Restart the Thing", nil, tNothing}, always: true, run: restartThing},
		{ServiceInfo: ServiceInfo{"IsEnabled", "Whether the Thing is enabled", nil, tBoolean}, always: true, run: isEnabled},
		{ServiceInfo: ServiceInfo{"AddPropertyDefinition", "Add a property", []Param{
			required("name", tString), required("type", tTypeName), optional("description", tString),
			optional("category", tString), optional("dataShape", infotable.TypeDataShapeName),
			optional("readOnly", tBoolean), optional("persistent", tBoolean), optional("logged", tBoolean),
			optional("dataChangeType", tString), optional("dataChangeThreshold", tNumber),
			optional("defaultValue", tString), optional("remote", tBoolean), optional("remotePropertyName", tString),
			optional("timeout", tInteger), optional("pushType", tString), optional("pushThreshold", tNumber),
			optional("remoteBindingAspects", tJSON),
		}, tNothing}, always: true, run: designing(addPropertyDefinition)},
		{ServiceInfo: ServiceInfo{"RemovePropertyDefinition", "Remove an own property", []Param{required("name", tString)},
			tNothing}, always: true, run: designing(removePropertyDefinition)},
		{ServiceInfo: ServiceInfo{"GetPropertyDefinitions", "Properties of the Thing", []Param{
			optional("category", tString), optional("type", tTypeName), optional("dataShape", infotable.TypeDataShapeName),
		}, tTable}, always: true, run: getPropertyDefinitions},
		{ServiceInfo: ServiceInfo{"GetPropertyDefinition", "One property of the Thing", []Param{required("name", tString)},
			tTable}, always: true, run: getPropertyDefinition},
		{ServiceInfo: ServiceInfo{"SetRemotePropertyBinding", "Bind a property to the edge", []Param{
			required("propertyName", tString), optional("sourcePropertyName", tString), optional("pushType", tString),
			optional("pushThreshold", tNumber), optional("foldType", tString), optional("timeout", tInteger),
			optional("cacheTime", tInteger), optional("aspects", tJSON),
		}, tNothing}, always: true, run: designing(setRemotePropertyBinding)},
		{ServiceInfo: ServiceInfo{"RemoveRemotePropertyBinding", "Make a property local",
			[]Param{required("propertyName", tString)}, tNothing}, always: true, run: designing(removeRemotePropertyBinding)},
		{ServiceInfo: ServiceInfo{"GetRemotePropertyBinding", "How a property is bound",
			[]Param{required("propertyName", tString)}, tTable}, always: true, run: getRemotePropertyBinding},
		{ServiceInfo: ServiceInfo{"GetPropertyValues", "Present values, one column per property", nil, tTable},
			run: getPropertyValues},
		{ServiceInfo: ServiceInfo{"SetPropertyValues", "Set properties, one column each; remote ones at the edge",
			[]Param{required("values", tTable)}, tNothing}, run: setPropertyValues},
		{ServiceInfo: ServiceInfo{"UpdatePropertyValues", "Set properties with time and quality, one row each; remote ones at the edge",
			[]Param{required("values", tTable)}, tNothing}, run: updatePropertyValues},
	}
	return slices.Concat(own, definitionServices(), eventServices(), configurationServices(), historyServices(), permissionServices(), aboutServices())
}

// designing refuses whoever may not change what the Thing is made of, besides the right to call the service (inferred).
func designing(run func(*Platform, *call) (infotable.Value, error)) func(*Platform, *call) (infotable.Value, error) {
	return func(p *Platform, c *call) (infotable.Value, error) {
		if err := p.mayDesign(c.ctx, security.Update, EntityThing, c.thing.name); err != nil {
			return nothing(), err
		}
		return run(p, c)
	}
}

func enableThing(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.setEnabled(c, true)
}

func disableThing(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.setEnabled(c, false)
}

func (p *Platform) setEnabled(c *call, enabled bool) error {
	t := c.thing
	t.mu.Lock()
	was := t.enabled
	t.enabled = enabled
	t.mu.Unlock()
	p.changed(t)
	if was != enabled {
		p.started(c.ctx, t)
	}
	return nil
}

// restartThing has nothing to restart: definitions take effect at once here. It tells the edge and the subscriptions, as
// a restart does.
func restartThing(p *Platform, c *call) (infotable.Value, error) {
	p.restarted(c.ctx, c.thing)
	return nothing(), nil
}

func isEnabled(_ *Platform, c *call) (infotable.Value, error) {
	c.thing.mu.Lock()
	defer c.thing.mu.Unlock()
	return infotable.Boolean(c.thing.enabled), nil
}

func addPropertyDefinition(p *Platform, c *call) (infotable.Value, error) {
	base, err := infotable.ParseBaseType(c.text("type"))
	if err != nil {
		return nothing(), Refuse(Invalid, "property %s: there is no base type %q", shorten(c.text("name")), shorten(c.text("type")))
	}
	d := Definition{
		Name: c.text("name"), Description: c.text("description"), Category: c.text("category"), Type: base,
		ReadOnly: c.truth("readOnly"), Persistent: c.truth("persistent"), Logged: c.truth("logged"),
		DataShape: c.text("dataShape"), Change: c.text("dataChangeType"), Threshold: c.number("dataChangeThreshold"),
	}
	if text := c.text("defaultValue"); text != "" {
		if d.Default, err = defaultOf(base, text); err != nil {
			return nothing(), Refuse(Invalid, "property %s: its default value: %v", shorten(d.Name), err)
		}
	}
	if c.truth("remote") {
		d.Remote = &Binding{
			EdgeName: c.text("remotePropertyName"), PushType: c.text("pushType"), PushThreshold: c.number("pushThreshold"),
			Timeout: int(c.number("timeout")),
		}
	}
	return nothing(), p.AddProperty(c.ctx, c.thing.name, d)
}

// AddProperty adds a property to a Thing.
func (p *Platform) AddProperty(ctx context.Context, thingName string, d Definition) error {
	t, err := p.seen(ctx, thingName)
	if err != nil {
		return err
	}
	return p.define(t, func(*model) error { return t.addProperty(d) })
}

func removePropertyDefinition(p *Platform, c *call) (infotable.Value, error) {
	t, name := c.thing, c.text("name")
	return nothing(), p.define(t, func(*model) error {
		prop, err := t.ownProperty(name)
		if err != nil {
			return err
		}
		t.unbind(prop)
		delete(t.props, name)
		return nil
	})
}

// ownProperty returns a property that the Thing defines itself.
func (t *thing) ownProperty(name string) (*property, error) {
	prop, err := t.property(name)
	if err != nil {
		return nil, err
	}
	if prop.def.From != "" {
		return nil, Refuse(Forbidden, "property %s of Thing %s belongs to %s and cannot be changed here",
			name, t.name, prop.def.From)
	}
	return prop, nil
}

func (t *thing) unbind(prop *property) {
	if prop.def.Remote != nil {
		delete(t.byEdge, prop.def.Remote.EdgeName)
		d := *prop.def
		d.Remote = nil
		prop.def = &d
	}
}

func setRemotePropertyBinding(p *Platform, c *call) (infotable.Value, error) {
	t := c.thing
	return nothing(), p.define(t, func(*model) error {
		if err := t.canBind(true); err != nil {
			return err
		}
		prop, err := t.ownProperty(c.text("propertyName"))
		if err != nil {
			return err
		}
		d := *prop.def
		d.Remote = &Binding{
			EdgeName: c.text("sourcePropertyName"), PushType: c.text("pushType"), PushThreshold: c.number("pushThreshold"),
			CacheTime: int(c.number("cacheTime")), Timeout: int(c.number("timeout")),
		}
		if err := d.check(); err != nil {
			return err
		}
		if err := t.edgeFree(d); err != nil {
			return err
		}
		t.unbind(prop)
		prop.def = &d
		t.byEdge[d.Remote.EdgeName] = prop
		return nil
	})
}

func removeRemotePropertyBinding(p *Platform, c *call) (infotable.Value, error) {
	t := c.thing
	return nothing(), p.define(t, func(*model) error {
		prop, err := t.ownProperty(c.text("propertyName"))
		if err != nil {
			return err
		}
		t.unbind(prop)
		return nil
	})
}

func getRemotePropertyBinding(p *Platform, c *call) (infotable.Value, error) {
	view, err := p.Read(c.ctx, c.thing.name, c.text("propertyName"))
	if err != nil {
		return nothing(), err
	}
	table := infotable.New(infotable.Column("name", tString), infotable.Column("sourceName", tString),
		infotable.Column("pushType", tString), infotable.Column("pushThreshold", tNumber),
		infotable.Column("timeout", tInteger), infotable.Column("cacheTime", tInteger), infotable.Column("aspects", tJSON))
	if b := view.Remote; b != nil {
		table.Add(infotable.String(view.Name), infotable.String(b.EdgeName), infotable.String(b.PushType),
			infotable.Number(b.PushThreshold), infotable.Integer(int32(b.Timeout)), infotable.Integer(int32(b.CacheTime)), infotable.Text(tJSON, "{}"))
	}
	return infotable.FromTable(table), nil
}

// PropertyTable describes properties with the columns of the platform's data shape PropertyDefinition (read).
func PropertyTable(properties []PropertyView) *infotable.Table {
	table := infotable.New(infotable.Column("name", tString), infotable.Column("description", tString),
		infotable.Column("baseType", tTypeName), infotable.Column("category", tString),
		infotable.Column("isReadOnly", tBoolean), infotable.Column("isPersistent", tBoolean),
		infotable.Column("isLogged", tBoolean))
	for _, d := range properties {
		table.Add(infotable.String(d.Name), infotable.String(d.Description),
			infotable.Text(tTypeName, d.Type.String()), infotable.String(d.Category),
			infotable.Boolean(d.ReadOnly), infotable.Boolean(d.Persistent), infotable.Boolean(d.Logged))
	}
	return table
}

func getPropertyDefinitions(p *Platform, c *call) (infotable.Value, error) {
	view, err := p.Thing(c.ctx, c.thing.name)
	if err != nil {
		return nothing(), err
	}
	category, base, shape := c.text("category"), c.text("type"), c.text("dataShape")
	view.Properties = slices.DeleteFunc(view.Properties, func(d PropertyView) bool {
		return category != "" && d.Category != category || base != "" && !strings.EqualFold(d.Type.String(), base) ||
			shape != "" && d.DataShape != shape
	})
	return infotable.FromTable(PropertyTable(view.Properties)), nil
}

func getPropertyDefinition(p *Platform, c *call) (infotable.Value, error) {
	view, err := p.Read(c.ctx, c.thing.name, c.text("name"))
	if err != nil {
		return nothing(), err
	}
	return infotable.FromTable(PropertyTable([]PropertyView{view})), nil
}

// ValueTable shows properties as one row, one column each.
func ValueTable(properties []PropertyView) *infotable.Table {
	table := &infotable.Table{}
	row := make(infotable.Row, 0, len(properties))
	for _, v := range properties {
		field := infotable.Field{Name: v.Name, Description: v.Description, Type: v.Type}
		if v.DataShape != "" {
			field.Aspects = []infotable.Aspect{{Name: "dataShape", Value: infotable.String(v.DataShape)}}
		}
		table.Fields = append(table.Fields, field)
		row = append(row, v.Value)
	}
	table.Rows = []infotable.Row{row}
	return table
}

func getPropertyValues(p *Platform, c *call) (infotable.Value, error) {
	view, err := p.Thing(c.ctx, c.thing.name)
	if err != nil {
		return nothing(), err
	}
	return infotable.FromTable(ValueTable(view.Properties)), nil
}

// RowWrites reads a table of one row with a column per property.
func RowWrites(values *infotable.Table) ([]Write, error) {
	if values.Len() != 1 {
		return nil, Refuse(Invalid, "values must have one row with a column per property, it has %d rows", values.Len())
	}
	var writes []Write
	for i, f := range values.Fields {
		if v := values.Rows[0].Cell(i); !v.IsNothing() {
			writes = append(writes, Write{Property: f.Name, Value: v})
		}
	}
	return writes, nil
}

// VTQWrites reads a table with the columns of the data shape NamedVTQ: name, value, time, quality (captured).
func VTQWrites(values *infotable.Table) ([]Write, error) {
	name, value := values.Index("name"), values.Index("value")
	at, quality := values.Index("time"), values.Index("quality")
	if name < 0 || value < 0 {
		return nil, Refuse(Invalid, "values must have the columns name, value, time and quality; %s is missing",
			map[bool]string{true: "name", false: "value"}[name < 0])
	}
	writes := make([]Write, values.Len())
	for i, row := range values.Rows {
		w := &writes[i]
		w.Property, _ = row.Cell(name).Text()
		w.Value = row.Cell(value)
		if t := row.Cell(at); !t.IsNothing() {
			ms, ok := t.Millis()
			if !ok {
				return nil, Refuse(Invalid, "row %d, property %s: time: expected DATETIME, got %s", i+1, shorten(w.Property), t.Type())
			}
			w.Time = ms
		}
		w.Quality, _ = row.Cell(quality).Text()
	}
	return writes, nil
}

func setPropertyValues(p *Platform, c *call) (infotable.Value, error) {
	writes, err := RowWrites(c.table("values"))
	if err != nil {
		return nothing(), err
	}
	return nothing(), p.Set(c.ctx, c.thing.name, writes)
}

func updatePropertyValues(p *Platform, c *call) (infotable.Value, error) {
	writes, err := VTQWrites(c.table("values"))
	if err != nil {
		return nothing(), err
	}
	return nothing(), p.Set(c.ctx, c.thing.name, writes)
}
