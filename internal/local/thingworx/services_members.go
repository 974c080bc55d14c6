package thingworx

import (
	"slices"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx/security"
)

// groupServices are those of groups (read).
func groupServices() []*service {
	params := []Param{required("member", tString), optional("type", tString)}
	return []*service{
		native("AddMember", "Take a user or group into the group", params, tNothing, addGroupMember),
		native("DeleteMember", "Take a member out of the group", params, tNothing, deleteGroupMember),
		native("GetGroupMembers", "Members of the group", nil, tTable, getGroupMembers),
	}
}

// member reads the parameters member and type; it must be there if it is to be added.
func (p *Platform) member(c *call, adding bool) (entity.Principal, error) {
	who := entity.Principal{Name: c.text("member"), Type: orText(c.text("type"), security.TypeUser)}
	kind := EntityUser
	if who.Type == security.TypeGroup {
		kind = EntityGroup
	} else if who.Type != security.TypeUser {
		return who, Refuse(Invalid, "a member is a User or a Group, not a %q", shorten(who.Type))
	}
	if m := p.model.Load(); adding && m.entry(kind, who.Name) == nil {
		return who, m.noEntry(kind, who.Name)
	}
	return who, nil
}

func addGroupMember(p *Platform, c *call) (infotable.Value, error) {
	who, err := p.member(c, true)
	if err != nil {
		return nothing(), err
	}
	return nothing(), p.editPrincipal(c.entry, func(source any) (any, error) {
		g := source.(entity.Group)
		g.Members = merged(g.Members, []entity.Principal{who})
		return g, nil
	})
}

func deleteGroupMember(p *Platform, c *call) (infotable.Value, error) {
	who, err := p.member(c, false)
	if err != nil {
		return nothing(), err
	}
	return nothing(), p.editPrincipal(c.entry, func(source any) (any, error) {
		g := source.(entity.Group)
		i := slices.Index(g.Members, who)
		if i < 0 {
			return nil, Refuse(NotFound, "%s %s is no member of group %s", who.Type, shorten(who.Name), g.Name)
		}
		g.Members = slices.Delete(slices.Clone(g.Members), i, i+1)
		return g, nil
	})
}

func getGroupMembers(_ *Platform, c *call) (infotable.Value, error) {
	return infotable.FromTable(memberTable(c.entry.source.(entity.Group).Members)), nil
}

func memberTable(members []entity.Principal) *infotable.Table {
	table := infotable.New(infotable.Column("name", tString), infotable.Column("type", tString))
	for _, m := range members {
		table.Add(infotable.String(m.Name), infotable.String(m.Type))
	}
	return table
}

// organizationServices are those of organizations (read).
func organizationServices() []*service {
	unit := required("name", tString)
	params := []Param{unit, required("member", tString), optional("type", tString)}
	return []*service{
		native("AddMember", "Take a user or group into a unit", params, tNothing, addUnitMember),
		native("DeleteMember", "Take a member out of a unit", params, tNothing, deleteUnitMember),
		native("GetMembers", "Members of a unit", []Param{unit}, tTable, getUnitMembers),
		native("AddOrganizationalUnit", "Make a unit below another one", []Param{unit, required("parentName", tString)}, tNothing, addUnit),
		native("GetOrganizationConnections", "The tree of units", []Param{optional("maxDepth", tNumber)}, tTable, getUnits),
	}
}

// editUnit changes a unit of the organization; edit must replace lists, not change them.
func (p *Platform) editUnit(c *call, edit func(*entity.Unit) error) error {
	return p.editPrincipal(c.entry, func(source any) (any, error) {
		o := source.(entity.Organization)
		o.Units = slices.Clone(o.Units)
		for i := range o.Units {
			if o.Units[i].Name == c.text("name") {
				return o, edit(&o.Units[i])
			}
		}
		return nil, Refuse(NotFound, "organization %s has no unit %q", o.Name, shorten(c.text("name")))
	})
}

func addUnitMember(p *Platform, c *call) (infotable.Value, error) {
	who, err := p.member(c, true)
	if err != nil {
		return nothing(), err
	}
	return nothing(), p.editUnit(c, func(u *entity.Unit) error {
		u.Members = merged(u.Members, []entity.Principal{who})
		return nil
	})
}

func deleteUnitMember(p *Platform, c *call) (infotable.Value, error) {
	who, err := p.member(c, false)
	if err != nil {
		return nothing(), err
	}
	return nothing(), p.editUnit(c, func(u *entity.Unit) error {
		i := slices.Index(u.Members, who)
		if i < 0 {
			return Refuse(NotFound, "%s %s is no member of unit %s", who.Type, shorten(who.Name), u.Name)
		}
		u.Members = slices.Delete(slices.Clone(u.Members), i, i+1)
		return nil
	})
}

func getUnitMembers(_ *Platform, c *call) (infotable.Value, error) {
	for _, u := range c.entry.source.(entity.Organization).Units {
		if u.Name == c.text("name") {
			return infotable.FromTable(memberTable(u.Members)), nil
		}
	}
	return nothing(), Refuse(NotFound, "organization %s has no unit %q", c.entry.name(), shorten(c.text("name")))
}

func addUnit(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.editPrincipal(c.entry, func(source any) (any, error) {
		o := source.(entity.Organization)
		for _, u := range o.Units {
			if u.Name == c.text("name") {
				return nil, Refuse(Exists, "organization %s has a unit %s already", o.Name, u.Name)
			}
		}
		o.Units = append(slices.Clone(o.Units), entity.Unit{Name: c.text("name"), Parent: c.text("parentName")})
		return o, nil
	})
}

func getUnits(_ *Platform, c *call) (infotable.Value, error) {
	table := infotable.New(infotable.Column("from", tString), infotable.Column("to", tString))
	for _, u := range c.entry.source.(entity.Organization).Units {
		table.Add(infotable.String(u.Parent), infotable.String(u.Name))
	}
	return infotable.FromTable(table), nil
}
