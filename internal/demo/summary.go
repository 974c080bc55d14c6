package demo

import (
	"slices"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

// Summary is what was counted at both ends: by the devices, and in the platform's own store.
type Summary struct {
	Sent        int64   `json:"sent"`        // acknowledged by the hub
	Delivered   int64   `json:"delivered"`   // of those, on their Thing: counted by device and sequence
	Quarantined int64   `json:"quarantined"` // in the connector's folder
	Skipped     int64   `json:"skipped"`     // left out by a rule
	P50         float64 `json:"p50_ms"`      // from the device's time stamp to the platform's acknowledgement
	P99         float64 `json:"p99_ms"`
	Page        string  `json:"page"`
}

// Complete tells whether everything that was sent is delivered.
func (s Summary) Complete() bool {
	return s.Delivered == s.Sent && s.Quarantined == 0 && s.Skipped == 0
}

// summary counts afresh what both ends hold.
func (d *demo) summary() Summary {
	d.mu.Lock()
	defer d.mu.Unlock()
	var s Summary
	if d.platform != nil {
		d.tally.add(d.platform.Platform.Ledger())
		s.Delivered, s.P50, s.P99, s.Page = int64(len(d.tally.seen)), d.tally.quantile(0.50), d.tally.quantile(0.99), d.platform.Info.Page
	}
	if d.fleet != nil {
		for _, n := range d.fleet.Sent() {
			s.Sent += n
		}
	}
	if d.running.Account != nil {
		account := d.running.Account()
		s.Quarantined, s.Skipped = account.Quarantined, account.Skipped
	}
	return s
}

// tally follows the platform's ledger: which messages arrived, by device and sequence, and how long they took.
type tally struct {
	after uint64
	seen  map[message]bool
	took  []int64 // ms, of first deliveries
}

type message struct {
	device   string
	sequence int64
}

func (t *tally) add(ledger *thingworx.Ledger) {
	if t.seen == nil {
		t.seen = map[message]bool{}
	}
	for _, e := range ledger.Read(thingworx.Query{Property: "sequence", After: t.after}) {
		t.after = e.Index
		sequence, ok := e.Value.Integer()
		key := message{e.Thing, sequence}
		if !ok || t.seen[key] {
			continue
		}
		t.seen[key] = true
		t.took = append(t.took, e.Received-e.Time)
	}
}

func (t *tally) quantile(q float64) float64 {
	if len(t.took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t.took))
	return float64(sorted[int(q*float64(len(sorted)-1))])
}

// deviceServices are what simulated devices carry out.
func deviceServices() []thingworx.ServiceDefinition {
	return []thingworx.ServiceDefinition{{
		ServiceInfo: thingworx.ServiceInfo{Name: "Restart", Description: "Restart the device", Result: infotable.TypeJSON,
			Params: []thingworx.Param{{Name: "delay", Type: infotable.TypeInteger}}},
		Remote: &thingworx.ServiceBinding{EdgeName: "reboot"},
	}}
}

// deviceProperties are the remote properties that simulated devices send, and target, which they tell once it is written.
func deviceProperties() []thingworx.Definition {
	remote := func(name string, base infotable.BaseType) thingworx.Definition {
		return thingworx.Definition{Name: name, Type: base, Remote: &thingworx.Binding{}}
	}
	return []thingworx.Definition{
		remote("temperature", infotable.TypeNumber), remote("pressure", infotable.TypeNumber),
		remote("running", infotable.TypeBoolean), remote("label", infotable.TypeString),
		remote("sequence", infotable.TypeInteger), remote("target", infotable.TypeNumber),
	}
}
