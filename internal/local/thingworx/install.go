package thingworx

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"azx/extension/entity"
	"azx/internal/local/thingworx/importer"
	"azx/internal/local/thingworx/script"
)

// InstallOptions say how packages and exports are taken.
type InstallOptions struct {
	ValidateOnly bool // check everything and change nothing
	Silent       bool // do as a real platform: refuse without a reason, drop or keep broken what it does
}

// InstallReport says what was found and done.
type InstallReport struct {
	Packages []PackageReport
}

// PackageReport is about one package, or one export: that has no name.
type PackageReport struct {
	Name     string
	Version  string
	Previous string // version that it replaces, "" for none
	Entities int
	Problems []importer.Problem // why it was refused or, in silent mode, what a real platform does not say
}

// Install takes packages, or exports: all of them or, with an error, none. A package replaces an older version of itself:
// entities that it no longer has go, and what was set on its Things stays. It is on disk when Install returns. The error is a
// Refusal whose reason has a line for each problem.
func (p *Platform) Install(ctx context.Context, packages []*importer.Package, o InstallOptions) (InstallReport, error) {
	if err := p.Administers(ctx); err != nil {
		return InstallReport{}, err
	}
	p.defs.Lock()
	i := &installation{p: p, m: p.model.Load().clone(true), options: o, things: map[string]*thing{}, leaving: map[string]bool{}}
	err := i.prepare(packages)
	if err == nil && !o.ValidateOnly {
		i.commit()
	}
	p.defs.Unlock()
	if err != nil || o.ValidateOnly {
		return i.report, err
	}
	p.reshaped()
	for _, t := range i.fresh {
		p.arrived(ctx, t)
	}
	for _, t := range i.changed {
		p.changed(t)
		p.restarted(ctx, t)
	}
	if err := p.Save(); err != nil {
		return i.report, Refuse(Failed, "imported, but not kept on disk yet: %v", err)
	}
	return i.report, nil
}

// InstallZip is Install of a package, or a bundle of packages, as it is uploaded.
func (p *Platform) InstallZip(ctx context.Context, zip []byte, o InstallOptions) (InstallReport, error) {
	packages, err := importer.Read(zip)
	if err != nil {
		return InstallReport{}, Refuse(Invalid, "%v", err)
	}
	return p.Install(ctx, packages, o)
}

// installation is what becomes of the platform, until it is done.
type installation struct {
	p       *Platform
	m       *model
	options InstallOptions
	report  InstallReport
	things  map[string]*thing // Things of the packages as they will be
	leaving map[string]bool   // Things that go, or are replaced by those
	notes   []recordKey

	fresh, changed []*thing
}

func (i *installation) prepare(packages []*importer.Package) error {
	var refused importer.Problems
	for _, pkg := range packages {
		problems, err := i.take(pkg)
		if err != nil {
			return i.refusal(err)
		}
		refused = append(refused, problems...)
	}
	if len(refused) > 0 {
		return Refuse(Invalid, "%v", refused)
	}
	if err := i.m.enroll(); err != nil {
		return i.refusal(err)
	}
	if err := i.p.fits(i.m, i.leaving); err != nil {
		return i.refusal(err)
	}
	return nil
}

// refusal is why packages are refused as the options want it told.
func (i *installation) refusal(err error) error {
	if i.options.Silent {
		return Refuse(NotAcceptable, "%v", err)
	}
	return err
}

// take adds one package or export to what will be, unless there are problems.
func (i *installation) take(pkg *importer.Package) (importer.Problems, error) {
	report := PackageReport{Name: pkg.Info.Name, Version: pkg.Info.Version, Entities: len(namesOf(&pkg.Set))}
	defer func() { i.report.Packages = append(i.report.Packages, report) }()
	report.Problems = importer.Check(pkg, catalog{i.p, i.m, i}, checkScript)
	switch {
	case len(report.Problems) > 0 && !i.options.Silent:
		return report.Problems, nil
	case len(report.Problems) > 0:
		kept, ok := importer.Silently(pkg, report.Problems)
		if !ok {
			return nil, importer.Problems(report.Problems)
		}
		pkg = broken(kept)
	}
	var old *importer.Package
	at := slices.IndexFunc(i.m.packages, func(o *importer.Package) bool { return pkg.Info.Name != "" && o.Info.Name == pkg.Info.Name })
	if at >= 0 {
		old = i.m.packages[at]
		report.Previous = old.Info.Version
		i.m.packages = slices.Delete(slices.Clone(i.m.packages), at, at+1)
		i.withdraw(old, &pkg.Set)
	}
	if err := i.m.addPackage(pkg); err != nil {
		return nil, err
	}
	i.noteEntities(pkg)
	return nil, i.takeThings(pkg, old)
}

// checkScript says what is wrong with a script; the text begins with line:column.
func checkScript(code string) error {
	_, err := script.Compile("script", code)
	return err
}

