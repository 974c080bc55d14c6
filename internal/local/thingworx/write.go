package thingworx

import (
	"context"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/security"
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
// equally old one does. The caller must have the right to the service UpdateSubscribedPropertyValues.
func (p *Platform) Push(ctx context.Context, thingName string, writes []Write) error {
	t, err := p.seen(ctx, thingName)
	if err != nil {
		return err
	}
	if err := p.may(ctx, subject{thing: t}, security.ServiceInvoke, serviceUpdateSubscribed); err != nil {
		return err
	}
	return p.push(ctx, t, writes)
}

func (p *Platform) push(ctx context.Context, t *thing, writes []Write) error {
	if err := p.answers(ctx, t.name); err != nil {
		return err
	}
	return p.store(ctx, t, p.known(t, writes), (*thing).pushTarget)
}

// SetByEdge stores values that an edge wrote with the names of properties: remote-bound ones are taken as pushed,
// by the edge's name or their own, others are stored as by Set. That a platform takes such a write of an edge as the new value
// is inferred.
func (p *Platform) SetByEdge(ctx context.Context, thingName string, writes []Write) error {
	t, err := p.seen(ctx, thingName)
	if err != nil {
		return err
	}
	target := func(t *thing, name string) (*property, error) {
		if prop := t.byEdge[name]; prop != nil {
			return prop, nil
		}
		if prop := t.props[name]; prop != nil && prop.def.Remote != nil {
			return prop, nil
		}
		return t.localTarget(name)
	}
	if err := p.mayWrite(ctx, t, writes, target); err != nil {
		return err
	}
	return p.store(ctx, t, writes, target)
}

// mayWrite refuses a write of a property to which the caller has no right. What is not there is not refused here.
func (p *Platform) mayWrite(ctx context.Context, t *thing, writes []Write, resolve func(*thing, string) (*property, error)) error {
	if p.Administers(ctx) == nil {
		return nil
	}
	for i := range writes {
		t.mu.Lock()
		prop, err := resolve(t, writes[i].Property)
		t.mu.Unlock()
		if err != nil {
			continue
		}
		if err := p.may(ctx, subject{thing: t}, security.PropertyWrite, prop.def.Name); err != nil {
			return err
		}
	}
	return nil
}

func (p *Platform) store(ctx context.Context, t *thing, writes []Write, resolve func(*thing, string) (*property, error)) error {
	now := p.now().UnixMilli()
	t.mu.Lock()
	done, err := p.storeLocked(t, writes, now, resolve)
	t.mu.Unlock()
	if err != nil {
		return err
	}
	if len(done.changes) > 0 {
		p.emitChanges(ctx, t, done.changes)
	}
	if done.rewired {
		p.unsaved.note(bucketThings, t.name) // saved as soon as definitions are
		p.bindings.refresh(p, t.name)
		p.bindingsChanged(t) // whoever carries its requests now should know
	}
	return nil
}

// stored is what followed from a write.
type stored struct {
	rewired bool // what says how requests travel changed
	changes []change
}

func (p *Platform) storeLocked(t *thing, writes []Write, now int64, resolve func(*thing, string) (*property, error)) (done stored, err error) {
	if err := t.usable(); err != nil {
		return done, err
	}
	var few [16]target
	targets := few[:0]
	for i := range writes {
		checked, err := p.checkWrite(t, &writes[i], now, resolve)
		if err != nil {
			return done, err
		}
		targets = append(targets, checked)
	}
	if len(targets) == 0 {
		return done, nil
	}
	if err := p.remember(t, targets); err != nil {
		return done, err
	}
	heard := p.heard(t)
	for _, w := range targets {
		if old := w.prop.now; w.latest || old.Value.IsNothing() || w.vtq.Time >= old.Time {
			w.prop.now = w.vtq
			done.rewired = done.rewired || w.prop.def.Name == propGateway || w.prop.def.Name == PropertyWriteVia
			if heard && w.prop.def.isChange(old, w.vtq) {
				done.changes = append(done.changes, change{w.prop.def, old, w.vtq})
			}
		}
	}
	p.ledger.append(t.name, targets, now)
	p.stats.requests.Add(1)
	p.stats.values.Add(uint64(len(targets)))
	p.valued(t)
	return done, nil
}

// valued records that values of t changed; the caller holds its mutex.
func (p *Platform) valued(t *thing) {
	t.changed = p.changes.Add(1)
	if !t.unsaved && p.opts.Store != nil {
		t.unsaved = true
		p.unsaved.note(bucketValues, t.name)
	}
}

func (p *Platform) checkWrite(t *thing, w *Write, now int64, resolve func(*thing, string) (*property, error)) (target, error) {
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
	vtq := VTQ{Value: p.hide(v), Time: w.Time, Quality: w.Quality}
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
func (p *Platform) Read(ctx context.Context, thingName, propertyName string) (PropertyView, error) {
	t, err := p.seen(ctx, thingName)
	if err != nil {
		return PropertyView{}, err
	}
	return p.read(ctx, t, propertyName)
}

func (p *Platform) read(ctx context.Context, t *thing, propertyName string) (PropertyView, error) {
	t.mu.Lock()
	prop, err := t.property(propertyName)
	var v PropertyView
	if err == nil {
		v = PropertyView{*prop.def, prop.now}
	}
	t.mu.Unlock()
	if err == nil {
		err = p.may(ctx, subject{thing: t}, security.PropertyRead, propertyName)
	}
	if err != nil {
		return PropertyView{}, err
	}
	return v, nil
}
