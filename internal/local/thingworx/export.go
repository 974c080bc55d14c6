package thingworx

import (
	"context"
	"slices"

	"azx/extension/entity"
)

// maxExported is how many entities one export may have; more could not be imported again.
const maxExported = 20_000

// Export gives an entity as XML that can be imported: with its permissions and, of a Thing, the present values and
// configuration tables; passwords stay encrypted with this platform's key.
func (p *Platform) Export(ctx context.Context, kind EntityKind, name string) ([]byte, error) {
	if err := p.Administers(ctx); err != nil {
		return nil, err
	}
	on, err := p.subjectOf(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	var set entity.Set
	if err := p.export(on, &set); err != nil {
		return nil, err
	}
	return set.XML(), nil
}

// ExportAll is Export of a collection, or of all ("") but application keys; a project other than "" takes that
// project and its entities only. What is built in is left out.
func (p *Platform) ExportAll(ctx context.Context, kind EntityKind, project string) ([]byte, error) {
	if err := p.Administers(ctx); err != nil {
		return nil, err
	}
	kinds := []EntityKind{kind}
	if kind == "" {
		kinds = p.Collections()
	}
	var set entity.Set
	exported := 0
	for _, k := range kinds {
		if k == EntityApplicationKey {
			continue
		}
		for _, e := range p.Entities(ctx, k) {
			if e.System || project != "" && e.Project != project && (k != EntityProject || e.Name != project) {
				continue
			}
			if exported++; exported > maxExported {
				return nil, Refuse(Forbidden, "an export has %d entities at most: export collections, or projects with ?projectName=, one by one", maxExported)
			}
			on, err := p.subjectOf(ctx, k, e.Name)
			if kindOr(err, Failed) == NotFound {
				continue // deleted meanwhile
			}
			if err == nil {
				err = p.export(on, &set)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return set.XML(), nil
}

// export adds an entity to a set.
func (p *Platform) export(on subject, set *entity.Set) error {
	if t := on.thing; t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		out, err := t.exported()
		if err != nil {
			return err
		}
		out.Members = asImported(out.Members)
		set.Things = append(set.Things, out)
		return nil
	}
	permissions := *p.permissionsOf(on)
	switch source := on.entry.source.(type) {
	case entity.ThingTemplate:
		source.Permissions, source.Members = permissions, asImported(source.Members)
		set.ThingTemplates = append(set.ThingTemplates, source)
	case entity.ThingShape:
		source.Permissions, source.Members = permissions, asImported(source.Members)
		set.ThingShapes = append(set.ThingShapes, source)
	case entity.DataShape:
		source.Permissions = permissions
		set.DataShapes = append(set.DataShapes, source)
	case entity.Group:
		source.Permissions = permissions
		set.Groups = append(set.Groups, source)
	case entity.Organization:
		source.Permissions = permissions
		set.Organizations = append(set.Organizations, source)
	case entity.User:
		source.Permissions = permissions
		set.Users = append(set.Users, source)
	case entity.Project:
		source.Permissions = permissions
		set.Projects = append(set.Projects, source)
	case entity.Document:
		set.Documents = append(set.Documents, source)
	default:
		return Refuse(Forbidden, "export %s: it is built in, or has no definition", on)
	}
	return nil
}

// asImported shows what was imported in silent mode and does not compile as the scripts that they are.
func asImported(m entity.Members) entity.Members {
	m.Services, m.Subscriptions = slices.Clone(m.Services), slices.Clone(m.Subscriptions)
	for i := range m.Services {
		if m.Services[i].Handler == handlerBroken {
			m.Services[i].Handler = handlerScript
		}
	}
	for i := range m.Subscriptions {
		if m.Subscriptions[i].Handler == handlerBroken {
			m.Subscriptions[i].Handler = handlerScript
		}
	}
	return m
}
