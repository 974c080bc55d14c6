package devices

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"azx/internal/fault"
	"azx/internal/message"
	"azx/internal/supervise"
)

const (
	parallel = 8 // Things that are written at once
	tries    = 5 // of a write that the platform might take later
	pauseMin = 200 * time.Millisecond
	pauseMax = 10 * time.Second
)

// page makes the Things of a page and says what became of each.
func (r *run) page(ctx context.Context, page Page) ([]Outcome, error) {
	things := make([]Thing, len(page.Devices))
	asked := make([]string, 0, len(page.Devices))
	outcomes := make([]Outcome, len(page.Devices))
	for n, d := range page.Devices {
		things[n] = Thing{Name: message.ThingName(d.ID), Template: r.Rules.Template(d), Hub: r.Hub, Device: d}
		if err := r.names.take(things[n]); err != nil {
			outcomes[n] = refused(things[n], err)
			continue
		}
		asked = append(asked, things[n].Name)
	}
	var found map[string]Found
	err := r.retry(ctx, func() (err error) {
		found, err = r.Things.Find(ctx, asked)
		return err
	})
	if err == nil {
		err = r.begin(things, outcomes, found)
	}
	if err != nil {
		return nil, err
	}
	return outcomes, r.each(ctx, len(things), func(ctx context.Context, n int) error {
		if outcomes[n].Verdict != "" {
			return nil
		}
		there, isThere := found[things[n].Name]
		o, err := r.place(ctx, things[n], there, isThere)
		outcomes[n] = o
		return err
	})
}

// begin remembers which Things of a page are made, before the first of them is: who goes on after a kill finishes those.
func (r *run) begin(things []Thing, outcomes []Outcome, found map[string]Found) error {
	r.at.Making = nil
	for n, t := range things {
		if _, there := found[t.Name]; outcomes[n].Verdict == "" && (!there || r.begun[t.Name]) {
			r.at.Making = append(r.at.Making, t.Name)
		}
	}
	if len(r.at.Making) == 0 {
		return nil
	}
	return r.save()
}

// each calls do for the numbers below n, several at once.
func (r *run) each(ctx context.Context, n int, do func(ctx context.Context, n int) error) error {
	var next atomic.Int64
	group := supervise.New(ctx)
	for range min(r.Parallel, n) {
		group.Go(op, func(ctx context.Context) error {
			for k := int(next.Add(1)) - 1; k < n; k = int(next.Add(1)) - 1 {
				if err := do(ctx, k); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// place makes or updates the Thing of a device.
func (r *run) place(ctx context.Context, t Thing, there Found, isThere bool) (Outcome, error) {
	o := Outcome{Device: t.Device.ID, Thing: t.Name}
	write := r.Things.Create
	switch {
	case !isThere:
		o.Verdict, o.Template = Created, t.Template
	case there.Name != t.Name:
		return refused(t, caseOnly(t, there.Name)), nil
	case there.Hub != "" && there.Hub != r.Hub:
		return refused(t, fmt.Errorf("Thing %q belongs to hub %q", there.Name, there.Hub)), nil
	case r.begun[t.Name]:
		o.Verdict, o.Template = Created, t.Template
	case !r.Update:
		o.Verdict, o.Reason = Skipped, "the Thing is there"
		return o, nil
	default:
		o.Verdict, write = Updated, r.Things.Update
	}
	var err error
	if !r.DryRun {
		err = r.retry(ctx, func() error { return write(ctx, t) })
	}
	if err == nil && r.Sample != nil {
		err = r.declare(ctx, t, isThere, &o)
	}
	if err != nil && fault.ClassOf(err) == fault.Rejected {
		return refused(t, err), nil
	}
	return o, err
}

// retry repeats what might go well later.
func (r *run) retry(ctx context.Context, do func() error) error {
	pause := fault.Backoff{Min: pauseMin, Max: pauseMax}
	for n := 1; ; n++ {
		err := do()
		if err == nil || n == tries || fault.ClassOf(err) != fault.Transient || ctx.Err() != nil {
			return err
		}
		if err := pause.Pause(ctx); err != nil {
			return err
		}
	}
}

// names are the devices whose Things have a name, by that name in small letters: names that differ only in case are
// one to a person, and may be one to the platform's database. They take some 100 bytes for a device.
type names map[string]string

// take gives a name to a device, or says why not.
func (n names) take(t Thing) error {
	if t.Device.Bad != nil {
		return t.Device.Bad
	}
	if back, ok := message.DeviceID(t.Name); !ok || back != t.Device.ID {
		return fmt.Errorf("the id gives no name of a Thing")
	}
	folded := strings.ToLower(t.Name)
	if other, taken := n[folded]; taken && other != t.Device.ID {
		return caseOnly(t, message.ThingName(other))
	}
	n[folded] = t.Device.ID
	return nil
}

func caseOnly(t Thing, other string) error {
	return fault.Reject("name the Thing", "rename one of the two devices", "%q differs from %q only in case", t.Name, other)
}
