package thingworx

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/security"
)

// holder is an edge that stands for a Thing.
type holder struct {
	edge  Edge
	as    string // the name that it bound: the Thing's, or that of the Thing's routing group
	group bool   // it carries the requests of the Things behind this one, too
}

// bindings knows who stands for which Thing. Its mutex is taken before that of a Thing, never after.
type bindings struct {
	mu      sync.Mutex
	holders map[string][]holder // by Thing
}

// standing is what a BIND of one name makes of an edge.
type standing struct {
	thing *thing
	holder
}

// Bind makes e stand for names: all of them or, with a Refusal that names the guilty one, none. A name is that of a
// Thing, or the identifier of one behind an asterisk, or the routing group of hub Things, or both. The first edge keeps a
// Thing ("first in wins"), unless the Thing has the shape MultiBindRemoteThing. That a group is bound by a plain BIND of
// its name is inferred. The caller must see the Things and have the right to ask for what to push to them (inferred).
func (p *Platform) Bind(ctx context.Context, e Edge, names []string) error {
	groups := p.groups()
	p.bindings.mu.Lock()
	defer p.bindings.mu.Unlock()
	var all []standing
	for _, name := range names {
		found, err := p.bindable(ctx, e, name, groups[name])
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	things := make([]string, len(all))
	for i, s := range all {
		things[i] = s.thing.name
		p.bindings.add(things[i], s.holder)
	}
	p.refreshBound(things)
	return nil
}

// bindable returns what a BIND of name would make of e; hubs have that routing group.
func (p *Platform) bindable(ctx context.Context, e Edge, name string, hubs []*thing) ([]standing, error) {
	found, err := p.bindName(ctx, name)
	if err != nil && len(hubs) == 0 {
		return nil, Refuse(NotFound, "%v, and no hub Thing has that routing group", err)
	}
	if err == nil && !slices.Contains(hubs, found) {
		hubs = append([]*thing{found}, hubs...)
	}
	var all []standing
	for _, t := range hubs {
		if err := p.mayBind(ctx, e, t); err != nil {
			return nil, err
		}
		group, ok := t.groupName()
		all = append(all, standing{t, holder{e, name, ok && group == name && !p.opts.NoGroupBind}})
	}
	return all, nil
}

func (p *Platform) bindName(ctx context.Context, name string) (*thing, error) {
	identifier, is := strings.CutPrefix(name, "*")
	if !is {
		return p.seen(ctx, name)
	}
	p.mu.RLock()
	named := p.identifiers[identifier]
	p.mu.RUnlock()
	if named == "" {
		return nil, Refuse(NotFound, "bind %s: no Thing has that identifier", shorten(name))
	}
	return p.seen(ctx, named)
}

func (p *Platform) mayBind(ctx context.Context, e Edge, t *thing) error {
	if !p.sees(ctx, t) {
		_, err := p.seen(ctx, t.name)
		return err
	}
	if err := p.may(ctx, subject{thing: t}, security.ServiceInvoke, serviceSubscriptions); err != nil {
		return fmt.Errorf("bind %s: %w", t.name, err)
	}
	t.mu.Lock()
	err, remote := t.usable(), t.class.isRemote()
	t.mu.Unlock()
	if !remote {
		return Refuse(Forbidden, "bind %s: its template %s is no RemoteThing, so nobody can stand for it", t.name, t.template)
	}
	if err != nil {
		return err
	}
	other := slices.IndexFunc(p.bindings.holders[t.name], func(h holder) bool { return h.edge != e })
	if other >= 0 && !p.implements(t, ShapeMultiBind) {
		return Refuse(Forbidden, "bind %s: %s stands for it already, and the first one keeps it (the shape %s"+
			" allows several)", t.name, p.bindings.holders[t.name][other].edge, ShapeMultiBind)
	}
	return nil
}

// BoundBy returns the names of the Things that a BIND of name is about: the Thing of that name, and hub Things whose
// routing group it is.
func (p *Platform) BoundBy(name string) []string {
	p.bindings.mu.Lock()
	defer p.bindings.mu.Unlock()
	var things []string
	for thing, holders := range p.bindings.holders {
		if slices.ContainsFunc(holders, func(h holder) bool { return h.as == name }) {
			things = append(things, thing)
		}
	}
	return things
}

// Unbind ends e's standing for names; those that it did not bind are ignored.
func (p *Platform) Unbind(e Edge, names []string) {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	p.release(func(h holder) bool { return h.edge == e && set[h.as] })
}

// UnbindAll ends all of e's standing, as when its connection ends.
func (p *Platform) UnbindAll(e Edge) {
	p.release(func(h holder) bool { return h.edge == e })
}

// release removes the holders that leave picks.
func (p *Platform) release(leave func(holder) bool) {
	p.bindings.mu.Lock()
	defer p.bindings.mu.Unlock()
	var things []string
	for thing, holders := range p.bindings.holders {
		if slices.ContainsFunc(holders, leave) {
			p.bindings.set(thing, slices.DeleteFunc(slices.Clone(holders), leave))
			things = append(things, thing)
		}
	}
	p.refreshBound(things)
}

// add makes h a holder, instead of what the same edge was by the same name.
func (b *bindings) add(thing string, h holder) {
	others := slices.DeleteFunc(slices.Clone(b.holders[thing]), func(o holder) bool { return o.edge == h.edge && o.as == h.as })
	b.set(thing, append(others, h))
}

func (b *bindings) set(thing string, holders []holder) {
	if len(holders) == 0 {
		delete(b.holders, thing)
		return
	}
	b.holders[thing] = holders
}

// drop forgets all bindings of a deleted Thing.
func (b *bindings) drop(p *Platform, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.holders[name] != nil {
		delete(b.holders, name)
		p.refreshBehind(map[string]bool{name: true})
	}
}

// refresh sets isConnected of one Thing and, since it may have been or become a gateway, of those behind it.
func (b *bindings) refresh(p *Platform, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.refreshBound([]string{name})
	if b.holders[name] != nil {
		p.refreshBehind(map[string]bool{name: true})
	}
}

// refreshBound sets isConnected of these Things and of those that have one of them as gateway.
func (p *Platform) refreshBound(names []string) {
	gateways := map[string]bool{}
	for _, name := range names {
		t, err := p.find(name)
		if err != nil {
			continue
		}
		p.refreshOne(t)
		if p.implements(t, ShapeEgressGate) {
			gateways[name] = true
		}
	}
	p.refreshBehind(gateways)
}

// refreshBehind sets isConnected of the Things behind gateways. It looks at every Thing, so only when there is one.
func (p *Platform) refreshBehind(gateways map[string]bool) {
	if len(gateways) == 0 {
		return
	}
	for _, t := range p.snapshot() {
		if gateways[t.gateway()] {
			p.refreshOne(t)
		}
	}
}

// gateway returns the name in gatewayThing, "" if there is none, or if the Thing does not delegate its requests.
func (t *thing) gateway() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	prop := t.props[propGateway]
	if prop == nil || prop.def.From != ShapeRoutedEgress {
		return ""
	}
	name, _ := prop.now.Value.Text()
	return name
}

