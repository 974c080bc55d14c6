package thingworx

import (
	"slices"
	"strings"
	"sync"

	"azx/alwayson/infotable"
)

// maxProperties bounds the properties of one Thing.
const maxProperties = 10_000

// property is a definition with its present value.
type property struct {
	def Definition
	now VTQ
}

// thing is a Thing. Its mutex guards all that follows it.
type thing struct {
	name     string
	template string
	system   bool

	mu          sync.Mutex
	description string
	tags        string
	project     string
	enabled     bool
	gone        bool     // deleted: a caller that still holds it is told so
	shapes      []string // added to those of the template
	props       map[string]*property
	byEdge      map[string]*property // remote-bound ones by the edge's name
	services    map[string]*service  // own ones
	config      map[string]*infotable.Table
	changed     uint64 // value of Platform.changes at the last change
}

func newThing(p *Platform, spec ThingSpec) *thing {
	t := &thing{
		name: spec.Name, template: spec.Template, system: spec.system, description: spec.Description, tags: spec.Tags,
		project: spec.Project, enabled: spec.Enabled, props: map[string]*property{}, byEdge: map[string]*property{},
	}
	for _, s := range spec.Shapes {
		t.addShape(p.model, s)
	}
	t.inherit(p.model)
	if spec.Gateway != "" {
		t.props[propGateway].now = VTQ{
			Value: infotable.Text(infotable.TypeThingName, spec.Gateway), Time: p.now().UnixMilli(), Quality: qualityGood,
		}
	}
	return t
}

func (t *thing) addShape(m *model, name string) {
	if !slices.Contains(m.shapesOf(t.template, t.shapes), name) {
		t.shapes = append(t.shapes, name)
	}
}

// inherit makes the inherited properties those of the template and the present shapes.
func (t *thing) inherit(m *model) {
	wanted := map[string]bool{}
	for _, d := range m.inherited(t.template, t.shapes) {
		wanted[d.Name] = true
		if t.props[d.Name] == nil {
			p := &property{def: d, now: VTQ{Quality: qualityNone}}
			if d.Name == propConnected {
				p.now = VTQ{Value: infotable.Boolean(false), Quality: qualityGood}
			}
			t.props[d.Name] = p
			if d.Remote != nil {
				t.byEdge[d.Remote.EdgeName] = p
			}
		}
	}
	for name, p := range t.props {
		if p.def.From != "" && !wanted[name] {
			delete(t.props, name)
		}
	}
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
	if err := t.edgeFree(d); err != nil {
		return err
	}
	prop := &property{def: d, now: VTQ{Quality: qualityNone}}
	t.props[d.Name] = prop
	if d.Remote != nil {
		t.byEdge[d.Remote.EdgeName] = prop
	}
	return nil
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

// PropertyView is a property as it is at one moment.
type PropertyView struct {
	Definition
	VTQ
}

// ThingView is a Thing as it is at one moment.
type ThingView struct {
	Name, Template, Description, Tags, Project string

	Shapes     []string // of the template and added ones, sorted
	Enabled    bool
	System     bool
	Remote     bool // it can be bound
	Connected  bool
	Properties []PropertyView // sorted by name
	Changed    uint64         // see Platform.Changes
}

// Property returns the property of a name, false if there is none.
func (v *ThingView) Property(name string) (PropertyView, bool) {
	i, ok := slices.BinarySearchFunc(v.Properties, name, func(p PropertyView, n string) int {
		return strings.Compare(p.Name, n)
	})
	if !ok {
		return PropertyView{}, false
	}
	return v.Properties[i], true
}

// view copies the Thing; the caller holds its mutex.
func (t *thing) view(m *model) ThingView {
	v := ThingView{
		Name: t.name, Template: t.template, Description: t.description, Tags: t.tags, Project: t.project,
		Shapes: m.shapesOf(t.template, t.shapes), Enabled: t.enabled, System: t.system,
		Remote: m.isA(t.template, TemplateRemote), Changed: t.changed,
	}
	v.Properties = make([]PropertyView, 0, len(t.props))
	for _, p := range t.props {
		v.Properties = append(v.Properties, PropertyView{p.def, p.now})
	}
	slices.SortFunc(v.Properties, func(a, b PropertyView) int { return strings.Compare(a.Name, b.Name) })
	if p := t.props[propConnected]; p != nil {
		v.Connected, _ = p.now.Value.Boolean()
	}
	return v
}

// Thing returns a Thing as it is now.
func (p *Platform) Thing(name string) (ThingView, error) {
	t, err := p.find(name)
	if err != nil {
		return ThingView{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.view(p.model), nil
}

// Things returns the Things whose names contain part (case ignored), sorted, at most limit of them (0: all),
// and how many there are in all.
func (p *Platform) Things(part string, limit int) (views []ThingView, total int) {
	part = strings.ToLower(part)
	for _, t := range p.all() {
		if part != "" && !strings.Contains(strings.ToLower(t.name), part) {
			continue
		}
		total++
		if limit > 0 && len(views) == limit {
			continue
		}
		t.mu.Lock()
		views = append(views, t.view(p.model))
		t.mu.Unlock()
	}
	return views, total
}

// Changes returns those of the named Things that changed after mark, and the mark to ask with next time.
// Reshaped says that Things were added or removed since mark.
func (p *Platform) Changes(mark uint64, names []string) (changed []ThingView, next uint64, reshaped bool) {
	next = p.changes.Load() // before looking: a change made meanwhile is reported again, never lost
	for _, name := range names {
		p.mu.RLock()
		t := p.things[name]
		p.mu.RUnlock()
		if t == nil {
			continue
		}
		t.mu.Lock()
		if t.changed > mark {
			changed = append(changed, t.view(p.model))
		}
		t.mu.Unlock()
	}
	return changed, next, p.shape.Load() > mark
}
