package thingworx

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"azx/extension/entity"
	"azx/internal/local/thingworx/importer"
)

// EntityName names an entity of a package.
type EntityName struct {
	Kind        EntityKind
	Name        string
	Description string
}

// PackageView is an installed package.
type PackageView struct {
	entity.Package
	Entities []EntityName // in the order of its collections
}

// namesOf lists what a set has.
func namesOf(s *entity.Set) []EntityName {
	var out []EntityName
	for collection, e := range s.All() {
		out = append(out, EntityName{EntityKind(collection), e.Name, e.Description})
	}
	return out
}

// Packages returns the installed packages, in the order in which they were installed.
func (p *Platform) Packages() []PackageView {
	var out []PackageView
	for _, pkg := range p.model.Load().packages {
		out = append(out, PackageView{pkg.Info, namesOf(&pkg.Set)})
	}
	return out
}

// Package returns an installed package.
func (p *Platform) Package(name string) (PackageView, error) {
	for _, v := range p.Packages() {
		if v.Name == name {
			return v, nil
		}
	}
	return PackageView{}, Refuse(NotFound, "there is no package %q", shorten(name))
}

// singular is what services call a type by (read).
func singular(kind EntityKind) string {
	if base, ok := strings.CutSuffix(string(kind), "ies"); ok {
		return base + "y"
	}
	return strings.TrimSuffix(string(kind), "s")
}

// without returns the model and the Things that a package leaves behind; the caller holds defs.
func (p *Platform) without(name string) (*model, map[string]bool, error) {
	m := p.model.Load().clone(true)
	at := slices.IndexFunc(m.packages, func(o *importer.Package) bool { return o.Info.Name == name })
	if at < 0 {
		return nil, nil, Refuse(NotFound, "there is no package %q", shorten(name))
	}
	leaving := map[string]bool{}
	for _, e := range namesOf(&m.packages[at].Set) {
		if e.Kind == EntityThing {
			leaving[e.Name] = true
			continue
		}
		m.remove(e.Kind, e.Name)
	}
	m.packages = slices.Delete(slices.Clone(m.packages), at, at+1)
	return m, leaving, m.enroll()
}

// packageUses says what would be wrong without a package.
func (p *Platform) packageUses(name string) ([]string, error) {
	p.defs.RLock()
	defer p.defs.RUnlock()
	m, leaving, err := p.without(name)
	if err != nil {
		return nil, err
	}
	if err := p.fits(m, leaving); err != nil {
		return strings.Split(err.Error(), "\n"), nil
	}
	return nil, nil
}

// DeletePackage deletes a package with its entities. It is refused, with what uses them, while something does.
func (p *Platform) DeletePackage(ctx context.Context, name string) error {
	if err := p.Administers(ctx); err != nil {
		return err
	}
	p.defs.Lock()
	m, leaving, err := p.without(name)
	if err == nil {
		if err = p.fits(m, leaving); err != nil {
			err = Refuse(Forbidden, "delete package %s: it is in use:\n%v", name, err)
		}
	}
	var gone []EntityName
	if err == nil {
		found, _ := p.Package(name) // it was there a moment ago, and defs is held
		gone = found.Entities
		for thing := range leaving {
			if t, err := p.find(thing); err == nil {
				p.drop(t)
			}
		}
		p.adopt(m, true)
	}
	p.defs.Unlock()
	if err != nil {
		return err
	}
	p.unsaved.note(bucketPackages, name)
	for _, e := range gone {
		p.unsaved.note(bucketEntities, grantKey(e.Kind, e.Name))
		p.unsaved.note(bucketPermissions, grantKey(e.Kind, e.Name))
	}
	p.reshaped()
	for thing := range leaving {
		if err := p.opts.History.Purge(thing); err != nil {
			return fmt.Errorf("delete package %s: the history of %s stays: %w", name, thing, err)
		}
	}
	return nil
}

// catalog is what the importer may know of a model and its Things.
type catalog struct {
	p *Platform
	m *model
	i *installation
}

// Has reports whether there is an entity, and the package that it came with.
func (c catalog) Has(collection, name string) (pkg string, ok bool) {
	if EntityKind(collection) == EntityThing {
		if t := c.i.things[name]; t != nil {
			return t.pkg, true
		}
		t, err := c.p.find(name)
		if err != nil || c.i.leaving[name] {
			return "", false
		}
		return t.pkg, true
	}
	e := c.m.entry(EntityKind(collection), name)
	if e == nil {
		return "", false
	}
	return e.owner, true
}

// Package returns the version of an installed package.
func (c catalog) Package(name string) (version string, ok bool) {
	if info := c.m.packageOf(name); info != nil {
		return info.Version, true
	}
	return "", false
}

// PlatformVersion is the version that packages compare theirs with.
func (c catalog) PlatformVersion() string { return strings.TrimSuffix(Version, "-azx") }

// Table reports whether a Thing or template has a configuration table.
func (c catalog) Table(collection, name, table string) bool {
	switch EntityKind(collection) {
	case EntityTemplate:
		return c.m.class(name, nil).tables[table] != nil
	case EntityThing:
		t := c.i.things[name]
		if t == nil {
			t, _ = c.p.find(name)
		}
		if t == nil {
			return false
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.tables[table] != nil || t.class.tables[table] != nil
	}
	return false
}
