package security

import (
	"slices"
	"strings"
	"testing"

	"azx/extension/entity"
)

func user(name string) entity.Principal  { return entity.Principal{Name: name, Type: TypeUser} }
func group(name string) entity.Principal { return entity.Principal{Name: name, Type: TypeGroup} }
func organization(name string) entity.Principal {
	return entity.Principal{Name: name, Type: TypeOrganization}
}
func unit(name string) entity.Principal { return entity.Principal{Name: name, Type: TypeUnit} }

func newUser(name string) entity.User {
	return entity.User{Common: entity.Common{Name: name}, Enabled: true}
}

func newGroup(name string, members ...entity.Principal) entity.Group {
	return entity.Group{Common: entity.Common{Name: name}, Members: members}
}

func newOrganization(name string, units ...entity.Unit) entity.Organization {
	return entity.Organization{Common: entity.Common{Name: name}, Units: units}
}

func permit(resource string, who entity.Principal) entity.Grant {
	return entity.Grant{Resource: resource, Right: string(ServiceInvoke), Principal: who, Permitted: true}
}

func deny(resource string, who entity.Principal) entity.Grant {
	return entity.Grant{Resource: resource, Right: string(ServiceInvoke), Principal: who}
}

// company has ann (in Shift, which is in Plant), bob (in Office and Plant), eve (in nothing but Users), and gone, who is
// disabled. Plant Ltd has Works above Line; the people of Plant are at Works, eve is at Line.
func company(t testing.TB) *Book {
	t.Helper()
	gone := newUser("gone")
	gone.Enabled = false
	b, err := NewBook(
		[]entity.User{newUser("ann"), newUser("bob"), newUser("eve"), gone},
		[]entity.Group{newGroup("Shift", user("ann")), newGroup("Plant", group("Shift"), user("bob")), newGroup("Office", user("bob")),
			newGroup(Administrators, user("boss"), group("Chiefs")), newGroup("Guests", user("never made"))},
		[]entity.Organization{newOrganization("Plant Ltd",
			entity.Unit{Name: "Works", Members: []entity.Principal{group("Plant")}},
			entity.Unit{Name: "Line", Parent: "Works", Members: []entity.Principal{user("eve")}},
			entity.Unit{Name: "Yard", Parent: "Works"})})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhoMayInvokeAService(t *testing.T) {
	b := company(t)
	type layers = [][]entity.Grant
	for name, c := range map[string]struct {
		user   string
		layers layers
		want   bool
		why    string
	}{
		"nobody may where nothing is said":                       {"ann", nil, false, "no grant"},
		"a grant for everything of the entity is enough":         {"ann", layers{{permit("*", user("ann"))}}, true, "user ann is granted *"},
		"a grant of another right is not":                        {"ann", layers{{{Resource: "*", Right: string(PropertyRead), Principal: user("ann"), Permitted: true}}}, false, "no grant"},
		"a grant for another service is not":                     {"ann", layers{{permit("Stop", user("ann"))}}, false, "no grant"},
		"a grant for somebody else is not":                       {"ann", layers{{permit("*", user("bob"))}}, false, "no grant"},
		"a group named like the user is somebody else":           {"ann", layers{{permit("*", group("ann"))}}, false, "no grant"},
		"a grant to the group counts":                            {"bob", layers{{permit("*", group("Office"))}}, true, "group Office is granted *"},
		"a grant to a group that contains the group counts":      {"ann", layers{{permit("*", group("Plant"))}}, true, "group Plant is granted *"},
		"a grant to the inner group is none to the outer":        {"bob", layers{{permit("*", group("Shift"))}}, false, "no grant"},
		"Users is everybody":                                     {"eve", layers{{permit("Start", group(Users))}}, true, "group Users is granted Start"},
		"a denial goes before a grant":                           {"ann", layers{{permit("*", user("ann")), deny("*", group("Plant"))}}, false, "group Plant is denied *"},
		"whatever their order":                                   {"ann", layers{{deny("*", group("Plant")), permit("*", user("ann"))}}, false, "group Plant is denied *"},
		"what names the service goes before what names all":      {"ann", layers{{deny("*", user("ann")), permit("Start", user("ann"))}}, true, "user ann is granted Start"},
		"also when it denies":                                    {"ann", layers{{deny("Start", group("Shift")), permit("*", user("ann"))}}, false, "group Shift is denied Start"},
		"what names the service of somebody else does not count": {"ann", layers{{deny("Start", user("bob")), permit("*", user("ann"))}}, true, "user ann is granted *"},
		"the entity goes before its template":                    {"ann", layers{{permit("*", user("ann"))}, {deny("Start", user("ann"))}}, true, "user ann is granted *"},
		"also when it denies all":                                {"ann", layers{{deny("*", user("ann"))}, {permit("Start", user("ann"))}}, false, "user ann is denied *"},
		"the template decides where the entity is silent":        {"ann", layers{{permit("Stop", user("ann")), permit("*", user("bob"))}, nil, {permit("Start", group("Shift"))}}, true, "group Shift is granted Start"},
		"an administrator may all":                               {Administrator, layers{{deny("*", group(Users))}}, true, "Administrator may everything"},
		"SuperUser may all":                                      {SuperUser, nil, true, "SuperUser may everything"},
		"System may what it is granted":                          {System, nil, false, "no grant"},
		"a user that is not there may nothing":                   {"zoe", layers{{permit("*", user("zoe")), permit("*", group(Users))}}, false, "there is no such user"},
		"no name is no user":                                     {"", layers{{permit("*", group(Users))}}, false, "there is no such user"},
		"a disabled user may nothing":                            {"gone", layers{{permit("*", user("gone"))}}, false, "the user is disabled"},
		"the owner may all, whatever is denied to him":           {"eve", layers{Owner("eve"), {deny("*", user("eve"))}}, true, "user eve is granted *"},
		"the owner is nobody else":                               {"eve", layers{Owner("ann")}, false, "no grant"},
	} {
		t.Run(name, func(t *testing.T) {
			d := b.Decide(c.user, ServiceInvoke, "Start", c.layers...)
			if d.Allowed != c.want || d.Why() != c.why {
				t.Errorf("got %v, %q", d.Allowed, d.Why())
			}
			if b.Allowed(c.user, ServiceInvoke, "Start", c.layers...) != d.Allowed {
				t.Error("Allowed says something else than Decide")
			}
		})
	}
}

// The example that PTC's staff gave: the collection denies all, the template grants one service and denies another, and the
// Thing grants that other one.
func TestTheNearestLayerThatSpeaksDecides(t *testing.T) {
	b := company(t)
	thing := []entity.Grant{permit("Two", user("ann"))}
	template := []entity.Grant{permit("One", user("ann")), deny("Two", user("ann"))}
	collection := []entity.Grant{deny("*", user("ann"))}
	for service, want := range map[string]int{"One": 1, "Two": 0, "Three": 2} {
		d := b.Decide("ann", ServiceInvoke, service, thing, template, collection)
		if d.Layer != want || d.Allowed != (service != "Three") {
			t.Errorf("%s: allowed %v by layer %d, want layer %d", service, d.Allowed, d.Layer, want)
		}
	}
}

func TestACallOutOfAServiceHasTheRightsOfSystemToo(t *testing.T) {
	b := company(t)
	forSystem, forAnn := []entity.Grant{permit("Start", user(System))}, []entity.Grant{permit("Start", user("ann"))}
	for name, c := range map[string]struct {
		user  string
		layer []entity.Grant
		want  bool
		as    string
	}{
		"what System may, whoever calls":       {"eve", forSystem, true, System},
		"what the user may and System may not": {"ann", forAnn, true, "ann"},
		"nothing that neither may":             {"eve", forAnn, false, "eve"},
		"nothing for a disabled user":          {"gone", forSystem, false, "gone"},
		"nothing for a user that is not there": {"zoe", forSystem, false, "zoe"},
		"also what is denied to the user":      {"eve", append(forSystem, deny("*", user("eve"))), true, System},
	} {
		t.Run(name, func(t *testing.T) {
			d := b.DecideNested(c.user, ServiceInvoke, "Start", c.layer)
			if d.Allowed != c.want || d.As != c.as || d.User != c.user {
				t.Errorf("got %+v", d)
			}
			if !c.want && d.As != c.user {
				t.Error("the refusal is not the user's")
			}
		})
	}
	if b.Allowed("eve", ServiceInvoke, "Start", forSystem) {
		t.Error("System's rights count for a call from outside")
	}
}

func TestWhoSeesAnEntity(t *testing.T) {
	b := company(t)
	type layers = [][]entity.Principal
	for name, c := range map[string]struct {
		user   string
		layers layers
		want   bool
	}{
		"nobody where nothing is said":                         {"ann", nil, false},
		"an administrator":                                     {Administrator, nil, true},
		"SuperUser":                                            {SuperUser, nil, true},
		"the members of a unit":                                {"eve", layers{{unit("Plant Ltd:Line")}}, true},
		"those of the unit above it":                           {"ann", layers{{unit("Plant Ltd:Line")}}, true},
		"not those of the unit below it":                       {"eve", layers{{unit("Plant Ltd:Works")}}, false},
		"not those of the unit beside it":                      {"eve", layers{{unit("Plant Ltd:Yard")}}, false},
		"all members of an organization":                       {"eve", layers{{organization("Plant Ltd")}}, true},
		"not those of a unit of the same name elsewhere":       {"eve", layers{{unit("Other:Line")}}, false},
		"all users through Everyone":                           {"eve", layers{{organization(Everyone)}}, true},
		"and through its unit":                                 {"eve", layers{{unit("Everyone:Everyone")}}, true},
		"who is shown it by any layer":                         {"eve", layers{{unit("Plant Ltd:Works")}, nil, {unit("Plant Ltd:Line")}}, true},
		"not a disabled user":                                  {"gone", layers{{organization(Everyone)}}, false},
		"not a user that is not there":                         {"zoe", layers{{organization(Everyone)}}, false},
		"its owner":                                            {"eve", layers{OwnerSees("eve")}, true},
		"nobody through a group, for groups are shown nothing": {"ann", layers{{group("Shift")}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := b.Visible(c.user, c.layers...); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestARefusalSaysWhoMayNotDoWhatAndWhy(t *testing.T) {
	b := company(t)
	guests := []entity.Grant{deny("*", group(Users))}
	for want, d := range map[string]Decision{
		"user eve may not invoke service Start of Thing Press: no grant":                b.Decide("eve", ServiceInvoke, "Start"),
		"user eve may not invoke service Start of Thing Press: group Users is denied *": b.Decide("eve", ServiceInvoke, "Start", guests),
		"user eve may not read property temp of Thing Press: no grant":                  b.Decide("eve", PropertyRead, "temp", guests),
		"user zoe may not write property temp of Thing Press: there is no such user":    b.Decide("zoe", PropertyWrite, "temp"),
		"user eve may not fire event Stopped of Thing Press: no grant":                  b.Decide("eve", EventInvoke, "Stopped"),
		"user eve may not subscribe to event Stopped of Thing Press: no grant":          b.Decide("eve", EventSubscribe, "Stopped"),
		"user eve may not change Thing Press: no grant":                                 b.Decide("eve", Update, All),
		"user eve may not do Fly with x of Thing Press: no grant":                       b.Decide("eve", "Fly", "x"),
	} {
		if got := d.Refusal("Thing Press"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestABookThatContradictsItselfIsRefused(t *testing.T) {
	units := func(units ...entity.Unit) []entity.Organization {
		return []entity.Organization{newOrganization("O", units...)}
	}
	for name, c := range map[string]struct {
		users         []entity.User
		groups        []entity.Group
		organizations []entity.Organization
		want          string
	}{
		"a user twice":                  {users: []entity.User{newUser("a"), newUser("a")}, want: "users: a is there twice"},
		"a group twice":                 {groups: []entity.Group{newGroup("a"), newGroup("a")}, want: "groups: a is there twice"},
		"an organization twice":         {organizations: append(units(), units()...), want: "organizations: O is there twice"},
		"a unit twice":                  {organizations: units(entity.Unit{Name: "u"}, entity.Unit{Name: "u"}), want: "organization O: unit u is there twice"},
		"a group in itself":             {groups: []entity.Group{newGroup("a", group("a"))}, want: "groups: a contains itself: a > a"},
		"a group in itself, far down":   {groups: []entity.Group{newGroup("x", group("a")), newGroup("a", group("b")), newGroup("b", user("b"), group("c")), newGroup("c", group("a"))}, want: "a > b > c > a"},
		"Users in a group of its users": {groups: []entity.Group{newGroup(Users, group(ComposerUsers))}, want: "contains itself"},
		"a unit below nothing":          {organizations: units(entity.Unit{Name: "u", Parent: "v"}), want: "organization O: unit u is below v, which is not there"},
		"a unit below itself":           {organizations: units(entity.Unit{Name: "u", Parent: "v"}, entity.Unit{Name: "v", Parent: "u"}), want: "organization O: unit u is below itself: u > v > u"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewBook(c.users, c.groups, c.organizations)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestABookTellsWhoIsThere(t *testing.T) {
	b := company(t)
	for name, want := range map[string][2]bool{"ann": {true, true}, "gone": {true, false}, "zoe": {}, System: {true, true}} {
		if has, enabled := b.Has(name); [2]bool{has, enabled} != want {
			t.Errorf("%s: got %v, %v", name, has, enabled)
		}
	}
	if got := b.Groups("ann"); !slices.Equal(got, []string{ComposerUsers, "Plant", "Shift", Users}) {
		t.Errorf("ann is in %v", got)
	}
	if got := b.Groups("zoe"); got != nil {
		t.Errorf("zoe, who is not there, is in %v", got)
	}
	if !b.Administers(Administrator) || b.Administers("ann") || b.Administers("zoe") {
		t.Error("the wrong people administer")
	}
}

func TestMembersOfAdministratorsAdministerAlsoThroughGroups(t *testing.T) {
	b, err := NewBook([]entity.User{newUser("boss"), newUser("chief")},
		[]entity.Group{newGroup(Administrators, user("boss"), group("Chiefs"), user(System)), newGroup("Chiefs", user("chief"))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"boss", "chief", Administrator} {
		if !b.Allowed(name, Delete, All) || !b.Visible(name) {
			t.Errorf("%s may not all", name)
		}
	}
	if d := b.DecideNested(System, ServiceInvoke, "Start"); !d.Allowed {
		t.Error("System, an administrator now, may not all")
	}
}

func TestEveryoneAndItsMembersCanBeReplaced(t *testing.T) {
	b, err := NewBook([]entity.User{newUser("eve")}, nil, []entity.Organization{newOrganization(Everyone, entity.Unit{Name: "Nobody"})})
	if err != nil {
		t.Fatal(err)
	}
	if b.Visible("eve", []entity.Principal{organization(Everyone)}) {
		t.Error("eve still belongs to an organization that has no members any more")
	}
}
