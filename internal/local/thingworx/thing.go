package thingworx

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"azx/alwayson/infotable"
	"azx/extension/entity"
)

// Bounds of what a Thing defines itself.
const (
	maxProperties = 10_000
	maxMembers    = 1000 // events, subscriptions or configuration tables
)

// property is a definition with its present value.
type property struct {
	def *Definition // shared, never changed
	now VTQ
}

// thing is a Thing. Its mutex guards all that follows it.
type thing struct {
	name     string
	template string
	system   bool

	mu            sync.Mutex
	about         entity.Common // description, tags and so on, and the Thing's own permissions
	owner         string        // user who made it; "" for the platform itself
	pkg           string        // package that it came with; "" for none
	identifier    string
	stream        string // value stream, "" for the template's
	enabled       bool
	published     bool
	gone          bool     // deleted: a caller that still holds it is told so
	shapes        []string // added to those of the template
	class         *class   // what it has from its template and shapes
	props         map[string]*property
	byEdge        map[string]*property // remote-bound ones by the edge's name
	services      map[string]*service  // own ones
	events        map[string]EventDefinition
	subscriptions []*subscription
	bindings      []entity.RemoteProperty     // own ones of inherited properties
	calls         []entity.RemoteService      // and of inherited services
	tables        map[string]*configTable     // own definitions
	shipped       []entity.Table              // rows that its package brings
	config        map[string]*infotable.Table // that somebody set
	access        access
	group         group  // of one that carries requests of others
	watched       bool   // some subscription of its own wants to know of data changes
	warned        bool   // that its history has no value stream
	unsaved       bool   // its values changed since they were saved
	changed       uint64 // value of Platform.changes at the last change
}

// ThingSpec says what Thing to create.
type ThingSpec struct {
	Name, Template, Description, Tags, Project string

	Shapes        []string
	Enabled       bool // services create Things disabled; EnableThing enables them (read)
	Gateway       string
	Properties    []Definition
	Services      []ServiceDefinition
	Events        []EventDefinition
	Subscriptions []entity.Subscription
	Tables        []entity.TableDefinition
	Rows          []entity.Table // of configuration tables, until somebody sets others
	Values        []entity.Value
	Identifier    string
	ValueStream   string
	Published     bool
	HomeMashup    string
	Aspects       map[string]string
	Permissions   entity.Permissions

	bindings []entity.RemoteProperty // of inherited properties
	calls    []entity.RemoteService  // of inherited services
	owner    string
	pkg      string
	system   bool
}

// specOf reads a Thing of a package.
func specOf(in *entity.Thing) (ThingSpec, error) {
	m, err := compileMembers(&in.Members)
	if err != nil {
		return ThingSpec{}, Refuse(Invalid, "Thing %s: %v", in.Name, err)
	}
	spec := ThingSpec{Name: in.Name, Template: in.Template, Description: in.Description, Tags: in.Tags, Project: in.Project,
		Shapes: in.Shapes, Enabled: in.Enabled, Published: in.Published, Properties: m.properties, Events: m.events,
		Subscriptions: in.Subscriptions, Tables: in.Definitions, Rows: in.Tables, Values: in.Values, Identifier: in.Identifier,
		ValueStream: in.ValueStream, HomeMashup: in.HomeMashup, Aspects: in.Aspects, Permissions: in.Permissions,
		bindings: m.bindings, calls: m.calls}
	for _, s := range m.services {
		spec.Services = append(spec.Services, s.definition())
	}
	return spec, nil
}

// newThing makes a Thing that is not the platform's yet.
func (p *Platform) newThing(m *model, spec ThingSpec) (*thing, error) {
	t := &thing{
		name: spec.Name, template: spec.Template, system: spec.system, owner: spec.owner, pkg: spec.pkg, identifier: spec.Identifier,
		about: entity.Common{Name: spec.Name, Description: spec.Description, Tags: spec.Tags, Project: spec.Project,
			HomeMashup: spec.HomeMashup, Aspects: spec.Aspects, Permissions: spec.Permissions},
		stream: spec.ValueStream, enabled: spec.Enabled, published: spec.Published, props: map[string]*property{},
		byEdge: map[string]*property{}, events: map[string]EventDefinition{}, tables: map[string]*configTable{}, shipped: spec.Rows,
	}
	t.group.stale, t.bindings, t.calls = true, spec.bindings, spec.calls
	for _, s := range spec.Shapes {
		t.addShape(m, s)
	}
	t.inherit(m.class(t.template, t.shapes))
	if err := t.bound(); err != nil {
		return nil, err
	}
	for _, d := range spec.Properties {
		if err := t.addProperty(d); err != nil {
			return nil, err
		}
	}
	for i := range spec.Services {
		if err := t.addService(m, &spec.Services[i]); err != nil {
			return nil, err
		}
	}
	for _, e := range spec.Events {
		if err := t.addEvent(m, e); err != nil {
			return nil, err
		}
	}
	for _, s := range spec.Subscriptions {
		if err := t.addSubscription(s); err != nil {
			return nil, err
		}
	}
	if err := t.addTables(m, spec.Tables); err != nil {
		return nil, err
	}
	if err := t.setValues(spec.Values, p.now().UnixMilli()); err != nil {
		return nil, err
	}
	p.conceals(t)
	if spec.Gateway != "" {
		t.props[propGateway].now = VTQ{infotable.Text(infotable.TypeThingName, spec.Gateway), p.now().UnixMilli(), qualityGood}
	}
	t.watch()
	return t, nil
}

