package devices

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// machine is what a simulated device is when it is asked for something: it can be rebooted, and takes settings.
type machine struct {
	clock func() time.Time

	mu      sync.Mutex
	started time.Time
}

func newMachine(clock func() time.Time) *machine {
	if clock == nil {
		clock = time.Now
	}
	return &machine{clock: clock, started: clock()}
}

// method carries out reboot: its answer says for how many seconds the machine had run.
func (m *machine) method(_ *Device, name string, payload []byte) (status int, answer []byte) {
	if name != "reboot" {
		return 404, marshal(map[string]string{"error": fmt.Sprintf("this device has no method %q; it has reboot", name)})
	}
	var in struct {
		Delay int `json:"delay"` // seconds; told, not waited for
	}
	if err := json.Unmarshal(payload, &in); err != nil && len(payload) > 0 {
		return 400, marshal(map[string]string{"error": "reboot takes {\"delay\": seconds}: " + err.Error()})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	up := m.clock().Sub(m.started)
	m.started = m.clock()
	return 200, marshal(map[string]any{"was": "running", "upSeconds": int(up.Seconds()), "delay": in.Delay})
}

// message takes settings and tells them as telemetry: so what was written becomes a value. Sequence numbers are the
// machine's own.
func (m *machine) message(d *Device, body []byte) {
	if echo, ok := settings(body); ok {
		d.Post(echo)
	}
}

// settings returns the settings in a message; false if there are none.
func settings(body []byte) ([]byte, bool) {
	var set map[string]json.RawMessage
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, false
	}
	delete(set, "sequence")
	return marshal(set), len(set) > 0
}

// marshal makes JSON of what always has a JSON form.
func marshal(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return raw
}
