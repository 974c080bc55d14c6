package thingworx

import (
	"slices"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/security"
)

// grantsOf and seenBy pick a list out of permissions, for reading and changing.
type (
	grantsOf func(*entity.Permissions) *[]entity.Grant
	seenBy   func(*entity.Permissions) *[]entity.Principal
)

func runTime(p *entity.Permissions) *[]entity.Grant            { return &p.RunTime }
func designTime(p *entity.Permissions) *[]entity.Grant         { return &p.DesignTime }
func instanceRunTime(p *entity.Permissions) *[]entity.Grant    { return &p.InstanceRunTime }
func instanceDesignTime(p *entity.Permissions) *[]entity.Grant { return &p.InstanceDesignTime }

func visibility(p *entity.Permissions) *[]entity.Principal         { return &p.Visibility }
func instanceVisibility(p *entity.Permissions) *[]entity.Principal { return &p.InstanceVisibility }

// permissionServices are those for permissions, which every entity has; parameters are the platform's own (read).
func permissionServices() []*service {
	return grantServices("", runTime, designTime, visibility)
}

// instancePermissionServices are those of templates and shapes, for the permissions of their Things (read).
func instancePermissionServices() []*service {
	return grantServices("Instance", instanceRunTime, instanceDesignTime, instanceVisibility)
}

func grantServices(which string, run, design grantsOf, seen seenBy) []*service {
	kind, principal, principalType := required("type", tString), required("principal", tString), optional("principalType", tString)
	resource, allow := optional("resource", tString), optional("allow", tBoolean)
	always := func(name, description string, params []Param, result infotable.BaseType, run func(*Platform, *call) (infotable.Value, error)) *service {
		return &service{ServiceInfo: ServiceInfo{name, description, params, result}, always: true, run: run}
	}
	add := func(list grantsOf) func(*Platform, *call) (infotable.Value, error) {
		return func(p *Platform, c *call) (infotable.Value, error) { return nothing(), p.addGrant(c, list) }
	}
	remove := func(list grantsOf) func(*Platform, *call) (infotable.Value, error) {
		return func(p *Platform, c *call) (infotable.Value, error) { return nothing(), p.deleteGrant(c, list) }
	}
	get := func(list grantsOf) func(*Platform, *call) (infotable.Value, error) {
		return func(p *Platform, c *call) (infotable.Value, error) {
			return infotable.FromTable(grantTable(*list(p.permissionsOf(c.subject())))), nil
		}
	}
	return []*service{
		always("Add"+which+"RunTimePermission", "Permit or deny a right", []Param{kind, principal, principalType, resource, allow}, tNothing, add(run)),
		always("Delete"+which+"RunTimePermission", "Take a permission away", []Param{kind, principal, principalType, resource}, tNothing, remove(run)),
		always("Get"+which+"RunTimePermissions", "Who may what", nil, tTable, get(run)),
		always("Add"+which+"DesignTimePermission", "Permit or deny a right", []Param{kind, principal, principalType, allow}, tNothing, add(design)),
		always("Delete"+which+"DesignTimePermission", "Take a permission away", []Param{kind, principal, principalType}, tNothing, remove(design)),
		always("Get"+which+"DesignTimePermissions", "Who may change what", nil, tTable, get(design)),
		always("Add"+which+"VisibilityPermission", "Show to an organization or unit", []Param{principal, principalType}, tNothing,
			func(p *Platform, c *call) (infotable.Value, error) { return nothing(), p.show(c, seen) }),
		always("Delete"+which+"VisibilityPermission", "Show no more", []Param{principal, principalType}, tNothing,
			func(p *Platform, c *call) (infotable.Value, error) { return nothing(), p.unshow(c, seen) }),
		always("Get"+which+"VisibilityPermissions", "Who sees it", nil, tTable, func(p *Platform, c *call) (infotable.Value, error) {
			return infotable.FromTable(audienceTable(*seen(p.permissionsOf(c.subject())))), nil
		}),
	}
}

// permissionsOf returns the permissions of an entity; they must not be changed.
func (p *Platform) permissionsOf(on subject) *entity.Permissions {
	if on.thing == nil {
		return p.model.Load().permissions(on.entry.kind, on.entry.name())
	}
	on.thing.mu.Lock()
	defer on.thing.mu.Unlock()
	permissions := on.thing.about.Permissions
	return &permissions
}

// permit changes the permissions of an entity; change gets a copy whose lists must be replaced, not changed.
func (p *Platform) permit(on subject, change func(*entity.Permissions) error) error {
	if t := on.thing; t != nil {
		t.mu.Lock()
		next := t.about.Permissions
		err := change(&next)
		if err == nil {
			t.about.Permissions, t.access = next, access{}
		}
		t.mu.Unlock()
		if err == nil {
			p.changed(t)
		}
		return err
	}
	return p.permitAll(on.entry.kind, on.entry.name(), change)
}

// permitAll is permit for an entity of the model or, with the name "", a collection.
func (p *Platform) permitAll(kind EntityKind, name string, change func(*entity.Permissions) error) error {
	err := p.change(false, func(m *model) error {
		next := *m.permissions(kind, name)
		if err := change(&next); err != nil {
			return err
		}
		m.grants[grantKey(kind, name)] = &next
		return nil
	})
	if err == nil {
		p.unsaved.note(bucketPermissions, grantKey(kind, name))
	}
	return err
}