func (t *thing) addShape(m *model, name string) {
	if !m.class(t.template, t.shapes).implements[name] {
		t.shapes = append(t.shapes, name)
	}
}

func (t *thing) addTables(m *model, definitions []entity.TableDefinition) error {
	for _, table := range tablesOf(definitions) {
		if t.class.tables[table.name] != nil {
			return Refuse(Exists, "configuration table %s exists already: it belongs to the template", table.name)
		}
		if len(t.tables) >= maxMembers {
			return Refuse(Forbidden, "a Thing may define %d configuration tables", maxMembers)
		}
		if err := table.resolve(m); err != nil {
			return err
		}
		t.tables[table.name] = &table
	}
	for i := range t.shipped {
		table, err := t.configTable(t.shipped[i].Name)
		if err != nil {
			return err
		}
		if _, err := table.read(&t.shipped[i]); err != nil {
			return Refuse(Invalid, "configuration table %s: %v", table.name, err)
		}
	}
	return nil
}

// conceals encrypts the passwords that a Thing has brought.
func (p *Platform) conceals(t *thing) {
	for _, prop := range t.props {
		prop.now.Value = p.hide(prop.now.Value)
	}
	t.shipped = slices.Clone(t.shipped)
	for i := range t.shipped {
		c, err := t.configTable(t.shipped[i].Name)
		if err != nil {
			continue
		}
		rows := slices.Clone(t.shipped[i].Rows)
		for n := range rows {
			rows[n] = maps.Clone(rows[n])
			for _, f := range c.fields {
				if text, ok := rows[n][f.Name]; ok && f.Type == infotable.TypePassword {
					rows[n][f.Name], _ = p.hide(infotable.Text(infotable.TypePassword, text)).Text()
				}
			}
		}
		t.shipped[i].Rows = rows
	}
}

// setValues gives properties that have no value those of a package.
func (t *thing) setValues(values []entity.Value, now int64) error {
	for _, in := range values {
		prop, err := t.property(in.Property)
		if err != nil {
			return err
		}
		v, err := defaultOf(prop.def.Type, in.Text)
		if err != nil {
			return Refuse(Invalid, "value of property %s: %v", in.Property, err)
		}
		at := now
		if when, err := parseTime(in.Time); err == nil {
			at, _ = when.Millis()
		}
		if !v.IsNothing() && prop.now.Quality == qualityNone {
			prop.now = VTQ{v, at, orText(in.Quality, qualityGood)}
		}
	}
	return nil
}

