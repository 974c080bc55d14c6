package thingworx

import (
	"context"
	"errors"
	"slices"

	"azx/extension/entity"
	"azx/internal/local/thingworx/security"
)

// callerKey is where a context has its caller.
type callerKey struct{}

// acting is a caller on the way through the platform.
type acting struct {
	Caller
	inService bool // the call comes out of a service or subscription
	chain     int  // events that fired each other
}

// WithCaller returns a context whose calls are made on behalf of c. Without a caller in its context a call is the
// platform's own, which may everything.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, &acting{Caller: c})
}

func actingIn(ctx context.Context) *acting {
	a, _ := ctx.Value(callerKey{}).(*acting)
	return a
}

// inService returns a context for what a service does.
func inService(ctx context.Context) context.Context {
	a := actingIn(ctx)
	if a == nil || a.inService {
		return ctx
	}
	nested := *a
	nested.inService = true
	return context.WithValue(ctx, callerKey{}, &nested)
}

// userOf names the user that a call is made for, for CurrentSessionInfo and logs.
func userOf(ctx context.Context) string {
	if a := actingIn(ctx); a != nil {
		return a.User
	}
	return security.SuperUser
}

// accessKey is a question about permissions of a Thing.
type accessKey struct {
	user      string
	inService bool
	right     security.Right // "" for visibility
	resource  string
}

// access remembers decisions as long as the model is the same and the Thing's own permissions are.
type access struct {
	generation uint64
	decided    map[accessKey]error
}

// maxDecided bounds the decisions that are remembered of one Thing.
const maxDecided = 1000

// may refuses what the caller has no right to.
func (p *Platform) may(ctx context.Context, on subject, right security.Right, resource string) error {
	a := actingIn(ctx)
	if a == nil {
		return nil
	}
	m := p.model.Load()
	if m.book.Administers(a.User) {
		return nil
	}
	if on.thing == nil {
		layers := m.layers(right, on.entry.kind, on.entry.name())
		return p.decide(m, a, right, resource, on.String(), layers)
	}
	t := on.thing
	key := accessKey{a.User, a.inService, right, resource}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.access.generation != m.generation || len(t.access.decided) >= maxDecided {
		t.access = access{m.generation, map[accessKey]error{}}
	}
	err, known := t.access.decided[key]
	if !known {
		err = p.decide(m, a, right, resource, on.String(), t.layers(m, right))
		t.access.decided[key] = err
	}
	return err
}

func (p *Platform) decide(m *model, a *acting, right security.Right, resource, what string, layers [][]entity.Grant) error {
	decide := m.book.Decide
	if a.inService {
		decide = m.book.DecideNested
		layers = append(layers, systemMay())
	}
	d := decide(a.User, right, resource, layers...)
	if d.Allowed {
		return nil
	}
	when := "RunTime"
	if isDesign(right) {
		when = "DesignTime"
	}
	return Refuse(Forbidden, "%s (Add%sPermission of the entity, or AddInstance%sPermission of its template, grants it)", d.Refusal(what), when, when)
}

// systemMay is what calls out of services may do, unless it is denied: everything (inferred).
func systemMay() []entity.Grant { return security.Owner(security.System) }

// isDesign reports whether a right is one of design time.
func isDesign(right security.Right) bool {
	return slices.Contains([]security.Right{security.Create, security.Read, security.Update, security.Delete, security.Metadata}, right)
}

func pick(right security.Right, run, design []entity.Grant) []entity.Grant {
	if isDesign(right) {
		return design
	}
	return run
}

// layers are the permissions that decide about an entity of the model: its own, then its collection's.
func (m *model) layers(right security.Right, kind EntityKind, name string) [][]entity.Grant {
	own, all := m.permissions(kind, name), m.permissions(kind, "")
	return [][]entity.Grant{pick(right, own.RunTime, own.DesignTime), pick(right, all.RunTime, all.DesignTime)}
}

