package security

import (
	"fmt"
	"maps"
	"slices"

	"azx/extension/entity"
)

// Book knows who is who. It is a snapshot: safe for concurrent use, and made anew when a user, a group or an organization
// changes.
type Book struct{ members map[string]*member }

// member is a user with everything that follows from groups and organizations.
type member struct {
	enabled bool
	all     bool // may all, sees all
	is      map[entity.Principal]struct{}
	sees    map[entity.Principal]struct{} // what is visible to one of these is visible to the user
}

// NewBook makes a book of these and of the built-in ones that are not among them. It refuses a name that is there twice,
// a group that contains itself, and units that form no tree. Members that are not there are left out: they count once
// they are made.
func NewBook(users []entity.User, groups []entity.Group, organizations []entity.Organization) (*Book, error) {
	builtin := Builtin()
	users = withBuiltin(users, builtin.Users, func(u entity.User) string { return u.Name })
	groups = withBuiltin(groups, builtin.Groups, func(g entity.Group) string { return g.Name })
	organizations = withBuiltin(organizations, builtin.Organizations, func(o entity.Organization) string { return o.Name })

	parents, err := groupsByMember(groups)
	if err != nil {
		return nil, err
	}
	places, err := placesByMember(organizations)
	if err != nil {
		return nil, err
	}
	b := &Book{members: make(map[string]*member, len(users))}
	for _, u := range users {
		if b.members[u.Name] != nil {
			return nil, fmt.Errorf("users: %s is there twice", u.Name)
		}
		b.members[u.Name] = newMember(u, parents, places)
	}
	return b, nil
}

func withBuiltin[T any](given, builtin []T, name func(T) string) []T {
	all := slices.Clone(given)
	for _, b := range builtin {
		if !slices.ContainsFunc(given, func(g T) bool { return name(g) == name(b) }) {
			all = append(all, b)
		}
	}
	return all
}

// newMember resolves a user: parents are the groups that contain a principal, places its units.
func newMember(u entity.User, parents map[entity.Principal][]entity.Principal, places map[entity.Principal][]*place) *member {
	self := entity.Principal{Name: u.Name, Type: TypeUser}
	m := &member{enabled: u.Enabled, is: map[entity.Principal]struct{}{}, sees: map[entity.Principal]struct{}{self: {}}}
	for next := []entity.Principal{self, {Name: Users, Type: TypeGroup}}; len(next) > 0; {
		p := next[0]
		next = next[1:]
		if _, known := m.is[p]; !known {
			m.is[p] = struct{}{}
			next = append(next, parents[p]...)
		}
	}
	for p := range m.is {
		for _, place := range places[p] {
			place.show(m.sees)
		}
	}
	_, administers := m.is[entity.Principal{Name: Administrators, Type: TypeGroup}]
	m.all = administers || u.Name == Administrator || u.Name == SuperUser
	return m
}

// Has tells whether there is a user of that name, and whether it is enabled.
func (b *Book) Has(user string) (has, enabled bool) {
	m := b.members[user]
	return m != nil, m != nil && m.enabled
}

// Groups gives the names of all groups that a user is in, also through other groups, sorted; nil for a user that is not
// there.
func (b *Book) Groups(user string) []string {
	m := b.members[user]
	if m == nil {
		return nil
	}
	var names []string
	for p := range maps.Keys(m.is) {
		if p.Type == TypeGroup {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Administers tells whether a user may all and sees all.
func (b *Book) Administers(user string) bool {
	m := b.members[user]
	return m != nil && m.enabled && m.all
}