func orText(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// conflict refuses a class that has what the Thing defines itself.
func (t *thing) conflict(c *class) error {
	if len(c.problems) > 0 {
		return Refuse(Invalid, "Thing %s: %s", t.name, c.problems[0])
	}
	edges := map[string]string{}
	for i := range c.properties {
		d := &c.properties[i]
		own := t.props[d.Name]
		if own != nil && own.def.From == "" {
			return Refuse(Exists, "Thing %s has a property %s of its own, which %s defines too", t.name, d.Name, d.From)
		}
		if d.Remote != nil {
			edges[d.Remote.EdgeName] = d.Name
		}
	}
	for _, own := range t.props {
		if b := own.def.Remote; own.def.From == "" && b != nil && edges[b.EdgeName] != "" {
			return Refuse(Exists, "property %s of Thing %s: the source name %q is that of property %s, which its template or a shape defines",
				own.def.Name, t.name, b.EdgeName, edges[b.EdgeName])
		}
	}
	for name := range t.services {
		if over := c.services[name]; over != nil && !over.override {
			return Refuse(Exists, "Thing %s has a service %s of its own, which %s defines too", t.name, name, over.from)
		}
	}
	for name := range t.tables {
		if c.tables[name] != nil {
			return Refuse(Exists, "Thing %s has a configuration table %s of its own, which its template defines too", t.name, name)
		}
	}
	return nil
}

// inherit makes the Thing one of a class. Values stay where their properties do.
func (t *thing) inherit(c *class) {
	t.class = c
	wanted := make(map[string]bool, len(c.properties))
	for i := range c.properties {
		d := &c.properties[i]
		wanted[d.Name] = true
		old := t.props[d.Name]
		if old == nil {
			t.props[d.Name] = newProperty(d)
			continue
		}
		if old.def.Type != d.Type && !old.now.Value.IsNothing() {
			v, err := fit(d.Type, old.now.Value)
			if err != nil {
				old.now = newProperty(d).now
			} else {
				old.now.Value = v
			}
		}
		old.def = d
	}
	for i := range t.bindings {
		if p := t.props[t.bindings[i].Name]; p != nil {
			if d, err := p.def.bind(&t.bindings[i]); err == nil { // one that is wrong was refused when it came
				p.def = &d
			}
		}
	}
	t.byEdge = map[string]*property{}
	for name, p := range t.props {
		if p.def.From != "" && !wanted[name] {
			delete(t.props, name)
		} else if p.def.Remote != nil {
			t.byEdge[p.def.Remote.EdgeName] = p
		}
	}
	t.group.stale = true
	t.watch()
}

func newProperty(d *Definition) *property {
	p := &property{def: d, now: VTQ{Value: d.Default, Quality: qualityNone}}
	if d.Name == propConnected && d.From == ShapeConnectable {
		p.now = VTQ{Value: infotable.Boolean(false), Quality: qualityGood}
	}
	return p
}

// bound refuses bindings of inherited members that are not there.
func (t *thing) bound() error {
	if err := t.canBind(len(t.bindings)+len(t.calls) > 0); err != nil {
		return err
	}
	for i := range t.bindings {
		p, err := t.property(t.bindings[i].Name)
		if err != nil {
			return err
		}
		if _, err := p.def.bind(&t.bindings[i]); err != nil {
			return err
		}
	}
	for _, b := range t.calls {
		if t.class.services[b.Name] == nil {
			return Refuse(NotFound, "Thing %s has no service %q to bind", t.name, shorten(b.Name))
		}
	}
	return nil
}

// addProperty adds an own property.
func (t *thing) addProperty(d Definition) error {
	if err := d.check(); err != nil {
		return err
	}
	d.From = ""
	if old := t.props[d.Name]; old != nil {
		return Refuse(Exists, "property %s exists already, as %s%s", d.Name, old.def.Type, origin(old.def.From))
	}
	if len(t.props) >= maxProperties {
		return Refuse(Forbidden, "a Thing may have %d properties", maxProperties)
	}
	if err := t.canBind(d.Remote != nil); err != nil {
		return err
	}
	if err := t.edgeFree(d); err != nil {
		return err
	}
	prop := newProperty(&d)
	t.props[d.Name] = prop
	if d.Remote != nil {
		t.byEdge[d.Remote.EdgeName] = prop
	}
	return nil
}

// canBind refuses a member bound to the edge where no edge can be.
func (t *thing) canBind(remote bool) error {
	if !remote || t.class.isRemote() {
		return nil
	}
	return Refuse(Forbidden, "Thing %s has the template %s: only RemoteThings have remote-bound properties and services", t.name, t.template)
}

// edgeFree refuses a second binding to one edge name.
func (t *thing) edgeFree(d Definition) error {
	if d.Remote == nil {
		return nil
	}
	if other := t.byEdge[d.Remote.EdgeName]; other != nil && other.def.Name != d.Name {
		return Refuse(Exists, "property %s: the source name %q is bound to property %s already",
			d.Name, shorten(d.Remote.EdgeName), other.def.Name)
	}
	return nil
}

func origin(from string) string {
	if from == "" {
		return ""
	}
	return " of " + from
}

// property returns a property by its own name, or the Refusal that says what is there.
func (t *thing) property(name string) (*property, error) {
	if p := t.props[name]; p != nil {
		return p, nil
	}
	return nil, Refuse(NotFound, "Thing %s has no property %q", t.name, shorten(name))
}

// service returns a service, nil if there is none.
func (t *thing) service(name string) *service {
	if s := t.services[name]; s != nil {
		return s
	}
	s := t.class.services[name]
	for i := range t.calls {
		if t.calls[i].Name == name && s != nil {
			return s.bind(&t.calls[i])
		}
	}
	return s
}

// event returns an event; false if there is none.
func (t *thing) event(name string) (EventDefinition, bool) {
	if e, ok := t.events[name]; ok {
		return e, true
	}
	e, ok := t.class.events[name]
	return e, ok
}

// allSubscriptions returns those of the class and the Thing's own.
func (t *thing) allSubscriptions() []*subscription {
	return slices.Concat(t.class.subscriptions, t.subscriptions)
}

// usable refuses a Thing that was deleted or is disabled.
func (t *thing) usable() error {
	if t.gone {
		return Refuse(NotFound, "there is no Thing %q any more", t.name)
	}
	if !t.enabled {
		return Refuse(Forbidden, "Thing %s is disabled: call its services EnableThing and RestartThing", t.name)
	}
	return nil
}

// composed returns the Thing's class, for who does not hold the mutex.
func (t *thing) composed() *class {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.class
}

// sortedEvents returns all events, sorted by name; the caller holds the mutex.
func (t *thing) sortedEvents() []EventDefinition {
	all := maps.Clone(t.class.events)
	maps.Copy(all, t.events)
	return slices.SortedFunc(maps.Values(all), func(a, b EventDefinition) int { return strings.Compare(a.Name, b.Name) })
}