// broken marks the scripts of a package that do not compile, as a platform has them that said nothing of it.
func broken(pkg *importer.Package) *importer.Package {
	for _, m := range pkg.Set.AllMembers() {
		for i := range m.Services {
			if s := &m.Services[i]; s.Code != "" && checkScript(s.Code) != nil {
				s.Handler = handlerBroken
			}
		}
		for i := range m.Subscriptions {
			if s := &m.Subscriptions[i]; checkScript(s.Code) != nil {
				s.Handler, s.Enabled = handlerBroken, false
			}
		}
	}
	return pkg
}

// withdraw takes out the entities of an old version that the new one does not have.
func (i *installation) withdraw(old *importer.Package, next *entity.Set) {
	kept := map[string]bool{}
	for _, e := range namesOf(next) {
		kept[grantKey(e.Kind, e.Name)] = true
	}
	for _, e := range namesOf(&old.Set) {
		key := grantKey(e.Kind, e.Name)
		switch {
		case kept[key]:
		case e.Kind == EntityThing:
			i.leaving[e.Name] = true
		default:
			i.m.remove(e.Kind, e.Name)
			i.notes = append(i.notes, recordKey{bucketEntities, key}, recordKey{bucketPermissions, key})
		}
	}
}

func (i *installation) noteEntities(pkg *importer.Package) {
	if pkg.Info.Name != "" {
		i.notes = append(i.notes, recordKey{bucketPackages, pkg.Info.Name})
	}
	for _, e := range namesOf(&pkg.Set) {
		if e.Kind == EntityThing {
			continue
		}
		key := grantKey(e.Kind, e.Name)
		i.notes = append(i.notes, recordKey{bucketPermissions, key})
		if pkg.Info.Name == "" || e.Kind == EntityGroup || e.Kind == EntityOrganization {
			i.notes = append(i.notes, recordKey{bucketEntities, key})
		}
	}
}

// addPackage adds the entities of a package, but Things, instead of those that have the same names.
func (m *model) addPackage(pkg *importer.Package) error {
	entries, err := entriesOf(&pkg.Set)
	if err != nil {
		return Refuse(Invalid, "%v", err)
	}
	for _, e := range entries {
		e.owner = pkg.Info.Name
		known := m.entry(e.kind, e.name())
		if known != nil {
			if err := m.mayReplace(known, pkg.Info.Name); err != nil {
				return err
			}
			e.keepMembers(known)
		}
		m.add(e)
		m.permit(e.kind, e.name(), e.about.Permissions)
	}
	if pkg.Info.Name != "" {
		m.packages = append(slices.Clip(m.packages), pkg)
	}
	return nil
}

// mayReplace refuses to replace what is not the package's; an export may replace what somebody made here.
func (m *model) mayReplace(known *entry, pkg string) error {
	what := string(known.kind) + "/" + known.name()
	switch {
	case known.owner == pkg && !known.system:
		return nil
	case known.system:
		return Refuse(Exists, "%s is built in", what)
	case known.owner == "":
		return Refuse(Exists, "%s exists already, and did not come with this package", what)
	default:
		return Refuse(Exists, "%s belongs to the package %s", what, known.owner)
	}
}

// keepMembers keeps those who were made members of a group or unit (read: group members survive a new import).
func (e *entry) keepMembers(known *entry) {
	switch now := e.source.(type) {
	case entity.Group:
		if before, ok := known.source.(entity.Group); ok {
			now.Members = merged(now.Members, before.Members)
			e.source = now
		}
	case entity.Organization:
		before, ok := known.source.(entity.Organization)
		if !ok {
			return
		}
		now.Units = slices.Clone(now.Units)
		for _, old := range before.Units {
			at := slices.IndexFunc(now.Units, func(u entity.Unit) bool { return u.Name == old.Name })
			if at < 0 {
				now.Units = append(now.Units, old)
				continue
			}
			now.Units[at].Members = merged(now.Units[at].Members, old.Members)
		}
		e.source = now
	}
}

// commit makes what was prepared the platform's; the caller holds defs.
func (i *installation) commit() {
	p := i.p
	for name := range i.leaving {
		if t, err := p.find(name); err == nil && i.things[name] == nil {
			p.drop(t)
			if err := p.opts.History.Purge(name); err != nil {
				p.log(context.Background(), "error", name, fmt.Sprintf("the history of a Thing that is gone stays: %v", err))
			}
		}
	}
	p.adopt(i.m, true)
	for name, t := range i.things {
		if known, err := p.find(name); err == nil {
			if known.template == t.template {
				known.become(t)
				p.identify(known)
				p.sources.put(known)
				i.changed = append(i.changed, known)
				continue
			}
			known.mu.Lock()
			t.keep(known)
			known.mu.Unlock()
			p.drop(known)
		}
		if err := p.insert(t); err != nil { // its name was free when it was prepared, and defs is held
			p.log(context.Background(), "error", name, err.Error())
			continue
		}
		i.fresh = append(i.fresh, t)
	}
	for _, note := range i.notes {
		p.unsaved.note(note.bucket, note.key)
	}
	byName := func(a, b *thing) int { return strings.Compare(a.name, b.name) }
	slices.SortFunc(i.fresh, byName)
	slices.SortFunc(i.changed, byName)
}
