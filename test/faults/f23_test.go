package faults

import (
	"context"
	"testing"
	"time"

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
	began := time.Now()
	r.Grows(recovery, 900)
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("900 messages at 300 a second took %s", took)
	}
	flood.Stop()
	if err := flood.Wait(); err != nil {
		t.Fatal(err)
	}
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