func (p *Platform) refreshOne(t *thing) {
	connected := len(p.carriers(t)) > 0
	now := p.now().UnixMilli()
	changes := p.setConnected(t, connected, now)
	if len(changes) > 0 {
		p.emitChanges(context.Background(), t, changes)
	}
}

// setConnected sets isConnected and what follows from it, and returns the changes that somebody may wait for.
func (p *Platform) setConnected(t *thing, connected bool, now int64) []change {
	t.mu.Lock()
	defer t.mu.Unlock()
	var changes []change
	set := func(name string, v infotable.Value) {
		prop := t.props[name]
		if prop == nil {
			return
		}
		old := prop.now
		prop.now = VTQ{v, now, qualityGood}
		if p.heard(t) && prop.def.isChange(old, prop.now) {
			changes = append(changes, change{prop.def, old, prop.now})
		}
	}
	prop := t.props[propConnected]
	if prop == nil {
		return nil
	}
	if was, _ := prop.now.Value.Boolean(); was == connected {
		return nil
	}
	set(propConnected, infotable.Boolean(connected))
	if connected {
		set(propLastConnection, infotable.DateTime(now))
	}
	if t.reports() {
		set(propReporting, infotable.Boolean(connected))
		set("reportingLastChange", infotable.DateTime(now))
		set("reportingLastEvaluation", infotable.DateTime(now))
	}
	p.valued(t)
	return changes
}

// carriers returns the edges that carry the requests of a Thing: those that bound the Thing, else those that bound the
// routing group of its gateway. The caller holds the bindings' mutex.
func (p *Platform) carriers(t *thing) []Edge {
	if own := edgesOf(p.bindings.holders[t.name], false); len(own) > 0 {
		return own
	}
	gateway := t.gateway()
	if gateway == "" {
		return nil
	}
	if g, err := p.find(gateway); err != nil || !p.implements(g, ShapeEgressGate) {
		return nil
	}
	return edgesOf(p.bindings.holders[gateway], true)
}

// carriersOf is carriers for who does not hold the mutex.
func (p *Platform) carriersOf(t *thing) []Edge {
	p.bindings.mu.Lock()
	defer p.bindings.mu.Unlock()
	return p.carriers(t)
}

// edgesOf returns the edges among holders, each once; groupOnly leaves out those that carry nothing for others.
func edgesOf(holders []holder, groupOnly bool) []Edge {
	var edges []Edge
	for _, h := range holders {
		if (h.group || !groupOnly) && !slices.Contains(edges, h.edge) {
			edges = append(edges, h.edge)
		}
	}
	return edges
}

// implements reports whether a Thing has a shape.
func (p *Platform) implements(t *thing, shape string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.class.implements[shape]
}

// bindingsChanged tells those who stand for a Thing that its remote bindings changed.
func (p *Platform) bindingsChanged(t *thing) {
	for _, e := range p.carriersOf(t) {
		e.NotifyPropertyUpdate(t.name)
	}
}

// IsBound reports whether somebody stands for the Thing itself, its gateway not counted.
func (p *Platform) IsBound(name string) bool {
	p.bindings.mu.Lock()
	defer p.bindings.mu.Unlock()
	return len(p.bindings.holders[name]) > 0
}

// StandsFor reports whether e carries the requests of a Thing, itself or through the Thing's gateway.
func (p *Platform) StandsFor(e Edge, name string) bool {
	t, err := p.find(name)
	return err == nil && slices.Contains(p.carriersOf(t), e)
}
