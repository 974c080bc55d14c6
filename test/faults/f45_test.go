package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF45ASoakOfRandomFaultsLosesNothing does one thing after the other to the connector and its wires, by the seed.
func TestF45ASoakOfRandomFaultsLosesNothing(t *testing.T) {
	// A request that is held up by a wire while the connector is killed or gives it up is applied late.
	r, c, chance := start(t, rig.Options{Late: 64})
	c.Run()
	load := r.Load(300)
	wires := []*rig.Wire{c.AMQP, c.HTTPS, c.Platform}
	weather := func(w rig.Weather) func() {
		return func() {
			wire := wires[chance.IntN(len(wires))]
			wire.Set(w)
			r.Pass(between(chance, 200*time.Millisecond, 4*time.Second))
			wire.Clear()
		}
	}
	faults := []func(){
		func() { c.Crash(); c.Start() },
		func() { c.Terminate(); c.Wait(15 * time.Second); c.Start() },
		func() { c.Freeze(); r.Pass(between(chance, 100*time.Millisecond, 5*time.Second)); c.Thaw() },
		func() {
			r.PlatformProcess.Freeze()
			r.Pass(between(chance, 100*time.Millisecond, 4*time.Second))
			r.PlatformProcess.Thaw()
		},
		func() {
			if c.Logged("event=partition-open") == nil { // before, nobody listens to a hang-up, and it would end the process
				c.Hangup()
			}
		},
		func() { wires[chance.IntN(len(wires))].Cut() },
		func() { c.Platform.CutAfter(rig.Back, chance.IntN(500)) },
		func() { c.AMQP.CutAfter(rig.Back, chance.IntN(5000)) },
		weather(rig.Weather{Hole: rig.Both}), weather(rig.Weather{Hole: rig.Out}), weather(rig.Weather{Hole: rig.Back}),
		weather(rig.Weather{Latency: 300 * time.Millisecond}), weather(rig.Weather{Rate: 20_000}), weather(rig.Weather{Refuse: true}),
	}
	began := time.Now()
	for time.Since(began) < scale(10*time.Second, 10*time.Minute) {
		faults[chance.IntN(len(faults))]()
		r.Pass(between(chance, 50*time.Millisecond, 3*time.Second))
	}
	c.UntilReady(4 * recovery)
	load.Stop()
	r.Verify(4 * recovery)
	c.End(0)
	r.Judge()
}
