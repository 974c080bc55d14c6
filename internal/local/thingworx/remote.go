package thingworx

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/supervise"
)

// edgeWrite is a checked write of a remote-bound property.
type edgeWrite struct {
	property string
	edgeName string
	value    infotable.Value
	timeout  time.Duration
}

// Set writes properties. Local ones are stored. Remote-bound ones are asked of the edge, by the edge's name, and not
// stored: their values change when the edge pushes what it took. All writes are checked before the first one is sent;
// remote ones are sent at once, and local ones stored only when all of those succeeded. The error says of each write
// that failed why, and whether the edge may have carried it out.
func (p *Platform) Set(ctx context.Context, thingName string, writes []Write) error {
	t, err := p.seen(ctx, thingName)
	if err != nil {
		return err
	}
	if err := p.mayWrite(ctx, t, writes, (*thing).property); err != nil {
		return err
	}
	local, remote, err := p.sort(t, writes)
	if err != nil {
		return err
	}
	if err := p.writeToEdge(ctx, t, remote); err != nil || len(local) == 0 {
		return err
	}
	return p.store(ctx, t, local, (*thing).localTarget)
}

// sort checks writes and tells local from remote ones.
func (p *Platform) sort(t *thing, writes []Write) (local []Write, remote []edgeWrite, err error) {
	now := p.now().UnixMilli()
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.usable(); err != nil {
		return nil, nil, err
	}
	for i := range writes {
		w, err := p.checkWrite(t, &writes[i], now, (*thing).setTarget)
		if err != nil {
			return nil, nil, err
		}
		b := w.prop.def.Remote
		if b == nil {
			local = append(local, writes[i])
			continue
		}
		remote = append(remote, edgeWrite{w.prop.def.Name, b.EdgeName, w.vtq.Value, b.timeout()})
	}
	return local, remote, nil
}

func (b *Binding) timeout() time.Duration { return time.Duration(b.Timeout) * time.Millisecond }

func (p *Platform) writeToEdge(ctx context.Context, t *thing, writes []edgeWrite) error {
	send := func(ctx context.Context, w edgeWrite) error {
		_, err := p.ask(ctx, t, EdgeRequest{Verb: EdgeWrite, Name: w.edgeName, Params: infotable.Single(w.edgeName, w.value)}, w.timeout)
		if err != nil {
			return fmt.Errorf("write property %s of Thing %s: %w", w.property, t.name, err)
		}
		return nil
	}
	if len(writes) == 1 {
		return send(ctx, writes[0])
	}
	errs := make([]error, len(writes))
	group := supervise.New(ctx)
	for i, w := range writes {
		group.Go("write to edge", func(ctx context.Context) error {
			errs[i] = send(ctx, w)
			return nil
		})
	}
	return errors.Join(append(errs, group.Wait())...)
}

// Fetch returns a property as its binding says (read): from the platform's store with the cache time 0, from the edge
// with -1, and from the edge when the stored value is older than a positive one. What the edge answers is stored.
func (p *Platform) Fetch(ctx context.Context, thingName, propertyName string) (PropertyView, error) {
	t, err := p.seen(ctx, thingName)
	if err != nil {
		return PropertyView{}, err
	}
	view, err := p.read(ctx, t, propertyName)
	if err != nil || !p.stale(&view) {
		return view, err
	}
	t.mu.Lock()
	err = t.usable()
	t.mu.Unlock()
	if err != nil {
		return view, err
	}
	b := view.Remote
	answer, err := p.ask(ctx, t, EdgeRequest{Verb: EdgeRead, Name: b.EdgeName}, b.timeout())
	if err != nil {
		return view, fmt.Errorf("read property %s of Thing %s: %w", propertyName, thingName, err)
	}
	write := Write{Property: b.EdgeName, Value: answer.First(b.EdgeName)}
	if err := p.store(ctx, t, []Write{write}, (*thing).pushTarget); err != nil {
		return view, Refuse(Failed, "read property %s of Thing %s: the answer of the edge does not fit: %v", propertyName, thingName, err)
	}
	return p.read(ctx, t, propertyName)
}

// stale reports whether a property has to be fetched.
func (p *Platform) stale(v *PropertyView) bool {
	switch b := v.Remote; {
	case b == nil || b.CacheTime == 0:
		return false
	case b.CacheTime < 0 || v.Value.IsNothing():
		return true
	default:
		return p.now().UnixMilli()-v.Time > int64(b.CacheTime)
	}
}
