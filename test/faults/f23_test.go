package faults

import (
	"context"
	"testing"

	"azx/internal/supervise"
	"azx/test/rig"
)

// TestF23ADeviceThatSendsOnlyPoisonDoesNotHinderTheOthers floods the connector with messages that cannot be understood.
func TestF23ADeviceThatSendsOnlyPoisonDoesNotHinderTheOthers(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	bad := r.AddDevice("poison", nil)
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 300)
	flood := supervise.New(context.Background())
	flood.Go("poison", func(ctx context.Context) error {
		for ctx.Err() == nil {
			if err := bad.Send(context.Background(), []byte(`{"n":`)); err != nil {
				return err
			}
		}
		return nil
	})
	r.Grows(recovery, 900) // three seconds of the others, if nothing hinders them
	flood.Stop()
	if err := flood.Wait(); err != nil {
		t.Fatal(err)
	}
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
