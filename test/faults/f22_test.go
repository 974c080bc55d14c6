package faults

import (
	"fmt"
	"testing"

	"azx/test/process"
	"azx/test/rig"
)

// TestF22WhatThePlatformRefusesGoesWhereItsReasonSays has messages of a device without a Thing, for a property that is not
// there, and with a value of the wrong type, between good ones.
func TestF22WhatThePlatformRefusesGoesWhereItsReasonSays(t *testing.T) {
	r, c, _ := start(t, rig.Options{
		Edit: func(config map[string]any) {
			config["hubs"].([]any)[0].(map[string]any)["onUnknownThing"] = "quarantine"
		},
		Skips: func(e rig.Event) bool { return e.Device == "odd" },
	})
	stranger, odd := r.AddDevice("stranger", nil), r.AddDevice("odd", nil)
	r.AddThingOf("odd")
	c.Run()
	load := r.Load(300)
	r.Grows(recovery, 100)
	const each = 5
	for range each {
		for d, body := range map[*rig.Device]string{stranger: `{"n":1}`, odd: `{"unknown":1}`, r.Devices[0]: `{"n":"seven"}`, r.Devices[1]: `{"n":1.5}`} {
			if err := d.Send(t.Context(), []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.Grows(recovery, 300)
	load.Stop()
	r.Verify(recovery)
	process.Eventually(t, recovery, "each reason is counted", func() error {
		m, err := c.Metrics()
		if err != nil {
			return err
		}
		for what, want := range map[string]float64{`reason="no-thing"`: each, `reason="wrong-type"`: 2 * each} {
			if got := m.Sum("azx_messages_quarantined_total", what); got != want {
				return fmt.Errorf("%s: %v in quarantine, want %v", what, got, want)
			}
		}
		if got := m.Sum("azx_messages_skipped_total", `reason="no-property"`); got != each {
			return fmt.Errorf("%v without a property, want %v", got, each)
		}
		return nil
	})
	c.End(0)
	r.Judge()
}
