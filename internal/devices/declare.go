package devices

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

// declare gives a Thing that was made or updated remote properties for what its device has been seen to send or report.
func (r *run) declare(ctx context.Context, t Thing, isThere bool, o *Outcome) error {
	can, cannot, err := r.Sample(t.Device).Properties()
	if err != nil {
		return err
	}
	o.Reason = unnamed(cannot)
	if len(can) == 0 {
		return nil
	}
	return r.retry(ctx, func() (err error) {
		if r.DryRun && !isThere {
			o.Declared, err = r.lacking(ctx, t.Template, can)
		} else if o.Declared, err = r.Things.Declare(ctx, t, can, r.DryRun); err != nil && !r.DryRun && !isThere {
			err = fmt.Errorf("the Thing was made: %w", err)
		}
		return err
	})
}

// lacking returns those properties that a Thing of a template would not have.
func (r *run) lacking(ctx context.Context, template string, properties []mapping.Property) ([]mapping.Property, error) {
	has, err := r.known.of(ctx, r.Things, template)
	return slices.DeleteFunc(properties, func(p mapping.Property) bool { return has[p.EdgeName] }), err
}

// templates are the properties of the templates that were asked for.
type templates struct {
	mu sync.Mutex
	by map[string]map[string]bool
}

func (t *templates) of(ctx context.Context, things Things, template string) (map[string]bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if has, known := t.by[template]; known {
		return has, nil
	}
	has, err := things.TemplateProperties(ctx, template)
	if err != nil {
		return nil, err
	}
	if t.by == nil {
		t.by = map[string]map[string]bool{}
	}
	t.by[template] = has
	return has, nil
}

// declare gives a Thing that was just made remote properties for what its device has reported, and for what the message has for
// which it was made. What the platform refuses holds nothing up: the Thing stays without them, as it would be without Declare.
func (l *Life) declare(ctx context.Context, t Thing, m *message.Message) error {
	if !l.Declare {
		return nil
	}
	sample := Sample{}
	sample.Reported(t.Device.Report)
	if m != nil {
		sample.Message(m)
	}
	var done Declared
	can, cannot, err := sample.Properties()
	if err == nil && len(can) > 0 {
		err = l.repeat(ctx, func() (err error) { // the Thing is there: nobody would come back to it
			done, err = l.Things.Declare(ctx, t, can, false)
			return err
		})
	}
	switch {
	case err != nil && fault.ClassOf(err) == fault.Transient:
		return err
	case err != nil:
		l.Log.Warn("a Thing that was made has no properties for what its device sends", "event", "thing-not-declared", "hub", l.Hub, "thing", t.Name,
			"error", err, "hint", fault.HintOf(err))
	case len(done)+len(cannot) > 0:
		l.Log.Info("a Thing that was made has properties for what its device sends", "event", "thing-declared", "hub", l.Hub, "thing", t.Name,
			"properties", done, "without", unnamed(cannot))
	}
	return nil
}
