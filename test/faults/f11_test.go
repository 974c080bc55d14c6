package faults

import (
	"fmt"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF11AFrameThatIsCutOrDamagedCostsAConnectionAndNoMessage harms single frames, on both sides and both ways. The hub is
// reached at one port only: a handshake that is harmed would have the connector try WebSocket, and stay with it.
func TestF11AFrameThatIsCutOrDamagedCostsAConnectionAndNoMessage(t *testing.T) {
	const again = 35 * time.Second // connections that end again and again are made anew ever later, after 30 s at most
	r, c, chance := start(t, rig.Options{Edit: func(config map[string]any) {
		config["hubs"].([]any)[0].(map[string]any)["transport"] = "amqp"
	}})
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	for range scale(1, 5) {
		for what, harm := range map[string]func(){
			"a frame to the hub is cut":           func() { c.AMQP.CutAfter(rig.Out, chance.IntN(40)) },
			"a frame of the hub is cut":           func() { c.AMQP.CutAfter(rig.Back, chance.IntN(2000)) },
			"a record of the hub is damaged":      func() { c.AMQP.Flip(rig.Back, 5+chance.IntN(500), 1<<chance.IntN(8)) },
			"a record to the hub is damaged":      func() { c.AMQP.Flip(rig.Out, 5+chance.IntN(20), 1<<chance.IntN(8)) },
			"a frame to the platform is cut":      func() { c.Platform.CutAfter(rig.Out, chance.IntN(300)) },
			"a frame of the platform is cut":      func() { c.Platform.CutAfter(rig.Back, chance.IntN(300)) },
			"a frame of the platform has no kind": func() { c.Platform.Flip(rig.Back, 0, 0x05) },
		} {
			harm()
			c.Until(again, what, func() error {
				if !c.AMQP.Harmed() || !c.Platform.Harmed() {
					return fmt.Errorf("it has not happened")
				}
				return nil
			})
			r.Grows(again, 100)
		}
	}
	load.Stop()
	r.Verify(again)
	c.End(0)
	r.Judge()
}

// dialled waits for a connection more than before.
func dialled(w *rig.Wire, before int) error { return more(w.Dials(), before) }