// grantOf reads the parameters of a permission.
func (p *Platform) grantOf(c *call) (entity.Grant, error) {
	g := entity.Grant{Resource: orText(c.text("resource"), security.All), Right: c.text("type"), Permitted: true}
	if v, ok := c.value("allow").Boolean(); ok {
		g.Permitted = v
	}
	var err error
	g.Principal, err = p.principalOf(c, EntityGroup, EntityUser)
	return g, err
}

// principalOf reads the parameters principal and principalType; the kinds are those it may be of, the first one if none is
// said.
func (p *Platform) principalOf(c *call, kinds ...EntityKind) (entity.Principal, error) {
	types := map[EntityKind]string{EntityGroup: security.TypeGroup, EntityUser: security.TypeUser, EntityOrganization: security.TypeOrganization}
	who := entity.Principal{Name: c.text("principal"), Type: orText(c.text("principalType"), types[kinds[0]])}
	m := p.model.Load()
	for _, kind := range kinds {
		if types[kind] == who.Type {
			if m.entry(kind, who.Name) == nil {
				return who, m.noEntry(kind, who.Name)
			}
			return who, nil
		}
	}
	if slices.Contains(kinds, EntityOrganization) && who.Type == security.TypeUnit {
		return who, nil
	}
	return who, Refuse(Invalid, "there are no principals of type %q for this permission", shorten(who.Type))
}

func sameGrant(a, b entity.Grant) bool {
	return a.Resource == b.Resource && a.Right == b.Right && a.Principal == b.Principal
}

func (p *Platform) addGrant(c *call, list grantsOf) error {
	g, err := p.grantOf(c)
	if err != nil {
		return err
	}
	if err := checkRight(g.Right, c.service.Name); err != nil {
		return err
	}
	return p.permit(c.subject(), func(permissions *entity.Permissions) error {
		in := list(permissions)
		out := slices.DeleteFunc(slices.Clone(*in), func(other entity.Grant) bool { return sameGrant(g, other) })
		*in = append(out, g)
		return nil
	})
}

// checkRight refuses a right that a service has nothing to do with.
func checkRight(right, service string) error {
	run := []string{"PropertyRead", "PropertyWrite", "ServiceInvoke", "EventInvoke", "EventSubscribe"}
	design := []string{"Create", "Read", "Update", "Delete", "Metadata"}
	if slices.Contains(run, right) || slices.Contains(design, right) {
		return nil
	}
	return Refuse(Invalid, "%s: there is no right %q; there are %s, and at design time %s", service, shorten(right), list(run), list(design))
}

func (p *Platform) deleteGrant(c *call, list grantsOf) error {
	g, err := p.grantOf(c)
	if err != nil {
		return err
	}
	return p.permit(c.subject(), func(permissions *entity.Permissions) error {
		in := list(permissions)
		out := slices.DeleteFunc(slices.Clone(*in), func(other entity.Grant) bool { return sameGrant(g, other) })
		if len(out) == len(*in) {
			return Refuse(NotFound, "%s has no permission %s of %s for %s", c.subject(), g.Right, shorten(g.Resource), g.Principal.Name)
		}
		*in = out
		return nil
	})
}

func (p *Platform) show(c *call, list seenBy) error {
	who, err := p.principalOf(c, EntityOrganization)
	if err != nil {
		return err
	}
	return p.permit(c.subject(), func(permissions *entity.Permissions) error {
		in := list(permissions)
		*in = merged(*in, []entity.Principal{who})
		return nil
	})
}

func (p *Platform) unshow(c *call, list seenBy) error {
	who, err := p.principalOf(c, EntityOrganization)
	if err != nil {
		return err
	}
	return p.permit(c.subject(), func(permissions *entity.Permissions) error {
		in := list(permissions)
		out := slices.DeleteFunc(slices.Clone(*in), func(other entity.Principal) bool { return other == who })
		if len(out) == len(*in) {
			return Refuse(NotFound, "%s is not shown to %s", c.subject(), who.Name)
		}
		*in = out
		return nil
	})
}

// grantTable has the columns of the data shape RunTimePermissions (read).
func grantTable(grants []entity.Grant) *infotable.Table {
	table := infotable.New(infotable.Column("name", tString), infotable.Column("type", tString), infotable.Column("permissionName", tString),
		infotable.Column("resourceName", tString), infotable.Column("isPermitted", tBoolean))
	for _, g := range grants {
		table.Add(infotable.String(g.Principal.Name), infotable.String(g.Principal.Type), infotable.String(g.Right),
			infotable.String(g.Resource), infotable.Boolean(g.Permitted))
	}
	return table
}

// audienceTable has the columns of the data shape Permissions (read).
func audienceTable(who []entity.Principal) *infotable.Table {
	table := infotable.New(infotable.Column("name", tString), infotable.Column("type", tString), infotable.Column("permissionName", tString),
		infotable.Column("isPermitted", tBoolean))
	for _, one := range who {
		table.Add(infotable.String(one.Name), infotable.String(one.Type), infotable.String("Visibility"), infotable.Boolean(true))
	}
	return table
}
