package thingworx

import (
	"context"

	"azx/extension/entity"
)

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
	if t := on.thing; t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		out, err := t.exported()
		if err != nil {
			return nil, err
		}
		set.Things = []entity.Thing{out}
		return set.XML(), nil
	}
	permissions := *p.permissionsOf(on)
	switch source := on.entry.source.(type) {
	case entity.ThingTemplate:
		source.Permissions = permissions
		set.ThingTemplates = []entity.ThingTemplate{source}
	case entity.ThingShape:
		source.Permissions = permissions
		set.ThingShapes = []entity.ThingShape{source}
	case entity.DataShape:
		source.Permissions = permissions
		set.DataShapes = []entity.DataShape{source}
	case entity.Group:
		source.Permissions = permissions
		set.Groups = []entity.Group{source}
	case entity.Organization:
		source.Permissions = permissions
		set.Organizations = []entity.Organization{source}
	case entity.User:
		source.Permissions = permissions
		set.Users = []entity.User{source}
	case entity.Project:
		source.Permissions = permissions
		set.Projects = []entity.Project{source}
	case entity.Document:
		set.Documents = []entity.Document{source}
	default:
		return nil, Refuse(Forbidden, "export %s: it is built in, or has no definition", on)
	}
	return set.XML(), nil
}
