package thingworx

import (
	"encoding/json"
	"slices"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/security"
)

// modelServices are those of EntityServices for entities other than Things; parameters are the platform's own (read).
func modelServices() []*service {
	name, project := required("name", tString), optional("projectName", tString)
	description, tags := optional("description", tString), optional("tags", tTags)
	create := func(called, what string, run func(*Platform, *call) (infotable.Value, error), params ...Param) *service {
		return native(called, what, slices.Concat([]Param{name, description, project, tags}, params), tNothing, run)
	}
	remove := func(called string, kind EntityKind, t infotable.BaseType) *service {
		return native(called, "Delete an entity that nothing uses", []Param{required("name", t)}, tNothing,
			func(p *Platform, c *call) (infotable.Value, error) {
				return nothing(), p.deleteEntry(c.ctx, kind, c.text("name"))
			})
	}
	shape := required("thingShapeName", infotable.TypeThingShapeName)
	return []*service{
		create("CreateThingTemplate", "Create a template", createTemplate, required("thingTemplateName", infotable.TypeThingTemplateName)),
		create("CreateThingShape", "Create a shape", createShape),
		create("CreateDataShape", "Create a data shape; fields has the columns name and baseType", createDataShape, optional("fields", tTable)),
		create("CreateGroup", "Create a group", createGroup),
		create("CreateUser", "Create a user", createUser, optional("password", infotable.TypePassword)),
		create("CreateOrganization", "Create an organization", createOrganization, optional("topOUName", tString), optional("topOUDescription", tString)),
		create("CreateProject", "Create a project", createProject, optional("dependsOn", tString), optional("type", tString)),
		create("CreateApplicationKey", "Create an application key", createApplicationKey, required("user", infotable.TypeUserName),
			optional("expirationDate", tDateTime), optional("whitelist", tString), optional("clientName", tString)),
		remove("DeleteThingTemplate", EntityTemplate, infotable.TypeThingTemplateName),
		remove("DeleteThingShape", EntityShape, infotable.TypeThingShapeName),
		remove("DeleteDataShape", EntityDataShape, infotable.TypeDataShapeName),
		remove("DeleteGroup", EntityGroup, infotable.TypeGroupName),
		remove("DeleteUser", EntityUser, infotable.TypeUserName),
		remove("DeleteOrganization", EntityOrganization, infotable.TypeOrganizationName),
		remove("DeleteProject", EntityProject, tString),
		native("DeleteApplicationKey", "Delete an application key", []Param{name}, tNothing, deleteApplicationKey),
		native("AddShapeToThingTemplate", "Let Things of a template implement a shape", []Param{name, shape}, tNothing, addShapeToTemplate),
		native("RemoveShapeFromThingTemplate", "Take a shape from a template", []Param{name, shape}, tNothing, removeShapeFromTemplate),
		native("ReadEntityDefinitionAsJSON", "An entity as it was defined", []Param{name, required("type", tString)}, tJSON, readEntityDefinition),
	}
}

// aboutOf reads the parameters that all entities have.
func aboutOf(c *call) entity.Common {
	return entity.Common{Name: c.text("name"), Description: c.text("description"), Project: c.text("projectName"), Tags: c.text("tags")}
}

func createTemplate(p *Platform, c *call) (infotable.Value, error) {
	e, err := compileTemplate(entity.ThingTemplate{Common: aboutOf(c), Base: c.text("thingTemplateName")})
	if err != nil {
		return nothing(), err
	}
	return nothing(), p.createEntry(c.ctx, e)
}

func createShape(p *Platform, c *call) (infotable.Value, error) {
	e, err := compileShape(entity.ThingShape{Common: aboutOf(c)})
	if err != nil {
		return nothing(), err
	}
	return nothing(), p.createEntry(c.ctx, e)
}

func createDataShape(p *Platform, c *call) (infotable.Value, error) {
	in := entity.DataShape{Common: aboutOf(c)}
	params, err := fieldDefinitions(c.table("fields"))
	if err != nil {
		return nothing(), Refuse(Invalid, "data shape %s: %v", shorten(in.Name), err)
	}
	fields := c.table("fields")
	for i, param := range params {
		f := entity.Field{Name: param.Name, BaseType: param.Type.String(), Ordinal: i}
		if key, _ := fields.At(i, aspectPrimaryKey).Boolean(); key {
			f.Aspects = map[string]string{aspectPrimaryKey: "true"}
		}
		in.Fields = append(in.Fields, f)
	}
	e, err := compileDataShape(in)
	if err != nil {
		return nothing(), err
	}
	return nothing(), p.createEntry(c.ctx, e)
}

func createGroup(p *Platform, c *call) (infotable.Value, error) {
	about := aboutOf(c)
	return nothing(), p.createEntry(c.ctx, &entry{kind: EntityGroup, about: about, source: entity.Group{Common: about}})
}

