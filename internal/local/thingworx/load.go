package thingworx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/importer"
	"azx/internal/local/thingworx/store"
)

// savedPackage is a package as it is kept.
type savedPackage struct {
	Place   int               `json:"place"` // among the others, in the order in which they were installed
	Package *importer.Package `json:"package"`
}

func (m *model) packageRecord(name string) ([]byte, error) {
	for i, p := range m.packages {
		if p.Info.Name == name {
			return json.Marshal(savedPackage{i, p})
		}
	}
	return nil, nil
}

func splitKey(key string) (EntityKind, string) {
	kind, name, _ := strings.Cut(key, "/")
	return EntityKind(kind), name
}

// saved is what a store kept, by bucket.
type saved struct {
	meta        map[string][]byte
	packages    []savedPackage
	entities    []store.Record
	permissions []store.Record
	things      []*savedThing
	values      map[string]map[string]savedValue
	keys        []*appKey
}

// load takes up what the store kept, and makes what every state has.
func (p *Platform) load() error {
	kept := saved{meta: map[string][]byte{}, values: map[string]map[string]savedValue{}}
	if p.opts.Store != nil {
		if err := p.opts.Store.Load(kept.take); err != nil {
			return err
		}
	}
	version, found := kept.meta[keyVersion]
	if found && string(version) != stateVersion {
		return fmt.Errorf("its state has version %q, this program knows version %s", version, stateVersion)
	}
	var err error
	if p.secret, err = newSecret(kept.meta[keyEncryption]); err != nil {
		return err
	}
	if !found {
		p.unsaved.note(bucketMeta, keyVersion)
		p.unsaved.note(bucketMeta, keyEncryption)
	}
	if err := p.restoreModel(&kept); err != nil {
		return err
	}
	return p.restoreThings(&kept)
}

func (s *saved) take(r store.Record) error {
	err := s.decode(r)
	if err != nil {
		return fmt.Errorf("%s %q: %w", r.Bucket, r.Key, err)
	}
	return nil
}

func (s *saved) decode(r store.Record) error {
	switch r.Bucket {
	case bucketMeta:
		s.meta[r.Key] = r.Value
	case bucketPackages:
		var in savedPackage
		if err := json.Unmarshal(r.Value, &in); err != nil || in.Package == nil {
			return errors.Join(err, errors.New("no package"))
		}
		s.packages = append(s.packages, in)
	case bucketEntities:
		s.entities = append(s.entities, r)
	case bucketPermissions:
		s.permissions = append(s.permissions, r)
	case bucketThings:
		in := &savedThing{}
		s.things = append(s.things, in)
		return json.Unmarshal(r.Value, in)
	case bucketValues:
		in := map[string]savedValue{}
		s.values[r.Key] = in
		return json.Unmarshal(r.Value, &in)
	case bucketKeys:
		in := &appKey{}
		s.keys = append(s.keys, in)
		return json.Unmarshal(r.Value, in)
	default:
		return errors.New("this program knows no such bucket")
	}
	return nil
}

// restoreModel makes the model of what was kept: packages first, then what was made or changed here.
func (p *Platform) restoreModel(kept *saved) error {
	return p.change(true, func(m *model) error {
		slices.SortFunc(kept.packages, func(a, b savedPackage) int { return a.Place - b.Place })
		for _, in := range kept.packages {
			if err := m.addPackage(in.Package); err != nil {
				return fmt.Errorf("package %s: %w", in.Package.Info.Name, err)
			}
		}
		for _, r := range kept.entities {
			if err := m.restoreEntry(r); err != nil {
				return fmt.Errorf("%s: %w", r.Key, err)
			}
		}
		for _, r := range kept.permissions {
			permissions := &entity.Permissions{}
			if err := json.Unmarshal(r.Value, permissions); err != nil {
				return fmt.Errorf("permissions of %s: %w", r.Key, err)
			}
			m.grants[r.Key] = permissions
		}
		for _, k := range kept.keys {
			m.add(k.entry())
			p.keys.put(k)
		}
		return m.enroll()
	})
}

