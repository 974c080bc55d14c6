package app

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Garbage: how much of it there may be before it is collected, in percent of what is in use. Messages usually leave little, and to
// collect it early saves memory and costs nearly nothing. Where much is left, as by Microsoft's library or while the tables of very
// many Things are learned, it is collected later.
const (
	leastGarbage = 25
	mostGarbage  = 100 // as Go has it

	garbageFrom  = 200 * time.Millisecond // after the start, when there is little but garbage
	garbageLook  = time.Second
	dearGarbage  = 0.06  // share of the CPU time that is too much for collecting it
	cheapGarbage = 0.025 // so little that it may be collected twice as often
	leastWork    = 0.05  // cores of work, below which a share says nothing
)

// garbage decides how much there may be.
type garbage struct {
	percent         int
	collecting, all float64 // CPU seconds at the last look
}

// look returns how much there may be from now on, given the CPU seconds so far.
func (g *garbage) look(collecting, all float64) (percent int) {
	took, of := collecting-g.collecting, all-g.all
	g.collecting, g.all = collecting, all
	switch {
	case of < leastWork*garbageLook.Seconds():
	case took > dearGarbage*of:
		g.percent = min(2*g.percent, mostGarbage)
	case took < cheapGarbage*of:
		g.percent = max(g.percent/2, leastGarbage)
	}
	return g.percent
}

// tend sets how much garbage there may be until ctx ends.
func (g *garbage) tend(ctx context.Context) error {
	select {
	case <-time.After(garbageFrom):
	case <-ctx.Done():
		return nil
	}
	g.percent = leastGarbage
	debug.SetGCPercent(g.percent)
	tick := time.NewTicker(garbageLook)
	defer tick.Stop()
	used := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/gc/mark/idle:cpu-seconds"},
		{Name: "/cpu/classes/total:cpu-seconds"}, {Name: "/cpu/classes/idle:cpu-seconds"},
	}
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		metrics.Read(used)
		idle := used[1].Value.Float64() // nobody else wanted that time
		was := g.percent
		if now := g.look(used[0].Value.Float64()-idle, used[2].Value.Float64()-used[3].Value.Float64()-idle); now != was {
			debug.SetGCPercent(now)
		}
	}
}