// layers are the permissions that decide about a Thing, from its own to those of the collection; the caller holds the
// Thing's mutex.
func (t *thing) layers(m *model, right security.Right) [][]entity.Grant {
	var out [][]entity.Grant
	if t.owner != "" {
		out = append(out, security.Owner(t.owner))
	}
	own := &t.about.Permissions
	out = append(out, pick(right, own.RunTime, own.DesignTime))
	instance := func(kind EntityKind, name string) []entity.Grant {
		p := m.permissions(kind, name)
		return pick(right, p.InstanceRunTime, p.InstanceDesignTime)
	}
	for i, name := range t.class.lineage {
		layer := slices.Clone(instance(EntityTemplate, name))
		if i == 0 {
			for _, s := range t.class.shapes {
				layer = append(layer, instance(EntityShape, s)...)
			}
		}
		out = append(out, layer)
	}
	all := m.permissions(EntityThing, "")
	return append(out, pick(right, all.RunTime, all.DesignTime))
}

// sees reports whether the caller sees a Thing.
func (p *Platform) sees(ctx context.Context, t *thing) bool {
	a := actingIn(ctx)
	if a == nil || a.inService {
		return true
	}
	m := p.model.Load()
	if m.book.Administers(a.User) {
		return true
	}
	key := accessKey{user: a.User}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.access.generation != m.generation || len(t.access.decided) >= maxDecided {
		t.access = access{m.generation, map[accessKey]error{}}
	}
	err, known := t.access.decided[key]
	if !known {
		if !m.book.Visible(a.User, t.audience(m)...) {
			err = errInvisible
		}
		t.access.decided[key] = err
	}
	return err == nil
}

var errInvisible = errors.New("not visible")

// audience is who sees a Thing; the caller holds its mutex.
func (t *thing) audience(m *model) [][]entity.Principal {
	out := [][]entity.Principal{t.about.Permissions.Visibility, m.permissions(EntityThing, "").Visibility}
	if t.owner != "" {
		out = append(out, security.OwnerSees(t.owner))
	}
	for _, name := range t.class.lineage {
		out = append(out, m.permissions(EntityTemplate, name).InstanceVisibility)
	}
	for _, name := range t.class.shapes {
		out = append(out, m.permissions(EntityShape, name).InstanceVisibility)
	}
	return out
}

// seesEntry reports whether the caller sees an entity of the model.
func (p *Platform) seesEntry(ctx context.Context, m *model, kind EntityKind, name string) bool {
	a := actingIn(ctx)
	return a == nil || a.inService ||
		m.book.Visible(a.User, m.permissions(kind, name).Visibility, m.permissions(kind, "").Visibility)
}

// seen returns a Thing that the caller sees, or the Refusal that says why not.
func (p *Platform) seen(ctx context.Context, name string) (*thing, error) {
	t, err := p.find(name)
	if err != nil {
		return nil, err
	}
	if !p.sees(ctx, t) {
		return nil, Refuse(NotFound, "there is no Thing %q that user %s may see (AddVisibilityPermission shows it to an organization)",
			shorten(name), actingIn(ctx).User)
	}
	return t, nil
}

// entry returns an entity of the model that the caller sees, or the Refusal that says why not.
func (p *Platform) entry(ctx context.Context, kind EntityKind, name string) (*entry, error) {
	m := p.model.Load()
	e := m.entry(kind, name)
	if e == nil {
		return nil, m.noEntry(kind, name)
	}
	if !p.seesEntry(ctx, m, kind, name) {
		return nil, Refuse(NotFound, "there is no %s/%s that user %s may see", kind, shorten(name), actingIn(ctx).User)
	}
	return e, nil
}

// mayDesign refuses what the caller has no right of design time to: with an entity, or with the whole collection when
// it makes a new one.
func (p *Platform) mayDesign(ctx context.Context, right security.Right, kind EntityKind, name string) error {
	a := actingIn(ctx)
	if a == nil {
		return nil
	}
	if kind == EntityThing && name != "" {
		t, err := p.seen(ctx, name)
		if err != nil {
			return err
		}
		return p.may(ctx, subject{thing: t}, right, security.All)
	}
	m := p.model.Load()
	what := string(kind)
	if name != "" {
		what += "/" + name
	}
	return p.decide(m, a, right, security.All, what, m.layers(right, kind, name))
}

// Administers refuses a caller who may not everything.
func (p *Platform) Administers(ctx context.Context) error {
	if a := actingIn(ctx); a != nil && !p.model.Load().book.Administers(a.User) {
		return Refuse(Forbidden, "user %s is no administrator", a.User)
	}
	return nil
}
