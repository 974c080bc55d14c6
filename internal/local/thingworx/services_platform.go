package thingworx

import (
	"slices"

	"azx/alwayson/infotable"
	"azx/extension/entity"
)

// sessionServices are those of CurrentSessionInfo that are served here (read).
func sessionServices() []*service {
	return []*service{
		native("GetCurrentUser", "Name of the user who asks", nil, tString, func(_ *Platform, c *call) (infotable.Value, error) {
			return infotable.String(userOf(c.ctx)), nil
		}),
		native("GetCurrentUserGroups", "Groups of the user who asks", nil, tTable, func(p *Platform, c *call) (infotable.Value, error) {
			table := nameList()
			for _, name := range p.model.Load().book.Groups(userOf(c.ctx)) {
				table.Add(infotable.String(name), infotable.String(""))
			}
			return infotable.FromTable(table), nil
		}),
	}
}

// collectionServices are those of CollectionFunctions for the permissions of collections (read).
func collectionServices() []*service {
	collection := required("collectionName", tString)
	kind, principal, principalType := required("type", tString), required("principal", tString), optional("principalType", tString)
	resource, allow := optional("resource", tString), optional("allow", tBoolean)
	on := func(change func(p *Platform, c *call, permissions *entity.Permissions) error) func(*Platform, *call) (infotable.Value, error) {
		return func(p *Platform, c *call) (infotable.Value, error) {
			return nothing(), p.permitAll(EntityKind(c.text("collectionName")), "", func(permissions *entity.Permissions) error {
				return change(p, c, permissions)
			})
		}
	}
	grant := func(list grantsOf, add bool) func(p *Platform, c *call, permissions *entity.Permissions) error {
		return func(p *Platform, c *call, permissions *entity.Permissions) error {
			g, err := p.grantOf(c)
			if err == nil {
				err = checkRight(g.Right, c.service.Name)
			}
			in := list(permissions)
			*in = slices.DeleteFunc(slices.Clone(*in), func(other entity.Grant) bool { return sameGrant(g, other) })
			if add {
				*in = append(*in, g)
			}
			return err
		}
	}
	show := func(add bool) func(p *Platform, c *call, permissions *entity.Permissions) error {
		return func(p *Platform, c *call, permissions *entity.Permissions) error {
			who, err := p.principalOf(c, EntityOrganization)
			permissions.Visibility = slices.DeleteFunc(slices.Clone(permissions.Visibility), func(o entity.Principal) bool { return o == who })
			if add {
				permissions.Visibility = append(permissions.Visibility, who)
			}
			return err
		}
	}
	list := func(of func(*entity.Permissions) *infotable.Table) func(*Platform, *call) (infotable.Value, error) {
		return func(p *Platform, c *call) (infotable.Value, error) {
			return infotable.FromTable(of(p.model.Load().permissions(EntityKind(c.text("collectionName")), ""))), nil
		}
	}
	run, design := []Param{collection, kind, principal, principalType, resource, allow}, []Param{collection, kind, principal, principalType, allow}
	seen := []Param{collection, principal, principalType}
	return []*service{
		native("AddCollectionRunTimePermission", "Permit or deny a right to all of a collection", run, tNothing, on(grant(runTime, true))),
		native("DeleteCollectionRunTimePermission", "Take a permission away", run, tNothing, on(grant(runTime, false))),
		native("GetCollectionRunTimePermissions", "Who may what", []Param{collection}, tTable, list(func(p *entity.Permissions) *infotable.Table {
			return grantTable(p.RunTime)
		})),
		native("AddCollectionDesignTimePermission", "Permit or deny a right to all of a collection", design, tNothing, on(grant(designTime, true))),
		native("DeleteCollectionDesignTimePermission", "Take a permission away", design, tNothing, on(grant(designTime, false))),
		native("AddCollectionVisibilityPermission", "Show a collection to an organization", seen, tNothing, on(show(true))),
		native("DeleteCollectionVisibilityPermission", "Show it no more", seen, tNothing, on(show(false))),
		native("GetCollectionVisibilityPermissions", "Who sees it", []Param{collection}, tTable, list(func(p *entity.Permissions) *infotable.Table {
			return audienceTable(p.Visibility)
		})),
	}
}

