package security

import (
	"fmt"
	"slices"
	"testing"

	"azx/extension/entity"
	"pgregory.net/rapid"
)

// world is a small world of random people and permissions.
type world struct {
	users  []entity.User
	groups []entity.Group
	org    entity.Organization
}

func (w world) draw(t *rapid.T) world {
	numbered := func(prefix string, n int) string { return fmt.Sprint(prefix, n) }
	members := func(groups int, label string) []entity.Principal {
		var all []entity.Principal
		for range rapid.IntRange(0, 3).Draw(t, label) {
			if groups > 0 && rapid.Bool().Draw(t, "group") {
				all = append(all, group(numbered("g", rapid.IntRange(0, groups-1).Draw(t, "which group"))))
			} else {
				all = append(all, user(numbered("u", rapid.IntRange(0, 4).Draw(t, "which user"))))
			}
		}
		return all
	}
	for n := range 4 { // u4 is never made
		u := newUser(numbered("u", n))
		u.Enabled = rapid.IntRange(0, 9).Draw(t, "enabled") > 0
		w.users = append(w.users, u)
	}
	for n := range 5 { // a group contains only groups before it
		w.groups = append(w.groups, newGroup(numbered("g", n), members(n, "members")...))
	}
	if rapid.Bool().Draw(t, "has administrators") {
		w.groups = append(w.groups, newGroup(Administrators, members(5, "administrators")...))
	}
	w.org.Name = "o"
	for n := range 5 {
		u := entity.Unit{Name: numbered("n", n), Members: members(5, "members of unit")}
		if n > 0 {
			u.Parent = numbered("n", rapid.IntRange(0, n-1).Draw(t, "parent"))
		}
		w.org.Units = append(w.org.Units, u)
	}
	return w
}

// in tells whether a principal contains a user, by asking every member in turn.
func (w world) in(name string, p entity.Principal) bool {
	switch {
	case p.Type == TypeUser:
		return p.Name == name
	case p.Name == Users:
		return true
	}
	i := slices.IndexFunc(w.groups, func(g entity.Group) bool { return g.Name == p.Name })
	return i >= 0 && slices.ContainsFunc(w.groups[i].Members, func(m entity.Principal) bool { return w.in(name, m) })
}

func (w world) enabled(name string) bool {
	return slices.ContainsFunc(w.users, func(u entity.User) bool { return u.Name == name && u.Enabled })
}

func (w world) allowed(name, resource string, layers [][]entity.Grant) bool {
	if !w.enabled(name) || w.in(name, group(Administrators)) {
		return w.enabled(name)
	}
	for _, layer := range layers {
		for _, about := range []string{resource, All} {
			said, denied := false, false
			for _, g := range layer {
				if g.Resource == about && g.Right == string(ServiceInvoke) && w.in(name, g.Principal) {
					said, denied = true, denied || !g.Permitted
				}
			}
			if said {
				return !denied
			}
		}
	}
	return false
}

// sees asks for each unit that the entity is shown to whether the user is there or above.
func (w world) sees(name string, shown []entity.Principal) bool {
	if !w.enabled(name) || w.in(name, group(Administrators)) {
		return w.enabled(name)
	}
	for _, p := range shown {
		for i, u := range w.org.Units {
			if p.Type == TypeOrganization && p.Name == w.org.Name || p.Type == TypeUnit && p.Name == "o:"+u.Name {
				for at := i; at >= 0; at = slices.IndexFunc(w.org.Units, func(up entity.Unit) bool { return up.Name == w.org.Units[at].Parent }) {
					if slices.ContainsFunc(w.org.Units[at].Members, func(m entity.Principal) bool { return w.in(name, m) }) {
						return true
					}
				}
			}
		}
	}
	return false
}

func TestABookDecidesAsTheRulesReadOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := world{}.draw(t)
		b, err := NewBook(w.users, w.groups, []entity.Organization{w.org})
		if err != nil {
			t.Fatal(err)
		}
		who := rapid.SampledFrom([]entity.Principal{user("u0"), user("u1"), user("u2"), user("u4"), group("g0"), group("g1"),
			group("g2"), group("g3"), group("g4"), group("g9"), group(Users)})
		grant := rapid.Custom(func(t *rapid.T) entity.Grant {
			return entity.Grant{
				Resource:  rapid.SampledFrom([]string{"a", "b", All}).Draw(t, "resource"),
				Right:     string(rapid.SampledFrom([]Right{ServiceInvoke, ServiceInvoke, PropertyRead}).Draw(t, "right")),
				Principal: who.Draw(t, "to"),
				Permitted: rapid.Bool().Draw(t, "permitted"),
			}
		})
		layers := rapid.SliceOfN(rapid.SliceOfN(grant, 0, 5), 0, 3).Draw(t, "layers")
		shown := rapid.SliceOfN(rapid.SampledFrom([]entity.Principal{organization("o"), organization("x"), unit("o:n0"), unit("o:n1"),
			unit("o:n2"), unit("o:n4"), unit("x:n0")}), 0, 3).Draw(t, "shown to")
		for n := range 5 {
			name := fmt.Sprint("u", n)
			for _, resource := range []string{"a", "b", "c"} {
				if got, want := b.Allowed(name, ServiceInvoke, resource, layers...), w.allowed(name, resource, layers); got != want {
					t.Fatalf("%s may invoke %s: %v, want %v", name, resource, got, want)
				}
			}
			if got, want := b.Visible(name, shown), w.sees(name, shown); got != want {
				t.Fatalf("%s sees it: %v, want %v", name, got, want)
			}
		}
	})
}
