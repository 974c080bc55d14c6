package faults

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"azx/test/rig"
)

// TestF07ASecondStopAndATornRecordCostNothing asks twice for a stop that cannot drain, kills the connector while it does,
// and tears the end of the quarantine's file as a power cut would.
func TestF07ASecondStopAndATornRecordCostNothing(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	c.Run()
	load := r.Load(500)
	for _, d := range r.Devices[:3] {
		if err := d.Send(t.Context(), []byte(`{"n":`)); err != nil {
			t.Fatal(err)
		}
	}
	r.Grows(recovery, 500)
	c.Platform.Set(rig.Weather{Hole: rig.Both})
	r.Pass(500 * time.Millisecond)
	c.Terminate()
	r.Pass(500 * time.Millisecond)
	c.Terminate()
	r.Pass(500 * time.Millisecond)
	c.Crash()
	c.Platform.Cut()
	c.Platform.Clear()

	files, err := filepath.Glob(filepath.Join(r.Dir, c.Name, "quarantine", "dead", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("quarantine: %v, %v", files, err)
	}
	last := slices.Max(files)
	f, err := os.OpenFile(last, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"id":4711,"reason":"undecod`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c.Run()
	if err := r.Devices[3].Send(t.Context(), []byte(`{"n":`)); err != nil { // a record behind the torn one
		t.Fatal(err)
	}
	r.Grows(recovery, 500)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
}