// platformServices are those of PlatformSubsystem that are served here (read).
func platformServices() []*service {
	name := required("packageName", tString)
	return []*service{
		native("GetThingworxVersion", "Version", nil, tString, func(*Platform, *call) (infotable.Value, error) { return infotable.String(Version), nil }),
		native("IsRunning", "Whether it runs", nil, tBoolean, func(*Platform, *call) (infotable.Value, error) { return infotable.Boolean(true), nil }),
		native("GetExtensionPackageList", "Imported packages", nil, tTable, getPackages),
		native("GetExtensionPackageDetails", "Entities of a package", []Param{name}, tTable, getPackageDetails),
		native("GetExtensionsInUse", "What uses a package", []Param{name}, tTable, getPackageUses),
		native("DeleteExtensionPackage", "Delete a package that nothing uses", []Param{name}, tNothing, func(p *Platform, c *call) (infotable.Value, error) {
			return nothing(), p.DeletePackage(c.ctx, c.text("packageName"))
		}),
	}
}

func getPackages(p *Platform, _ *call) (infotable.Value, error) {
	table := infotable.New(infotable.Column("name", tString), infotable.Column("vendor", tString),
		infotable.Column("description", tString), infotable.Column("packageVersion", tString),
		infotable.Column("minimumThingWorxVersion", tString), infotable.Column("buildNumber", tString))
	for _, pkg := range p.Packages() {
		table.Add(infotable.String(pkg.Name), infotable.String(pkg.Vendor), infotable.String(pkg.Description), infotable.String(pkg.Version),
			infotable.String(pkg.MinimumVersion), infotable.String(pkg.Build))
	}
	return infotable.FromTable(table), nil
}

func getPackageDetails(p *Platform, c *call) (infotable.Value, error) {
	found, err := p.Package(c.text("packageName"))
	if err != nil {
		return nothing(), err
	}
	table := infotable.New(infotable.Column("id", tString), infotable.Column("name", tString), infotable.Column("type", tString),
		infotable.Column("description", tString))
	for _, e := range found.Entities {
		table.Add(infotable.String(grantKey(e.Kind, e.Name)), infotable.String(e.Name), infotable.String(singular(e.Kind)), infotable.String(e.Description))
	}
	return infotable.FromTable(table), nil
}

func getPackageUses(p *Platform, c *call) (infotable.Value, error) {
	uses, err := p.packageUses(c.text("packageName"))
	if err != nil {
		return nothing(), err
	}
	table := infotable.New(infotable.Column("from", tString), infotable.Column("to", tString)) // columns of NetworkConnection (inferred)
	for _, use := range uses {
		table.Add(infotable.String(use), infotable.String(c.text("packageName")))
	}
	return infotable.FromTable(table), nil
}

// keyServices are those of application keys (read). The key itself is not kept, so it can be told only when it is made.
func keyServices() []*service {
	return []*service{
		native("GetUserName", "User of the key", nil, tString, func(p *Platform, c *call) (infotable.Value, error) {
			return infotable.String(p.keys.user(c.entry.name())), nil
		}),
		native("GetKeyID", "The key, once: it is told to who asks first", nil, tString, func(p *Platform, c *call) (infotable.Value, error) {
			key, err := p.keys.tell(c.entry.name())
			return infotable.String(key), err
		}),
		native("GetExpirationDate", "When the key ends to be good", nil, tDateTime, func(p *Platform, c *call) (infotable.Value, error) {
			if at := p.keys.expires(c.entry.name()); at > 0 {
				return infotable.DateTime(at), nil
			}
			return nothing(), nil
		}),
	}
}
