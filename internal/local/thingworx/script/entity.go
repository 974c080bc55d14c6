package script

import (
	"fmt"

	"github.com/dop251/goja"

	"azx/alwayson/infotable"
)

// collectionNames are the global objects that entities are found in by name.
var collectionNames = []string{
	"Things", "ThingTemplates", "ThingShapes", "ThingPackages", "ThingGroups", "DataShapes", "Networks",
	"Users", "Groups", "Organizations", "ApplicationKeys", "DirectoryServices", "Authenticators", "Permissions",
	"Projects", "Mashups", "Widgets", "Menus", "MediaEntities", "Dashboards", "StyleDefinitions", "StateDefinitions",
	"StyleThemes", "LocalizationTables", "ModelTags", "DataTags", "DataAnalysisDefinitions",
	"Resources", "Subsystems", "Logs", "PersistenceProviders", "PersistenceProviderPackages", "ExtensionPackages",
	"NotificationContents", "NotificationDefinitions", "Blogs", "Wikis", "ScriptFunctionLibraries",
}

func collectionMembers() members {
	m := members{}
	for _, name := range collectionNames {
		m[name] = func(r *run) goja.Value {
			object := r.rt.NewDynamicObject(&collection{r: r, name: name})
			r.check(object.SetPrototype(nil)) // a Thing that is called toString is absent as any other
			return object
		}
	}
	return m
}

// collection is Things and the like: entities by name, undefined for those that are absent or invisible.
type collection struct {
	r    *run
	name string
}

func (c *collection) find(name string) (Entity, bool) {
	e, ok := c.r.engine.host.Entity(c.r.ctx, c.name, name)
	if c.name != "Resources" || name != tableFunctionsName {
		return e, ok
	}
	own := c.r.engine.InfoTableFunctions()
	if !ok {
		return own, true
	}
	return tableResource{e, own}, true
}

func (c *collection) Get(name string) goja.Value {
	e, ok := c.find(name)
	c.r.over()
	if !ok {
		return nil
	}
	return c.r.entity(e)
}

func (c *collection) Has(name string) bool {
	_, ok := c.find(name)
	return ok
}

func (c *collection) Set(name string, _ goja.Value) bool {
	c.r.throwf("%s[%q] cannot be assigned to", c.name, name)
	return false
}

func (c *collection) Delete(string) bool { return false }
func (c *collection) Keys() []string     { return nil }

// entity is a Thing or another entity in a script's hands: its properties can be read and written, its services
// and events called.
type entity struct {
	r         *run
	of        Entity
	object    *goja.Object
	functions map[string]goja.Value
	me        bool // it stays what it is: only as `me` an entity gives its private services
}

// me returns the object for the entity whose script runs. Looking it up by its name gives the same one.
func (r *run) me(e Entity) goja.Value {
	object := r.entity(e)
	r.entities[keyOf(e)].me = true
	return object
}

func keyOf(e Entity) string { return e.Collection() + "/" + e.Name() }

// entity returns the object for e, which is the same each time.
func (r *run) entity(e Entity) goja.Value {
	key := keyOf(e)
	if known := r.entities[key]; known != nil {
		if !known.me {
			known.of = e
		}
		return known.object
	}
	made := &entity{r: r, of: e}
	made.object = r.rt.NewDynamicObject(made)
	if r.entities == nil {
		r.entities = map[string]*entity{}
	}
	r.entities[key] = made
	return made.object
}

func (o *entity) Get(name string) goja.Value {
	switch o.of.Has(name) {
	case Property:
		v, err := o.of.Get(o.r.ctx, name)
		o.r.over()
		o.r.check(err)
		return o.r.toJS(v)
	case Service, Event:
		return o.function(name)
	default:
		if name == "CreateValues" && (o.of.Collection() == "DataShapes" || o.of.Collection() == "Things") {
			return o.function(name)
		}
		if v, ok := o.of.Attribute(name); ok {
			return o.r.toJS(v)
		}
		return nil
	}
}

