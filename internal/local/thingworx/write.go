package thingworx

import (
	"azx/alwayson/infotable"
)

// Write is one value for a property.
type Write struct {
	Property string // Push: the edge's name; Set: the property's own
	Value    infotable.Value
	Time     int64  // milliseconds since 1970-01-01 UTC; 0: now
	Quality  string // "" means GOOD
}

// target is a checked write.
type target struct {
	prop   *property
	vtq    VTQ
	latest bool // it has no time of its own, so it replaces what is there
}

// Push stores values that an edge sent for remote-bound properties: all of them, or none and the Refusal names the
// guilty property. A value older than the present one is acknowledged and recorded but does not replace it; an
// equally old one does.
func (p *Platform) Push(thingName string, writes []Write) error {
	return p.store(thingName, writes, (*thing).pushTarget)
}

// SetByEdge stores values that an edge wrote with the names of properties: remote-bound ones are taken as pushed,
// by the edge's name or their own, others are stored as by Set. That a platform takes such a write of an edge as the new value
// is inferred.
func (p *Platform) SetByEdge(thingName string, writes []Write) error {
	return p.store(thingName, writes, func(t *thing, name string) (*property, error) {
		if prop := t.byEdge[name]; prop != nil {
			return prop, nil
		}
		if prop := t.props[name]; prop != nil && prop.def.Remote != nil {
			return prop, nil
		}
		return t.localTarget(name)
	})
}

func (p *Platform) store(thingName string, writes []Write, resolve func(*thing, string) (*property, error)) error {
	t, err := p.find(thingName)
	if err != nil {
		return err
	}
	now := p.now().UnixMilli()
	t.mu.Lock()
	rewired, err := p.storeLocked(t, writes, now, resolve)
	t.mu.Unlock()
	if err != nil {
		return err
	}
	if rewired {
		p.bindings.refresh(p, thingName)
		p.bindingsChanged(t) // whoever carries its requests now should know
		p.markDirty()
	}
	return nil
}

func (p *Platform) storeLocked(t *thing, writes []Write, now int64,
	resolve func(*thing, string) (*property, error)) (rewired bool, err error) {
	if err := t.usable(); err != nil {
		return false, err
	}
	var few [16]target
	targets := few[:0]
	for i := range writes {
		checked, err := t.checkWrite(&writes[i], now, resolve)
		if err != nil {
			return false, err
		}
		targets = append(targets, checked)
	}
	if len(targets) == 0 {
		return false, nil
	}
	for _, w := range targets {
		if w.latest || w.prop.now.Value.IsNothing() || w.vtq.Time >= w.prop.now.Time {
			w.prop.now = w.vtq
			rewired = rewired || w.prop.def.Name == propGateway || w.prop.def.Name == PropertyWriteVia
		}
	}
	p.ledger.append(t.name, targets, now)
	p.stats.requests.Add(1)
	p.stats.values.Add(uint64(len(targets)))
	t.changed = p.changes.Add(1)
	return rewired, nil
}

func (t *thing) checkWrite(w *Write, now int64, resolve func(*thing, string) (*property, error)) (target, error) {
	prop, err := resolve(t, w.Property)
	if err != nil {
		return target{}, err
	}
	v, err := fit(prop.def.Type, w.Value)
	if err != nil {
		return target{}, Refuse(Invalid, "property %s of Thing %s: %v", prop.def.Name, t.name, err)
	}
	if len(w.Quality) > maxQuality {
		return target{}, Refuse(Invalid, "property %s of Thing %s: quality is longer than %d bytes",
			prop.def.Name, t.name, maxQuality)
	}
	vtq := VTQ{Value: v, Time: w.Time, Quality: w.Quality}
	if vtq.Time == 0 {
		vtq.Time = now
	}
	if vtq.Quality == "" {
		vtq.Quality = qualityGood
	}
	return target{prop, vtq, w.Time == 0}, nil
}

func (t *thing) pushTarget(edgeName string) (*property, error) {
	if prop := t.byEdge[edgeName]; prop != nil {
		return prop, nil
	}
	prop := t.props[edgeName]
	switch {
	case prop == nil:
		return nil, Refuse(Invalid, "Thing %s has no remote-bound property with the source name %q",
			t.name, shorten(edgeName))
	case prop.def.Remote != nil:
		return nil, Refuse(Invalid, "property %s of Thing %s is bound to the source name %q: push that name",
			prop.def.Name, t.name, shorten(prop.def.Remote.EdgeName))
	default:
		return nil, Refuse(Invalid, "property %s of Thing %s is not remote-bound: only remote-bound ones take pushed values"+
			" (SetRemotePropertyBinding binds it)", prop.def.Name, t.name)
	}
}

func (t *thing) setTarget(name string) (*property, error) {
	prop, err := t.property(name)
	switch {
	case err != nil:
		return nil, err
	case prop.def.ReadOnly:
		return nil, Refuse(Forbidden, "property %s of Thing %s is read-only", name, t.name)
	default:
		return prop, nil
	}
}

// localTarget is setTarget for a value that is to be stored, not asked of the edge.
func (t *thing) localTarget(name string) (*property, error) {
	prop, err := t.setTarget(name)
	if err == nil && prop.def.Remote != nil {
		return nil, Refuse(Forbidden, "property %s of Thing %s is remote-bound since a moment ago: write it again", name, t.name)
	}
	return prop, err
}

// Read returns a property as it is stored now; see Fetch.
func (p *Platform) Read(thingName, propertyName string) (PropertyView, error) {
	t, err := p.find(thingName)
	if err != nil {
		return PropertyView{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	prop, err := t.property(propertyName)
	if err != nil {
		return PropertyView{}, err
	}
	return PropertyView{prop.def, prop.now}, nil
}
