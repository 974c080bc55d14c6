package faults

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"azx/internal/local/devices"
	"azx/internal/supervise"
	"azx/test/process"
	"azx/test/rig"
)

// TestF30ARequestWhoseConnectionIsCutEndsAndTheNextOneWorks cuts the platform's connections while methods run.
func TestF30ARequestWhoseConnectionIsCutEndsAndTheNextOneWorks(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	var asked atomic.Int64
	slow := func(_ *devices.Device, _ string, payload []byte) (int, []byte) {
		asked.Add(1)
		r.Pass(time.Second)
		return 200, payload
	}
	r.AddDeviceThing("caller", rig.HubThing, "--service", "Echo(n:INTEGER):JSON:echo")
	r.AddDevice("caller", slow)
	c.Run()
	load := r.Load(300)
	call := func() error {
		_, err := r.Platform.TryCall("Things/caller", "Echo", map[string]any{"n": 1})
		return err
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		before := asked.Load()
		flight := supervise.New(t.Context())
		ended := make(chan error, 1)
		flight.Go("call", func(context.Context) error { ended <- call(); return nil })
		process.Eventually(t, recovery, "the device is asked", func() error { return more(asked.Load(), before) })
		c.Platform.Cut()
		select {
		case err := <-ended:
			t.Logf("the call that was cut: %v", err)
		case <-time.After(35 * time.Second):
			t.Error("the caller hears nothing")
		}
		if err := flight.Wait(); err != nil {
			t.Error(err)
		}
		if n := asked.Load() - before; n != 1 {
			t.Errorf("the device was asked %d times", n)
		}
		began := time.Now()
		process.Eventually(t, 5*time.Second, "the next call works", call)
		t.Logf("the next call worked after %s", time.Since(began).Round(time.Millisecond))
	}
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