// createUser makes a user who logs in with application keys only: passwords are not kept here.
func createUser(p *Platform, c *call) (infotable.Value, error) {
	about := aboutOf(c)
	return nothing(), p.createEntry(c.ctx, &entry{kind: EntityUser, about: about, source: entity.User{Common: about, Enabled: true}})
}

func createOrganization(p *Platform, c *call) (infotable.Value, error) {
	about := aboutOf(c)
	top := orText(c.text("topOUName"), about.Name)
	return nothing(), p.createEntry(c.ctx, &entry{kind: EntityOrganization, about: about,
		source: entity.Organization{Common: about, Units: []entity.Unit{{Name: top}}}})
}

func createProject(p *Platform, c *call) (infotable.Value, error) {
	about := aboutOf(c)
	return nothing(), p.createEntry(c.ctx, &entry{kind: EntityProject, about: about, source: entity.Project{Common: about}})
}

func addShapeToTemplate(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.reshapeTemplate(c, func(shapes []string, shape string) ([]string, error) {
		return merged(shapes, []string{shape}), nil
	})
}

func removeShapeFromTemplate(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.reshapeTemplate(c, func(shapes []string, shape string) ([]string, error) {
		i := slices.Index(shapes, shape)
		if i < 0 {
			return nil, Refuse(NotFound, "shape %s was not added to template %s itself", shape, c.text("name"))
		}
		return slices.Delete(slices.Clone(shapes), i, i+1), nil
	})
}

func (p *Platform) reshapeTemplate(c *call, edit func(shapes []string, shape string) ([]string, error)) error {
	return p.editTemplate(c.text("name"), func(in *entity.ThingTemplate) (err error) {
		in.Shapes, err = edit(in.Shapes, c.text("thingShapeName"))
		return err
	})
}

// editTemplate changes a template that somebody made here; edit must replace lists, not change them.
func (p *Platform) editTemplate(name string, edit func(*entity.ThingTemplate) error) error {
	err := p.change(true, func(m *model) error {
		e, err := m.editable(EntityTemplate, name)
		if err != nil {
			return err
		}
		in := e.source.(entity.ThingTemplate)
		if err := edit(&in); err != nil {
			return err
		}
		next, err := compileTemplate(in)
		if err == nil {
			m.add(next)
		}
		return err
	})
	if err == nil {
		p.unsaved.note(bucketEntities, grantKey(EntityTemplate, name))
	}
	return err
}

// readEntityDefinition gives an entity as JSON: its own members, as packages define them. The names of the members are ours.
func readEntityDefinition(p *Platform, c *call) (infotable.Value, error) {
	v, err := p.Entity(c.ctx, collectionOf(c.text("type")), c.text("name"))
	if err != nil {
		return nothing(), err
	}
	if v.Source == nil {
		v.Source = v.Common
	}
	raw, err := json.Marshal(v.Source)
	return infotable.Text(tJSON, string(raw)), err
}

// userServices are those of users (read).
func userServices() []*service {
	list := func(of func(b *security.Book, user string) []string) func(*Platform, *call) (infotable.Value, error) {
		return func(p *Platform, c *call) (infotable.Value, error) {
			table := nameList()
			for _, name := range of(p.model.Load().book, c.entry.name()) {
				table.Add(infotable.String(name), infotable.String(""))
			}
			return infotable.FromTable(table), nil
		}
	}
	return []*service{
		native("GetGroups", "Groups of the user, also through other groups", nil, tTable, list((*security.Book).Groups)),
		native("IsEnabled", "Whether the user may do anything", nil, tBoolean, func(p *Platform, c *call) (infotable.Value, error) {
			_, enabled := p.model.Load().book.Has(c.entry.name())
			return infotable.Boolean(enabled), nil
		}),
		native("EnableUser", "Let the user do things", nil, tNothing, enableUser(true)),
		native("DisableUser", "Let the user do nothing", nil, tNothing, enableUser(false)),
	}
}

func enableUser(enabled bool) func(*Platform, *call) (infotable.Value, error) {
	return func(p *Platform, c *call) (infotable.Value, error) {
		return nothing(), p.editPrincipal(c.entry, func(source any) (any, error) {
			u := source.(entity.User)
			if u.Name == security.Administrator || u.Name == security.SuperUser || u.Name == security.System {
				return nil, Refuse(Forbidden, "user %s cannot be disabled", u.Name)
			}
			u.Enabled = enabled
			return u, nil
		})
	}
}

// editPrincipal changes a user, group or organization; edit gets the entity and returns it changed, with other lists.
func (p *Platform) editPrincipal(e *entry, edit func(source any) (any, error)) error {
	err := p.change(false, func(m *model) error {
		now := m.entry(e.kind, e.name())
		if now == nil {
			return m.noEntry(e.kind, e.name())
		}
		next := *now
		var err error
		if next.source, err = edit(now.source); err != nil {
			return err
		}
		m.add(&next)
		return m.enroll()
	})
	if err == nil {
		p.unsaved.note(bucketEntities, grantKey(e.kind, e.name()))
	}
	return err
}
