package thingworx

import (
	"context"
	"maps"
	"slices"
)

// Stuck returns the names of the Things that do not answer pushes, in alphabetical order.
func (p *Platform) Stuck() []string {
	return slices.Sorted(maps.Keys(*p.stuck.Load()))
}

// SetStuck has pushes to these Things, and to no others, go without an answer until whoever waits gives up, as a Thing does
// whose subscriptions hang. The Things need not exist.
func (p *Platform) SetStuck(things []string) {
	stuck := make(map[string]bool, len(things))
	for _, thing := range things {
		stuck[thing] = true
	}
	p.stuck.Store(&stuck)
}

// answers returns once a push to a Thing may go on; with the error of ctx if that is never.
func (p *Platform) answers(ctx context.Context, thing string) error {
	if !(*p.stuck.Load())[thing] {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}
