package thingworx

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/importer"
	"azx/internal/local/thingworx/security"
)

// model is everything but Things: a snapshot that never changes once it is the platform's. Who changes something makes
// the next one with clone.
type model struct {
	generation uint64
	entries    map[EntityKind]map[string]*entry
	grants     map[string]*entity.Permissions // of all but Things, by grantKey; what was shipped and what was added
	packages   []*importer.Package            // in the order in which they were installed
	book       *security.Book
	classes    *sync.Map // of classKey: *class; shared by snapshots that differ in permissions and users only
}

// entry is an entity of the model. Which of the fields behind source are set depends on its kind.
type entry struct {
	kind   EntityKind
	about  entity.Common
	owner  string // package it came with, "" if it is built in or somebody made it here
	system bool   // built in
	source any    // an entity.ThingTemplate, entity.User and so on; nil if it is built in

	template *template
	shape    *shape
	fields   []infotable.Field // of a data shape
	services []*service        // of a Resource or Subsystem
}

func (e *entry) name() string { return e.about.Name }

// shape is a set of characteristics that templates and Things implement.
type shape struct {
	name        string
	description string
	members
}

// template is what Things are made of: its own characteristics, those of its base and of its shapes.
type template struct {
	name        string
	base        string
	description string
	shapes      []string
	stream      string // value stream of its Things
	tables      []configTable
	shipped     []entity.Table // rows that it brings
	members
}

// members are the characteristics that a shape, a template or a Thing defines itself.
type members struct {
	properties    []Definition
	services      []*service
	events        []EventDefinition
	subscriptions []*subscription
	bindings      []entity.RemoteProperty // of inherited properties
	calls         []entity.RemoteService  // of inherited services
}

// EventDefinition is an event that Things may fire.
type EventDefinition struct {
	entity.Event
	Remote *entity.RemoteEvent // nil: the edge knows nothing of it
	From   string              // template or shape that defines it; "" for the Thing's own
}

func grantKey(kind EntityKind, name string) string { return string(kind) + "/" + name }

func newModel() (*model, error) {
	m := &model{entries: map[EntityKind]map[string]*entry{}, grants: map[string]*entity.Permissions{}, classes: &sync.Map{}}
	for _, s := range builtinShapes() {
		m.add(&entry{kind: EntityShape, about: entity.Common{Name: s.name, Description: s.description}, system: true, shape: s})
	}
	for _, t := range builtinTemplates() {
		m.add(&entry{kind: EntityTemplate, about: entity.Common{Name: t.name, Description: t.description}, system: true, template: t})
	}
	for _, s := range builtinDataShapes() {
		e, err := compileDataShape(s)
		if err != nil {
			return nil, err
		}
		e.system, e.source = true, nil
		m.add(e)
	}
	for _, r := range builtinResources() {
		r.system = true
		m.add(r)
	}
	builtin := security.Builtin()
	for i := range builtin.Users {
		m.add(&entry{kind: EntityUser, about: builtin.Users[i].Common, system: true, source: builtin.Users[i]})
	}
	for i := range builtin.Groups {
		m.add(&entry{kind: EntityGroup, about: builtin.Groups[i].Common, system: true, source: builtin.Groups[i]})
	}
	for i := range builtin.Organizations {
		m.add(&entry{kind: EntityOrganization, about: builtin.Organizations[i].Common, system: true, source: builtin.Organizations[i]})
	}
	m.seeVisible()
	return m, m.enroll()
}

// seeVisible shows what is built in to everyone, and lets everyone ask who he is (inferred).
func (m *model) seeVisible() {
	everyone := []entity.Principal{{Name: security.Everyone, Type: security.TypeOrganization}}
	for _, kind := range []EntityKind{EntityTemplate, EntityShape, EntityDataShape, EntityResource, EntitySubsystem} {
		for name := range m.entries[kind] {
			m.grants[grantKey(kind, name)] = &entity.Permissions{Visibility: everyone}
		}
	}
	m.grants[grantKey(EntityResource, resourceSession)].RunTime = []entity.Grant{{Resource: security.All,
		Right: string(security.ServiceInvoke), Principal: entity.Principal{Name: security.Users, Type: security.TypeGroup}, Permitted: true}}
}

// clone returns the next snapshot, to be changed and then made the platform's. Structural says that templates, shapes or
// data shapes may change, so that nothing may be kept of how Things are composed.
func (m *model) clone(structural bool) *model {
	next := &model{generation: m.generation + 1, entries: make(map[EntityKind]map[string]*entry, len(m.entries)),
		grants: maps.Clone(m.grants), packages: slices.Clone(m.packages), book: m.book, classes: m.classes}
	for kind, byName := range m.entries {
		next.entries[kind] = maps.Clone(byName)
	}
	if structural {
		next.classes = &sync.Map{}
	}
	return next
}

func (m *model) add(e *entry) {
	if m.entries[e.kind] == nil {
		m.entries[e.kind] = map[string]*entry{}
	}
	m.entries[e.kind][e.name()] = e
}

func (m *model) remove(kind EntityKind, name string) {
	delete(m.entries[kind], name)
	delete(m.grants, grantKey(kind, name))
}

// enroll makes the book anew, after users, groups or organizations changed.
func (m *model) enroll() error {
	var users []entity.User
	var groups []entity.Group
	var organizations []entity.Organization
	for _, e := range m.entries[EntityUser] {
		users = append(users, e.source.(entity.User))
	}
	for _, e := range m.entries[EntityGroup] {
		groups = append(groups, e.source.(entity.Group))
	}
	for _, e := range m.entries[EntityOrganization] {
		organizations = append(organizations, e.source.(entity.Organization))
	}
	book, err := security.NewBook(users, groups, organizations)
	if err != nil {
		return Refuse(Invalid, "%v", err)
	}
	m.book = book
	return nil
}

// entry returns an entity of the model, nil if there is none.
func (m *model) entry(kind EntityKind, name string) *entry { return m.entries[kind][name] }

func (m *model) template(name string) *template {
	if e := m.entries[EntityTemplate][name]; e != nil {
		return e.template
	}
	return nil
}

func (m *model) shape(name string) *shape {
	if e := m.entries[EntityShape][name]; e != nil {
		return e.shape
	}
	return nil
}

// dataShape returns the columns of a data shape; false if there is none of that name.
func (m *model) dataShape(name string) ([]infotable.Field, bool) {
	e := m.entries[EntityDataShape][name]
	if e == nil {
		return nil, false
	}
	return e.fields, true
}

// sorted returns the entities of a collection, sorted by name.
func (m *model) sorted(kind EntityKind) []*entry {
	return slices.SortedFunc(maps.Values(m.entries[kind]), func(a, b *entry) int { return strings.Compare(a.name(), b.name()) })
}

// permissions returns those of an entity; they must not be changed.
func (m *model) permissions(kind EntityKind, name string) *entity.Permissions {
	if p := m.grants[grantKey(kind, name)]; p != nil {
		return p
	}
	return &entity.Permissions{}
}

// lineage returns the template and its bases, the template first.
func (m *model) lineage(name string) []*template {
	var out []*template
	for t := m.template(name); t != nil && len(out) < maxLineage; t = m.template(t.base) {
		out = append(out, t)
	}
	return out
}

// maxLineage bounds how deep templates may be based on each other.
const maxLineage = 32

func local(name string, t infotable.BaseType, description string) Definition {
	return Definition{Name: name, Type: t, Description: description}
}
