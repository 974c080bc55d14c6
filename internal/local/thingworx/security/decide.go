package security

import (
	"fmt"

	"azx/extension/entity"
)

// Basis says what a decision rests on.
type Basis int

// What decisions rest on.
const (
	NoGrant      Basis = iota // nothing was said: refused
	ByGrant                   // Decision.Grant permits or denies
	ByAuthority               // the user may all
	UnknownUser               // there is no such user: refused
	DisabledUser              // the user is disabled: refused
)

// Decision is the answer to a question and its reason.
type Decision struct {
	Allowed  bool
	User     string // who was asked about
	Right    Right
	Resource string
	As       string // whose rights decided: User, or System for a call out of a service
	Basis    Basis
	Grant    entity.Grant // of ByGrant: the one that decided
	Layer    int          // of ByGrant: the layer it is in, from 0
}

// Allowed is Decide without its reason.
func (b *Book) Allowed(user string, right Right, resource string, layers ...[]entity.Grant) bool {
	return b.Decide(user, right, resource, layers...).Allowed
}

// Decide tells whether a user has a right to a resource (a property's, service's or event's name, or All) of an entity. The
// layers go from the entity itself to the least specific: the permissions of the Thing, the instance permissions of its
// shapes, its template and the templates below it, the collection. Shapes and templates that are equally far from the
// Thing belong in one layer.
func (b *Book) Decide(user string, right Right, resource string, layers ...[]entity.Grant) Decision {
	d := Decision{User: user, Right: right, Resource: resource, As: user}
	m := b.members[user]
	switch {
	case m == nil:
		d.Basis = UnknownUser
		return d
	case !m.enabled:
		d.Basis = DisabledUser
		return d
	case m.all:
		d.Allowed, d.Basis = true, ByAuthority
		return d
	}
	for i, layer := range layers {
		if g := m.deciding(layer, right, resource); g != nil {
			d.Allowed, d.Basis, d.Grant, d.Layer = g.Permitted, ByGrant, *g, i
			return d
		}
	}
	return d
}

// DecideNested is Decide for a call out of a service or subscription that the user has set off: it is also allowed if the
// user System may make it. A user that is not there or disabled may nothing. The reason of a refusal is the user's.
func (b *Book) DecideNested(user string, right Right, resource string, layers ...[]entity.Grant) Decision {
	d := b.Decide(user, right, resource, layers...)
	if d.Allowed || d.Basis == UnknownUser || d.Basis == DisabledUser {
		return d
	}
	system := b.Decide(System, right, resource, layers...)
	if !system.Allowed {
		return d
	}
	system.User = user
	return system
}

// deciding gives the grant of a layer that decides for the user; nil if the layer says nothing.
func (m *member) deciding(layer []entity.Grant, right Right, resource string) *entity.Grant {
	var best *entity.Grant
	for i := range layer {
		g := &layer[i]
		if g.Right != string(right) || g.Resource != resource && g.Resource != All {
			continue
		}
		if best != nil && !before(g, best) {
			continue
		}
		if _, mine := m.is[g.Principal]; mine {
			best = g
		}
	}
	return best
}

// before tells whether a grant decides against another of its layer that is for the same resource.
func before(g, other *entity.Grant) bool {
	if general := g.Resource == All; general != (other.Resource == All) {
		return !general
	}
	return !g.Permitted && other.Permitted
}

// Visible tells whether a user sees an entity. The layers are who it is shown to: by itself, by its template's instance
// visibility, by its collection; their order does not matter. A layer may name users too: see OwnerSees.
func (b *Book) Visible(user string, layers ...[]entity.Principal) bool {
	m := b.members[user]
	if m == nil || !m.enabled {
		return false
	}
	if m.all {
		return true
	}
	for _, layer := range layers {
		for _, p := range layer {
			if _, sees := m.sees[p]; sees {
				return true
			}
		}
	}
	return false
}

// Why gives the reason in a few words, such as "no grant" or "group Guests is denied *".
func (d Decision) Why() string {
	switch d.Basis {
	case ByAuthority:
		return d.As + " may everything"
	case UnknownUser:
		return "there is no such user"
	case DisabledUser:
		return "the user is disabled"
	case ByGrant:
		who, verb := "group", "granted"
		if d.Grant.Principal.Type == TypeUser {
			who = "user"
		}
		if !d.Grant.Permitted {
			verb = "denied"
		}
		return fmt.Sprintf("%s %s is %s %s", who, d.Grant.Principal.Name, verb, d.Grant.Resource)
	default:
		return "no grant"
	}
}

// Refusal says what is not allowed and why. The entity is given as people call it, such as "Thing Press1".
func (d Decision) Refusal(entity string) string {
	return fmt.Sprintf("user %s may not %s: %s", d.User, d.deed(entity), d.Why())
}

func (d Decision) deed(entity string) string {
	deed := map[Right]string{PropertyRead: "read property", PropertyWrite: "write property", ServiceInvoke: "invoke service",
		EventInvoke: "fire event", EventSubscribe: "subscribe to event"}[d.Right]
	design := map[Right]string{Create: "create", Read: "read", Update: "change", Delete: "delete", Metadata: "read the metadata of"}[d.Right]
	switch {
	case design != "":
		return design + " " + entity
	case deed == "":
		return fmt.Sprintf("do %s with %s of %s", d.Right, d.Resource, entity)
	}
	return deed + " " + d.Resource + " of " + entity
}
