package importer

import (
	"slices"
	"strings"

	"azx/extension/entity"
)

// Rights that a grant may name.
var (
	runTimeRights    = []string{"PropertyRead", "PropertyWrite", "ServiceInvoke", "EventInvoke", "EventSubscribe"}
	designTimeRights = []string{"Create", "Read", "Update", "Delete", "Metadata"}
)

// checkPrincipals looks at everything that names users, groups and organizations. What a real platform does with a name that
// is missing is assumed: it leaves the grant or the member out.
func (c *checker) checkPrincipals() {
	for collection, e := range c.p.Set.All() {
		c.entity = collection + "/" + e.Name
		p := e.Permissions
		c.checkGrants(e.Pos, runTimeRights, p.RunTime)
		c.checkGrants(e.Pos, runTimeRights, p.InstanceRunTime)
		c.checkGrants(e.Pos, designTimeRights, p.DesignTime)
		c.checkGrants(e.Pos, designTimeRights, p.InstanceDesignTime)
		for _, principal := range slices.Concat(p.Visibility, p.InstanceVisibility) {
			c.checkPrincipal(e.Pos, principal, "Organization", "OrganizationalUnit")
		}
	}
	for _, g := range c.p.Set.Groups {
		c.entity = "Groups/" + g.Name
		for _, m := range g.Members {
			c.checkPrincipal(g.Pos, m, "User", "Group")
		}
	}
	for _, o := range c.p.Set.Organizations {
		c.entity = "Organizations/" + o.Name
		c.checkUnits(o)
	}
}

func (c *checker) checkGrants(pos entity.Pos, rights []string, grants []entity.Grant) {
	for _, g := range grants {
		if !slices.Contains(rights, g.Right) {
			c.at(pos, Refuses, nil, "a permission names the right %q, expected one of %v", g.Right, rights)
		}
		c.checkPrincipal(pos, g.Principal, "User", "Group")
	}
}

// checkPrincipal refuses a principal of another type, or that is nowhere. A unit is written Organization:Unit.
func (c *checker) checkPrincipal(pos entity.Pos, p entity.Principal, types ...string) {
	collection, known := map[string]string{"User": "Users", "Group": "Groups", "Organization": "Organizations", "OrganizationalUnit": "Organizations"}[p.Type]
	if !known || !slices.Contains(types, p.Type) {
		c.at(pos, Refuses, nil, "the principal %q has the type %q, expected one of %v", p.Name, p.Type, types)
		return
	}
	name := p.Name
	if p.Type == "OrganizationalUnit" {
		name, _, _ = strings.Cut(name, ":")
	}
	if !c.exists(collection, name) {
		c.at(pos, Drops, dropPrincipal(c.entity, p), "the %s %q is neither in the package nor on the platform; its permissions and memberships would be left out",
			strings.ToLower(p.Type), p.Name)
	}
}

// dropPrincipal takes a principal out of everything that an entity grants, and out of its members.
func dropPrincipal(key string, gone entity.Principal) func(*entity.Set) {
	granted := func(list *[]entity.Grant) {
		*list = slices.DeleteFunc(*list, func(g entity.Grant) bool { return g.Principal == gone })
	}
	named := func(list *[]entity.Principal) {
		*list = slices.DeleteFunc(*list, func(p entity.Principal) bool { return p == gone })
	}
	return func(s *entity.Set) {
		inEntity(key, func(e *entity.Common) {
			p := &e.Permissions
			granted(&p.RunTime)
			granted(&p.InstanceRunTime)
			granted(&p.DesignTime)
			granted(&p.InstanceDesignTime)
			named(&p.Visibility)
			named(&p.InstanceVisibility)
		})(s)
		for i := range s.Groups {
			if "Groups/"+s.Groups[i].Name == key {
				named(&s.Groups[i].Members)
			}
		}
		for i := range s.Organizations {
			for j := range s.Organizations[i].Units {
				if "Organizations/"+s.Organizations[i].Name == key {
					named(&s.Organizations[i].Units[j].Members)
				}
			}
		}
	}
}

// checkUnits refuses what is not one tree.
func (c *checker) checkUnits(o entity.Organization) {
	parents := map[string]string{}
	for i, u := range o.Units {
		if _, twice := parents[u.Name]; twice || u.Name == "" {
			c.at(o.Pos, Refuses, nil, "the unit %q has no name of its own", u.Name)
		}
		parents[u.Name] = u.Parent
		if u.Parent == "" && i > 0 {
			c.at(o.Pos, Refuses, nil, "the unit %q hangs nowhere: only one may be the root", u.Name)
		}
		for _, m := range u.Members {
			c.checkPrincipal(o.Pos, m, "User", "Group")
		}
	}
	for _, u := range o.Units {
		if _, ok := parents[u.Parent]; u.Parent != "" && !ok {
			c.at(o.Pos, Refuses, nil, "the unit %q hangs below %q, which is not there", u.Name, u.Parent)
		}
		if inRing(u.Name, func(name string) string { return parents[name] }) {
			c.at(o.Pos, Refuses, nil, "the unit %q hangs below itself", u.Name)
		}
	}
}
