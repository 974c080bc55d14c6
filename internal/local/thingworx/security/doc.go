// Package security decides who may do what on the local platform, and who sees what. It is pure: a [Book] is a snapshot
// of users, groups and organizations that is never changed, and the permissions come with the question.
//
// The rules, and where they were learned (read: in PTC's help or by PTC staff in its community; inferred: by us):
//
//   - Nothing said means no (read). SuperUser, Administrator and the members of Administrators may all and see all
//     (read; that Administrator needs no group for it: inferred, so that nobody locks himself out).
//   - Permissions come in layers, from the entity itself over its template's instance permissions to its collection. The
//     first layer that says anything to the user about the resource decides; those behind it do not count (read).
//   - Within a layer what names the resource goes before "*" (read), whichever of the user's groups it is for (inferred),
//     and a denial before a grant (read).
//   - Groups contain users and groups; the group Users contains every user (read).
//   - An entity is visible if any layer shows it to an organization or unit of the user: visibility is only ever added
//     (inferred). What a unit sees, the units above it see (read); an organization is all of its units (inferred).
//   - The owner may all with his entity and sees it (read); see [Owner].
//   - A call out of a service is allowed if the user or the user System may make it (read); see [Book.DecideNested].
package security

import "azx/extension/entity"

// Right is something that a permission is about.
type Right string

// The rights of run time, then those of design time, as permissions name them. At design time the resource is always All.
const (
	PropertyRead   Right = "PropertyRead"
	PropertyWrite  Right = "PropertyWrite"
	ServiceInvoke  Right = "ServiceInvoke"
	EventInvoke    Right = "EventInvoke"
	EventSubscribe Right = "EventSubscribe"

	Create   Right = "Create"
	Read     Right = "Read"
	Update   Right = "Update"
	Delete   Right = "Delete"
	Metadata Right = "Metadata"
)

// All is the resource of a permission for everything of an entity.
const All = "*"

// Types of principals, as permissions and members name them.
const (
	TypeUser         = "User"
	TypeGroup        = "Group"
	TypeOrganization = "Organization"
	TypeUnit         = "OrganizationalUnit" // its name is ORGANIZATION:UNIT
)

// Names of what every platform has.
const (
	Administrator  = "Administrator"
	System         = "System"    // what calls out of services may do besides
	SuperUser      = "SuperUser" // may all
	Administrators = "Administrators"
	Users          = "Users" // every user is in it
	Developers     = "Developers"
	ComposerUsers  = "ComposerUsers"
	Everyone       = "Everyone" // the organization of the group Users
)

// Builtin gives the users, groups and organizations that every platform has, as it has them at first. The unit of Everyone
// is named like it (inferred).
func Builtin() entity.Set {
	named := func(name, description string) entity.Common {
		return entity.Common{Name: name, Description: description}
	}
	group := func(name, description string, members ...entity.Principal) entity.Group {
		return entity.Group{Common: named(name, description), Members: members}
	}
	return entity.Set{
		Users: []entity.User{
			{Common: named(Administrator, "May everything"), Enabled: true},
			{Common: named(System, "Whose rights calls out of services have besides those of their user"), Enabled: true},
			{Common: named(SuperUser, "The platform itself"), Enabled: true},
		},
		Groups: []entity.Group{
			group(Administrators, "May everything", entity.Principal{Name: Administrator, Type: TypeUser}),
			group(Users, "All users"),
			group(Developers, "Who make entities"),
			group(ComposerUsers, "Who may use the page", entity.Principal{Name: Users, Type: TypeGroup}),
		},
		Organizations: []entity.Organization{{
			Common: named(Everyone, "All users"),
			Units:  []entity.Unit{{Name: Everyone, Members: []entity.Principal{{Name: Users, Type: TypeGroup}}}},
		}},
	}
}

// Owner gives the layer that lets the owner of an entity do everything with it. It goes before all other layers.
func Owner(user string) []entity.Grant {
	rights := [...]Right{PropertyRead, PropertyWrite, ServiceInvoke, EventInvoke, EventSubscribe, Create, Read, Update, Delete, Metadata}
	grants := make([]entity.Grant, len(rights))
	for i, right := range rights {
		grants[i] = entity.Grant{Resource: All, Right: string(right), Principal: entity.Principal{Name: user, Type: TypeUser}, Permitted: true}
	}
	return grants
}

// OwnerSees gives the layer that lets the owner of an entity see it.
func OwnerSees(user string) []entity.Principal {
	return []entity.Principal{{Name: user, Type: TypeUser}}
}

// UnitName gives the name by which permissions call a unit.
func UnitName(organization, unit string) string { return organization + ":" + unit }