// restoreEntry takes up an entity that somebody made here, or a changed one that is built in or of a package.
func (m *model) restoreEntry(r store.Record) error {
	kind, name := splitKey(r.Key)
	e, err := decodeEntry(kind, r.Value)
	if err != nil {
		return err
	}
	if known := m.entry(kind, name); known != nil {
		e.system, e.owner = known.system, known.owner
	}
	m.add(e)
	return nil
}

func decodeEntry(kind EntityKind, raw []byte) (*entry, error) {
	var set entity.Set
	var err error
	switch kind {
	case EntityTemplate:
		set.ThingTemplates = make([]entity.ThingTemplate, 1)
		err = json.Unmarshal(raw, &set.ThingTemplates[0])
	case EntityShape:
		set.ThingShapes = make([]entity.ThingShape, 1)
		err = json.Unmarshal(raw, &set.ThingShapes[0])
	case EntityDataShape:
		set.DataShapes = make([]entity.DataShape, 1)
		err = json.Unmarshal(raw, &set.DataShapes[0])
	case EntityUser:
		set.Users = make([]entity.User, 1)
		err = json.Unmarshal(raw, &set.Users[0])
	case EntityGroup:
		set.Groups = make([]entity.Group, 1)
		err = json.Unmarshal(raw, &set.Groups[0])
	case EntityOrganization:
		set.Organizations = make([]entity.Organization, 1)
		err = json.Unmarshal(raw, &set.Organizations[0])
	case EntityProject:
		set.Projects = make([]entity.Project, 1)
		err = json.Unmarshal(raw, &set.Projects[0])
	default:
		set.Documents = make([]entity.Document, 1)
		err = json.Unmarshal(raw, &set.Documents[0])
	}
	if err != nil {
		return nil, err
	}
	entries, err := entriesOf(&set)
	if err != nil {
		return nil, err
	}
	return entries[0], nil
}

// restoreThings makes the Things that were kept. One that is built in is replaced.
func (p *Platform) restoreThings(kept *saved) error {
	ctx := context.Background()
	for _, in := range kept.things {
		spec, err := specOf(&in.Thing)
		if err != nil {
			return err
		}
		spec.owner, spec.pkg = in.Owner, in.Package
		if seeded, err := p.find(in.Name); err == nil && seeded.system {
			spec.system = true
			p.drop(seeded)
		}
		t, err := p.build(p.model.Load(), spec)
		if err == nil {
			err = t.restore(in.Config, kept.values[in.Name])
		}
		if err == nil {
			err = p.insert(t)
		}
		if err != nil {
			return fmt.Errorf("restore Thing %s: %w", in.Name, err)
		}
	}
	for name, values := range kept.values { // of Things that are built in and were never changed
		t, err := p.find(name)
		if err != nil {
			continue
		}
		if err := t.restore(nil, values); err != nil {
			return fmt.Errorf("restore Thing %s: %w", name, err)
		}
	}
	for _, t := range p.snapshot() {
		p.started(ctx, t)
	}
	return nil
}

// restore takes up configuration tables and values.
func (t *thing) restore(config map[string][]byte, values map[string]savedValue) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, raw := range config {
		v, _, err := infotable.DecodeValue(raw, infotable.Limits{})
		table, ok := v.Table()
		if err != nil || !ok {
			return fmt.Errorf("configuration table %s: it is no table (%v)", name, err)
		}
		if t.config == nil {
			t.config = map[string]*infotable.Table{}
		}
		t.config[name] = table
	}
	for name, in := range values {
		prop := t.props[name]
		if prop == nil {
			continue
		}
		v, _, err := infotable.DecodeValue(in.Value, infotable.Limits{})
		if err == nil && !v.IsNothing() {
			v, err = fit(prop.def.Type, v)
		}
		if err != nil {
			return fmt.Errorf("value of %s: %w", name, err)
		}
		prop.now = VTQ{v, in.Time, in.Quality}
	}
	return nil
}