func (o *entity) Set(name string, js goja.Value) bool {
	switch o.of.Has(name) {
	case Property:
		v, err := o.property(name, js)
		if err == nil {
			err = o.of.Set(o.r.ctx, name, v)
		}
		o.r.over()
		o.r.check(named(name, err))
		return true
	case None:
		o.r.throwf("%s has no property %q", o, name)
	default:
		o.r.throwf("%s of %s is called, not assigned to", name, o)
	}
	return false
}

// property converts what a property is to become: to its base type, if that is known.
func (o *entity) property(name string, js goja.Value) (infotable.Value, error) {
	info, known := o.of.ServiceInfo(name)
	if !known {
		return o.r.natural(js)
	}
	return o.r.fromJS(js, infotable.Column(name, info.Result), info.ResultFields)
}

func (o *entity) Has(name string) bool {
	if o.of.Has(name) != None {
		return true
	}
	_, ok := o.of.Attribute(name)
	return ok
}

func (o *entity) Delete(string) bool { return false }
func (o *entity) Keys() []string     { return nil }
func (o *entity) String() string     { return o.of.Collection() + "/" + o.of.Name() }

// function returns what calls a service or an event.
func (o *entity) function(name string) goja.Value {
	if made := o.functions[name]; made != nil {
		return made
	}
	if o.functions == nil {
		o.functions = map[string]goja.Value{}
	}
	o.functions[name] = o.r.rt.ToValue(func(call goja.FunctionCall) goja.Value { return o.invoke(name, call) })
	return o.functions[name]
}

// invoke calls a service or an event with what the script gives: one object with the parameters, or nothing.
func (o *entity) invoke(name string, call goja.FunctionCall) goja.Value {
	info, known := o.of.ServiceInfo(name)
	params, err := o.r.params(o, name, call.Argument(0), info.Params, known)
	o.r.check(err)
	var out infotable.Value
	switch o.of.Has(name) {
	case Event:
		err = o.of.Fire(o.r.ctx, name, params)
	case None: // CreateValues
		var empty *infotable.Table
		if empty, err = o.of.Values(); err == nil {
			out = infotable.FromTable(empty)
		}
	default:
		out, err = o.of.Call(o.r.ctx, name, params)
	}
	o.r.over()
	o.r.check(err)
	return o.r.toJS(out)
}

// params makes the row of parameters; nil if there are none. Parameters that are undefined or null are left out.
// One that the service does not have is left out, too, as the platform does, and the log says so.
func (r *run) params(o *entity, service string, given goja.Value, fields []infotable.Field, known bool) (*infotable.Table, error) {
	if isMissing(given) {
		return nil, nil
	}
	object, ok := given.(*goja.Object)
	if !ok {
		return nil, fmt.Errorf("%s of %s takes its parameters as one object, such as {name: value}", service, o)
	}
	table := &infotable.Table{Rows: []infotable.Row{nil}}
	for _, name := range keysOf(object) {
		js := object.Get(name)
		if isMissing(js) {
			continue
		}
		field, v, err := r.param(name, js, fields, known)
		if err != nil {
			return nil, fmt.Errorf("parameter %s of %s: %w", name, service, err)
		}
		if field == nil {
			r.engine.host.Log(r.ctx, "warn", r.call.Logger, fmt.Sprintf("%s of %s has no parameter %s: it is ignored", service, o, name))
			continue
		}
		table.Fields = append(table.Fields, *field)
		table.Rows[0] = append(table.Rows[0], v)
	}
	if len(table.Fields) == 0 {
		return nil, nil
	}
	return table, nil
}

// param converts one parameter; no field means that there is no such parameter.
func (r *run) param(name string, js goja.Value, fields []infotable.Field, known bool) (*infotable.Field, infotable.Value, error) {
	if !known {
		v, err := r.natural(js)
		field := infotable.Column(name, v.Type())
		return &field, v, err
	}
	for i := range fields {
		if fields[i].Name == name {
			v, err := r.fromJS(js, fields[i], nil)
			return &fields[i], v, err
		}
	}
	return nil, infotable.Nothing(), nil
}

// keysOf are the names of an object's values; those of the first row for an infotable.
func keysOf(object *goja.Object) []string {
	if t := asTable(object); t != nil {
		return t.names()
	}
	return object.Keys()
}

func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
