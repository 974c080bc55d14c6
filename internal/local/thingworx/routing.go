package thingworx

import (
	"context"
	"strings"
)

// serviceRoutingGroup is what names the routing group of a Thing that carries the requests of others. How a platform
// learns the group is not known: see docs/unknowns.md.
const serviceRoutingGroup = "GetRoutingGroup"

// group is the routing group of a Thing as it was learned last.
type group struct {
	stale bool // to be asked again
	name  string
	err   error // why there is none
}

// learnGroup has a Thing say its routing group, if something changed since it last did. It must not be called with a
// mutex held: the service may be a script.
func (p *Platform) learnGroup(t *thing) {
	t.mu.Lock()
	stale := t.group.stale
	carries, asked := t.class.implements[ShapeEgressGate], t.service(serviceRoutingGroup)
	t.group.stale = false
	t.mu.Unlock()
	if !stale {
		return
	}
	learned := group{name: t.name}
	switch {
	case !carries:
		learned.name = ""
	case asked != nil:
		v, err := p.invoke(context.Background(), subject{thing: t}, asked, nil)
		learned.err = err
		learned.name, _ = v.Text()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	learned.stale = t.group.stale
	t.group = learned
}

// groupName returns the name that binds a Thing together with those behind it; false if it carries no requests of others,
// or has no routing group. It is what was learned last.
func (t *thing) groupName() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.group.name, t.group.err == nil && strings.TrimSpace(t.group.name) != ""
}

// routingGroup is groupName, learned now if need be.
func (p *Platform) routingGroup(t *thing) (string, bool) {
	p.learnGroup(t)
	return t.groupName()
}

// groups returns the Things that carry the requests of others, by routing group.
func (p *Platform) groups() map[string][]*thing {
	byName := map[string][]*thing{}
	for _, t := range p.snapshot() {
		if group, ok := p.routingGroup(t); ok {
			byName[group] = append(byName[group], t)
		}
	}
	return byName
}

// groupProblem says why a Thing could not say its routing group; nil if it could.
func (t *thing) groupProblem() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.group.err
}
