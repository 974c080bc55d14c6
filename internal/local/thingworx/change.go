package thingworx

import (
	"context"
	"slices"
	"strings"

	"azx/extension/entity"
	"azx/internal/local/thingworx/security"
)

// change makes the next model and lets every Thing be of it: all of it or, with an error, nothing. Structural says that
// templates, shapes or data shapes may change.
func (p *Platform) change(structural bool, edit func(m *model) error) error {
	p.defs.Lock()
	m := p.model.Load().clone(structural)
	err := edit(m)
	if err == nil && structural {
		err = p.fits(m, nil)
	}
	if err == nil {
		p.adopt(m, structural)
	}
	p.defs.Unlock()
	if err == nil && structural {
		p.reshaped()
	}
	return err
}

// fits refuses a model that contradicts itself, or that the Things, but for those that leave, cannot be of.
func (p *Platform) fits(m *model, leaving map[string]bool) error {
	problems := m.problems()
	for _, t := range p.all() {
		if leaving[t.name] {
			continue
		}
		t.mu.Lock()
		problems = append(problems, t.misfits(m)...)
		t.mu.Unlock()
	}
	return refuseAll(problems)
}

// mostProblems bounds the problems that one reason tells.
const mostProblems = 20

func refuseAll(problems []string) error {
	if len(problems) == 0 {
		return nil
	}
	slices.Sort(problems)
	problems = slices.Compact(problems)
	if n := len(problems); n > mostProblems {
		problems = append(problems[:mostProblems:mostProblems], "and more")
	}
	return Refuse(Invalid, "%s", strings.Join(problems, "\n"))
}

// misfits says why a Thing cannot be of a model; the caller holds its mutex.
func (t *thing) misfits(m *model) []string {
	var out []string
	if m.template(t.template) == nil {
		return []string{"Thing " + t.name + ": its template " + t.template + " is not there"}
	}
	for _, s := range t.shapes {
		if m.shape(s) == nil {
			out = append(out, "Thing "+t.name+": its shape "+s+" is not there")
		}
	}
	if len(out) > 0 {
		return out
	}
	if err := t.conflict(m.class(t.template, t.shapes)); err != nil {
		out = append(out, err.Error())
	}
	m.missing("Thing "+t.name, t.own(), func(format string, args ...any) { out = append(out, Refuse(Invalid, format, args...).Reason) })
	for _, table := range t.tables {
		if _, ok := m.dataShape(table.dataShape); !ok {
			out = append(out, "Thing "+t.name+": configuration table "+table.name+": its data shape "+table.dataShape+" is not there")
		}
	}
	return out
}

// own returns what the Thing defines itself, but for configuration tables; the caller holds its mutex.
func (t *thing) own() *members {
	var m members
	for _, prop := range t.props {
		if prop.def.From == "" {
			m.properties = append(m.properties, *prop.def)
		}
	}
	for _, s := range t.services {
		m.services = append(m.services, s)
	}
	for _, e := range t.events {
		m.events = append(m.events, e)
	}
	return &m
}

// adopt makes m the platform's model; the caller holds defs, and m fits.
func (p *Platform) adopt(m *model, structural bool) {
	p.model.Store(m)
	if !structural {
		return
	}
	for _, t := range p.snapshot() {
		t.mu.Lock()
		t.inherit(m.class(t.template, t.shapes))
		t.resolve(m)
		t.changed = p.changes.Add(1)
		t.mu.Unlock()
		p.sources.put(t)
	}
}

// resolve finds the data shapes of own members anew; the caller holds the Thing's mutex.
func (t *thing) resolve(m *model) {
	for name, s := range t.services {
		if s.dataShape != "" {
			own := *s
			own.fields, _ = m.dataShape(s.dataShape)
			t.services[name] = &own
		}
	}
	for name, table := range t.tables {
		own := *table
		own.fields, _ = m.dataShape(table.dataShape)
		t.tables[name] = &own
	}
}

// reshaped is what follows when Things may have become others.
func (p *Platform) reshaped() {
	p.bindings.mu.Lock()
	var bound []string
	for name := range p.bindings.holders {
		bound = append(bound, name)
	}
	p.refreshBound(bound)
	p.bindings.mu.Unlock()
	for _, name := range bound {
		if t, err := p.find(name); err == nil {
			p.bindingsChanged(t)
		}
	}
	p.wakeTimers()
}

