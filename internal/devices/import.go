// Package devices makes Things of what a hub has: the import of its devices.
//
// import.go is the file to read first.
package devices

import (
	"context"
	"fmt"

	"azx/internal/fault"
)

const op = "import devices"

// Import makes a Thing for each device of a source. It may be ended at any time and run again: with the same State it goes on
// behind the last page that was done, and what it does a second time changes nothing.
type Import struct {
	// Hub is the name of the hub Thing: the gatewayThing of all Things.
	Hub string
	// Source gives the devices, Things is the platform.
	Source Source
	Things Things
	// State keeps how far the import is; nil: it begins anew each time.
	State State
	// About tells imports apart: that of another text does not go on with this one's State.
	About string
	// Rules say which template a device's Thing has.
	Rules Rules
	// Update also writes twins and tags to Things that are there; else they are left as they are.
	Update bool
	// Sample says what a device has been seen to send or report: its Thing gets remote properties for that, wherever it is created or
	// updated. nil: nothing is declared.
	Sample func(Device) Sample
	// DryRun changes nothing, and says what would be done.
	DryRun bool
	// Parallel is how many Things are written at once; 0: 8.
	Parallel int
	// Each hears of each device, Told after each page. One at a time, in the order of the source; nil: nobody does.
	Each func(Outcome)
	Told func(Progress)
}

// Progress is how far an import is.
type Progress struct {
	Done  int // devices, also those before the import was ended and run again
	Total int // 0 when the source does not know
	Counts
}

// Run imports. Its error is that the import could not go on: what a single device's Thing is refused for is in the result.
func (i *Import) Run(ctx context.Context) (Result, error) {
	r, err := i.open()
	if err != nil {
		return Result{}, err
	}
	for page, err := range i.Source.Pages(ctx, r.at.Position) {
		if err != nil {
			return r.result(), r.ended(err)
		}
		outcomes, err := r.page(ctx, page)
		if err != nil {
			return r.result(), r.ended(err)
		}
		if err := r.note(page, outcomes); err != nil {
			return r.result(), r.ended(err)
		}
	}
	if ctx.Err() != nil {
		return r.result(), r.ended(ctx.Err())
	}
	r.at.Over = true
	return r.result(), r.save()
}

// run is an Import while it runs.
type run struct {
	*Import
	at    Place
	names names
	begun map[string]bool // Things that a run which ended was making
	known templates
}

// open finds where to begin.
func (i *Import) open() (*run, error) {
	if err := i.Rules.check(); err != nil {
		return nil, err
	}
	r := &run{Import: i, names: names{}, at: Place{About: i.About}}
	if i.Parallel < 1 {
		i.Parallel = parallel
	}
	if i.State == nil || i.DryRun {
		return r, nil
	}
	at, found, err := i.State.Load()
	switch {
	case err != nil:
		return nil, err
	case !found || at.Over:
	case at.About != i.About:
		return nil, fault.Reject(op, "run that one to its end, or remove what is kept of it", "another import has begun and not ended: %s", at.About)
	default:
		r.at = at
		r.begun = make(map[string]bool, len(at.Making))
		for _, name := range at.Making {
			r.begun[name] = true
		}
	}
	return r, nil
}

// note counts what became of a page, tells it, and remembers that it is done.
func (r *run) note(page Page, outcomes []Outcome) error {
	for _, o := range outcomes {
		r.at.count(o)
		if r.Each != nil {
			r.Each(o)
		}
	}
	r.at.Position, r.at.Making = page.Next, nil
	if err := r.save(); err != nil {
		return err
	}
	if r.Told != nil {
		r.Told(Progress{Done: r.at.Done(), Total: r.Source.Total(), Counts: r.at.Counts})
	}
	return nil
}

func (r *run) save() error {
	if r.State == nil || r.DryRun {
		return nil
	}
	return r.State.Save(r.at)
}

func (r *run) result() Result {
	return Result{Counts: r.at.Counts, Reasons: r.at.Reasons}
}

// ended says what to do about an import that could not go on.
func (r *run) ended(err error) error {
	hint := fault.HintOf(err)
	if hint == "" && r.State != nil && !r.DryRun {
		hint = "run it again: it goes on where it ended"
	}
	return &fault.Problem{Op: op, Class: fault.ClassOf(err), Cause: fmt.Errorf("after %d devices: %w", r.at.Done(), err), Hint: hint}
}
