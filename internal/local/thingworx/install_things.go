package thingworx

import (
	"maps"
	"slices"

	"azx/extension/entity"
	"azx/internal/local/thingworx/importer"
)

// takeThings prepares the Things of a package; old is the version that it replaces, nil for none.
func (i *installation) takeThings(pkg, old *importer.Package) error {
	for n := range pkg.Set.Things {
		in := pkg.Set.Things[n]
		known, _ := i.p.find(in.Name) // nil if there is none
		if known != nil {
			if err := known.mayReplace(pkg.Info.Name); err != nil {
				return err
			}
			in = known.upgraded(in, shippedThing(old, in.Name))
		}
		spec, err := specOf(&in)
		if err != nil {
			return err
		}
		spec.pkg = pkg.Info.Name
		if known != nil {
			spec.owner = known.owner
		}
		t, err := i.p.build(i.m, spec)
		if err != nil {
			return err
		}
		if err := i.p.vacant(t, known); err != nil {
			return err
		}
		i.things[in.Name], i.leaving[in.Name] = t, true
		i.notes = append(i.notes, recordKey{bucketThings, in.Name}, recordKey{bucketValues, in.Name})
	}
	return nil
}

func shippedThing(pkg *importer.Package, name string) *entity.Thing {
	if pkg == nil {
		return nil
	}
	for i := range pkg.Set.Things {
		if pkg.Set.Things[i].Name == name {
			return &pkg.Set.Things[i]
		}
	}
	return nil
}

func (t *thing) mayReplace(pkg string) error {
	switch {
	case t.system:
		return Refuse(Exists, "Thing %s is built in", t.name)
	case t.pkg == pkg:
		return nil
	case t.pkg == "":
		return Refuse(Exists, "Thing %s exists already, and did not come with this package", t.name)
	default:
		return Refuse(Exists, "Thing %s belongs to the package %s", t.name, t.pkg)
	}
}

// vacant refuses a Thing whose name or identifier another one has.
func (p *Platform) vacant(t, known *thing) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if known == nil {
		for name := range p.things {
			if fold(name) == fold(t.name) {
				return Refuse(Exists, "create Thing %s: Thing %s exists, and names must differ in more than case", t.name, name)
			}
		}
		if len(p.things) >= p.opts.Things {
			return Refuse(Forbidden, "create Thing %s: this platform is limited to %d Things", t.name, p.opts.Things)
		}
	}
	if other := p.identifiers[t.identifier]; other != "" && other != t.name {
		return Refuse(Exists, "create Thing %s: its identifier %q is that of Thing %s", t.name, shorten(t.identifier), other)
	}
	return nil
}

// upgraded is the Thing as its package now has it, with what was added to it here: before is how the version that was
// installed had it, nil for what an export replaces as a whole.
func (t *thing) upgraded(next entity.Thing, before *entity.Thing) entity.Thing {
	t.mu.Lock()
	now := t.definition()
	t.mu.Unlock()
	next.Permissions = union(next.Permissions, now.Permissions)
	if before == nil {
		return next
	}
	next.Enabled = now.Enabled
	next.Shapes = added(next.Shapes, now.Shapes, before.Shapes, func(s string) string { return s })
	next.Properties = added(next.Properties, now.Properties, before.Properties, func(d entity.Property) string { return d.Name })
	next.RemoteProperties = added(next.RemoteProperties, now.RemoteProperties, before.RemoteProperties, func(b entity.RemoteProperty) string { return b.Name })
	next.Services = added(next.Services, now.Services, before.Services, func(s entity.Service) string { return s.Name })
	next.RemoteServices = added(next.RemoteServices, now.RemoteServices, before.RemoteServices, func(b entity.RemoteService) string { return b.Name })
	next.Events = added(next.Events, now.Events, before.Events, func(e entity.Event) string { return e.Name })
	next.RemoteEvents = added(next.RemoteEvents, now.RemoteEvents, before.RemoteEvents, func(b entity.RemoteEvent) string { return b.Name })
	next.Subscriptions = added(next.Subscriptions, now.Subscriptions, before.Subscriptions, func(s entity.Subscription) string { return s.Name })
	next.Definitions = added(next.Definitions, now.Definitions, before.Definitions, func(d entity.TableDefinition) string { return d.Name })
	if now.ValueStream != before.ValueStream {
		next.ValueStream = now.ValueStream
	}
	if now.Identifier != before.Identifier {
		next.Identifier = now.Identifier
	}
	return next
}

// added is next with what now has besides before.
func added[T any](next, now, before []T, name func(T) string) []T {
	known := map[string]bool{}
	for _, one := range slices.Concat(next, before) {
		known[name(one)] = true
	}
	out := slices.Clone(next)
	for _, one := range now {
		if !known[name(one)] {
			out = append(out, one)
		}
	}
	return out
}

// become makes the Thing what next is; what was set on it stays as keep says.
func (t *thing) become(next *thing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next.keep(t)
	t.about, t.owner, t.pkg, t.identifier, t.stream = next.about, next.owner, next.pkg, next.identifier, next.stream
	t.enabled, t.published, t.shapes, t.class = next.enabled, next.published, next.shapes, next.class
	t.props, t.byEdge, t.services, t.events = next.props, next.byEdge, next.services, next.events
	t.bindings, t.calls = next.bindings, next.calls
	t.subscriptions, t.tables, t.shipped, t.config = next.subscriptions, next.tables, next.shipped, next.config
	t.access, t.group.stale = access{}, true
	t.watch()
}

// keep takes over what was set on a Thing, and its dynamic subscriptions; the caller holds the other's mutex. Values and
// configuration tables that an export brings count instead of what was set; those of a package do not.
func (t *thing) keep(old *thing) {
	t.config = maps.Clone(old.config)
	if t.pkg == "" {
		for i := range t.shipped {
			delete(t.config, t.shipped[i].Name)
		}
	}
	for name, prop := range t.props {
		before := old.props[name]
		if before == nil || before.now.Value.IsNothing() || t.pkg == "" && prop.now.Quality != qualityNone && name != propConnected {
			continue
		}
		if v, err := fit(prop.def.Type, before.now.Value); err == nil {
			prop.now = VTQ{v, before.now.Time, before.now.Quality}
		}
	}
	for _, s := range old.subscriptions {
		if s.service != "" {
			t.subscriptions = append(t.subscriptions, s)
		}
	}
}