// noEntry says that there is no such entity.
func (m *model) noEntry(kind EntityKind, name string) error {
	for _, e := range m.sorted(kind) {
		if strings.EqualFold(e.name(), name) {
			return Refuse(NotFound, "there is no %s/%s (there is %q: case matters)", kind, shorten(name), e.name())
		}
	}
	if kind == EntityResource || kind == EntitySubsystem {
		var names []string
		for _, k := range []EntityKind{EntityResource, EntitySubsystem} {
			for _, e := range m.sorted(k) {
				names = append(names, string(k)+"/"+e.name())
			}
		}
		return Refuse(NotFound, "this platform has no %s/%s; it has %s", kind, shorten(name), list(names))
	}
	return Refuse(NotFound, "there is no %s/%s", kind, shorten(name))
}

// addEntry makes an entity that somebody made here.
func (m *model) addEntry(e *entry) error {
	if err := CheckEntityName(e.name()); err != nil {
		return err
	}
	for name := range m.entries[e.kind] {
		if strings.EqualFold(name, e.name()) {
			return Refuse(Exists, "create %s/%s: %s exists", e.kind, e.name(), name)
		}
	}
	m.add(e)
	m.permit(e.kind, e.name(), e.about.Permissions)
	return nil
}

// editable returns an entity that may be changed or deleted here, or the Refusal that says why it may not.
func (m *model) editable(kind EntityKind, name string) (*entry, error) {
	e := m.entry(kind, name)
	switch {
	case e == nil:
		return nil, m.noEntry(kind, name)
	case e.system:
		return nil, Refuse(Forbidden, "%s/%s is built in", kind, name)
	case e.owner != "":
		return nil, Refuse(Forbidden, "%s/%s belongs to the package %s", kind, name, e.owner)
	}
	return e, nil
}

// permit adds permissions to those that an entity has; nothing is taken away, as by an import (read).
func (m *model) permit(kind EntityKind, name string, add entity.Permissions) {
	sum := union(*m.permissions(kind, name), add)
	m.grants[grantKey(kind, name)] = &sum
}

func union(a, b entity.Permissions) entity.Permissions {
	return entity.Permissions{
		DesignTime: merged(a.DesignTime, b.DesignTime), RunTime: merged(a.RunTime, b.RunTime), Visibility: merged(a.Visibility, b.Visibility),
		InstanceDesignTime: merged(a.InstanceDesignTime, b.InstanceDesignTime), InstanceRunTime: merged(a.InstanceRunTime, b.InstanceRunTime),
		InstanceVisibility: merged(a.InstanceVisibility, b.InstanceVisibility),
	}
}

// merged is a with what b has besides; neither is changed.
func merged[T comparable](a, b []T) []T {
	out := slices.Clone(a)
	for _, one := range b {
		if !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return out
}

// createEntry makes an entity on behalf of somebody and keeps it.
func (p *Platform) createEntry(ctx context.Context, e *entry) error {
	if err := p.mayDesign(ctx, security.Create, e.kind, ""); err != nil {
		return err
	}
	err := p.change(isStructural(e.kind), func(m *model) error {
		if err := m.addEntry(e); err != nil {
			return err
		}
		return m.enrolled(e.kind)
	})
	if err == nil {
		p.unsaved.note(bucketEntities, grantKey(e.kind, e.name()))
	}
	return err
}

// deleteEntry deletes an entity that somebody made here.
func (p *Platform) deleteEntry(ctx context.Context, kind EntityKind, name string) error {
	if err := p.mayDesign(ctx, security.Delete, kind, name); err != nil {
		return err
	}
	err := p.change(isStructural(kind), func(m *model) error {
		if _, err := m.editable(kind, name); err != nil {
			return err
		}
		m.remove(kind, name)
		return m.enrolled(kind)
	})
	if err != nil {
		return Refuse(kindOr(err, Forbidden), "delete %s/%s: %v", kind, shorten(name), err)
	}
	p.unsaved.note(bucketEntities, grantKey(kind, name))
	p.unsaved.note(bucketPermissions, grantKey(kind, name))
	return nil
}

// enrolled makes the book anew if entities of a kind are in it.
func (m *model) enrolled(kind EntityKind) error {
	if kind == EntityUser || kind == EntityGroup || kind == EntityOrganization {
		return m.enroll()
	}
	return nil
}

func isStructural(kind EntityKind) bool {
	return kind == EntityTemplate || kind == EntityShape || kind == EntityDataShape
}

// kindOr is the kind of a Refusal, but for Invalid: that is kind.
func kindOr(err error, kind Kind) Kind {
	if k, ok := KindOf(err); ok && k != Invalid {
		return k
	}
	return kind
}
