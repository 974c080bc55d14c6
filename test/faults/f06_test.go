package faults

import (
	"strings"
	"testing"

	"azx/test/rig"
)

// hostile are bodies that no decoder likes; each is JSON by its content type.
func hostile() []string {
	return []string{
		`{"n":`, `[`, `"`, "\xff\xfe{}", `{"n":1e400}`, `{"n":"` + strings.Repeat("x", 200<<10) + `"}`,
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), `{"n":{"n":{}}}`, "{\"\\u0000\":1", `nul`,
	}
}

// TestF06AHostileMessageIsPutAsideAndItsPartitionGoesOn sends messages that cannot be understood between good ones.
func TestF06AHostileMessageIsPutAsideAndItsPartitionGoesOn(t *testing.T) {
	r, c, _ := start(t, rig.Options{})
	c.Run()
	load := r.Load(200)
	for i, body := range hostile() {
		if err := r.Devices[i].Send(t.Context(), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	r.Grows(recovery, 500)
	load.Stop()
	r.Verify(recovery)
	m, err := c.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Sum("azx_messages_settled_total", `result="quarantined"`); n != float64(len(hostile())) {
		t.Errorf("%v messages are in quarantine, want %d", n, len(hostile()))
	}
	c.End(0)
}
