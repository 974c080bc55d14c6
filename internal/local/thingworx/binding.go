package thingworx

import (
	"slices"
	"sync"

	"azx/alwayson/infotable"
)

// Edge is a connection that stands for Things. Its methods must not block.
type Edge interface {
	// NotifyPropertyUpdate tells the edge that the remote bindings of a Thing changed.
	NotifyPropertyUpdate(thing string)
	// String names the connection in reasons.
	String() string
}

// bindings knows who stands for which Thing. Its mutex is taken before that of a Thing, never after.
type bindings struct {
	mu    sync.Mutex
	edges map[string][]Edge
}

// Bind makes e stand for Things: all of them or, with a Refusal that names the guilty one, none. The first edge
// keeps a Thing ("first in wins"), unless the Thing has the shape MultiBindRemoteThing.
func (p *Platform) Bind(e Edge, names []string) error {
	p.bindings.mu.Lock()
	defer p.bindings.mu.Unlock()
	for _, name := range names {
		if err := p.bindable(e, name); err != nil {
			return err
		}
	}
	for _, name := range names {
		if !slices.Contains(p.bindings.edges[name], e) {
			p.bindings.edges[name] = append(p.bindings.edges[name], e)
		}
	}
	p.refreshBound(names)
	return nil
}

func (p *Platform) bindable(e Edge, name string) error {
	if name != "" && name[0] == '*' {
		return Refuse(NotFound, "bind %s: no Thing has that identifier", shorten(name))
	}
	t, err := p.find(name)
	if err != nil {
		return err
	}
	if !p.model.isA(t.template, TemplateRemote) {
		return Refuse(Forbidden, "bind %s: its template %s is no RemoteThing, so nobody can stand for it", name, t.template)
	}
	t.mu.Lock()
	multi := slices.Contains(p.model.shapesOf(t.template, t.shapes), ShapeMultiBind)
	err = t.usable()
	t.mu.Unlock()
	if err != nil {
		return err
	}
	if holders := p.bindings.edges[name]; len(holders) > 0 && !multi && !slices.Contains(holders, e) {
		return Refuse(Forbidden, "bind %s: %s stands for it already, and the first one keeps it (the shape %s"+
			" allows several)", name, holders[0], ShapeMultiBind)
	}
	return nil
}

// Unbind ends e's standing for Things; names that it does not stand for are ignored.
func (p *Platform) Unbind(e Edge, names []string) {
	p.bindings.mu.Lock()
	defer p.bindings.mu.Unlock()
	for _, name := range names {
		p.bindings.remove(e, name)
	}
	p.refreshBound(names)
}

// UnbindAll ends all of e's standing, as when its connection ends.
func (p *Platform) UnbindAll(e Edge) {
	p.bindings.mu.Lock()
	defer p.bindings.mu.Unlock()
	var names []string
	for name, holders := range p.bindings.edges {
		if slices.Contains(holders, e) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		p.bindings.remove(e, name)
	}
	p.refreshBound(names)
}

func (b *bindings) remove(e Edge, name string) {
	holders := slices.DeleteFunc(slices.Clone(b.edges[name]), func(h Edge) bool { return h == e })
	if len(holders) == 0 {
		delete(b.edges, name)
		return
	}
	b.edges[name] = holders
}

// drop forgets all bindings of a deleted Thing.
func (b *bindings) drop(p *Platform, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.edges[name] != nil {
		delete(b.edges, name)
		p.refreshBound([]string{name})
	}
}

// refresh sets isConnected of one Thing, after it was created or got another gateway.
func (b *bindings) refresh(p *Platform, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t, err := p.find(name); err == nil {
		p.refreshOne(t)
	}
}

// refreshBound sets isConnected of these Things and of those that have one of them as gateway.
func (p *Platform) refreshBound(names []string) {
	if len(names) == 0 {
		return
	}
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	for _, t := range p.all() {
		if set[t.name] || set[t.gateway()] {
			p.refreshOne(t)
		}
	}
}

// gateway returns the name in gatewayThing, "" if there is none.
func (t *thing) gateway() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	prop := t.props[propGateway]
	if prop == nil {
		return ""
	}
	name, _ := prop.now.Value.Text()
	return name
}

func (p *Platform) refreshOne(t *thing) {
	connected := len(p.holders(t)) > 0
	now := p.now().UnixMilli()
	t.mu.Lock()
	defer t.mu.Unlock()
	prop := t.props[propConnected]
	if prop == nil {
		return
	}
	if was, _ := prop.now.Value.Boolean(); was == connected {
		return
	}
	prop.now = VTQ{infotable.Boolean(connected), now, qualityGood}
	if last := t.props[propLastConnection]; connected && last != nil {
		last.now = VTQ{infotable.DateTime(now), now, qualityGood}
	}
	t.changed = p.changes.Add(1)
}

// holders returns who stands for a Thing, itself or through its gateway. The caller holds the bindings' mutex.
func (p *Platform) holders(t *thing) []Edge {
	if own := p.bindings.edges[t.name]; len(own) > 0 {
		return own
	}
	return p.bindings.edges[t.gateway()]
}

// bindingsChanged tells those who stand for a Thing that its remote bindings changed.
func (p *Platform) bindingsChanged(t *thing) {
	p.bindings.mu.Lock()
	holders := slices.Clone(p.holders(t))
	p.bindings.mu.Unlock()
	for _, e := range holders {
		e.NotifyPropertyUpdate(t.name)
	}
}

// IsBound reports whether somebody stands for the Thing itself, its gateway not counted.
func (p *Platform) IsBound(name string) bool {
	p.bindings.mu.Lock()
	defer p.bindings.mu.Unlock()
	return len(p.bindings.edges[name]) > 0
}
