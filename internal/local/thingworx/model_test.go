package thingworx

import (
	"testing"

	"pgregory.net/rapid"

	"azx/alwayson/infotable"
)

// TestPushesAndBindingsFollowAModel drives a platform and a plain model of it with the same random steps.
func TestPushesAndBindingsFollowAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := plant(t, Options{})
		edges := []*fakeEdge{{name: "a"}, {name: "b"}}
		last := map[string]Write{}
		var ledger []Write
		holder := -1
		rt.Repeat(map[string]func(*rapid.T){
			"push": func(rt *rapid.T) {
				writes := rapid.SliceOfN(rapid.Custom(drawWrite), 1, 4).Draw(rt, "writes")
				good := true
				for _, w := range writes {
					good = good && w.Value.Type() == infotable.TypeInteger
				}
				if err := p.Push(t.Context(), "Pump-1", writes); (err == nil) != good {
					rt.Fatalf("push of %v: %v", writes, err)
				}
				for i := 0; good && i < len(writes); i++ {
					w := writes[i]
					ledger = append(ledger, w)
					if old, ok := last[w.Property]; !ok || w.Time >= old.Time {
						last[w.Property] = w
					}
				}
			},
			"bind": func(rt *rapid.T) {
				e := rapid.IntRange(0, 1).Draw(rt, "edge")
				free := holder < 0 || holder == e
				if err := p.Bind(t.Context(), edges[e], []string{"Pump-1"}); (err == nil) != free {
					rt.Fatalf("bind by %d while %d holds: %v", e, holder, err)
				}
				if free {
					holder = e
				}
			},
			"leave": func(rt *rapid.T) {
				e := rapid.IntRange(0, 1).Draw(rt, "edge")
				p.UnbindAll(edges[e])
				if holder == e {
					holder = -1
				}
			},
			"": func(rt *rapid.T) {
				for edgeName, w := range last {
					name := map[string]string{"temp": "temperature", "count": "count"}[edgeName]
					got, _ := p.Read(t.Context(), "Pump-1", name)
					want, _ := w.Value.Integer()
					if have, ok := got.Value.Integer(); !ok || have != want || got.Time != w.Time {
						rt.Fatalf("%s is %+v, want %+v", name, got.VTQ, w)
					}
				}
				entries := p.Ledger().Read(Query{})
				if len(entries) != len(ledger) {
					rt.Fatalf("the ledger has %d entries, want %d", len(entries), len(ledger))
				}
				for i, e := range entries {
					if e.Index != uint64(i+1) || e.Time != ledger[i].Time {
						rt.Fatalf("entry %d is %+v, want %+v", i, e, ledger[i])
					}
				}
				if v, _ := p.Thing(t.Context(), "Pump-1"); v.Connected != (holder >= 0) {
					rt.Fatalf("connected %v while %d holds", v.Connected, holder)
				}
			},
		})
	})
}

// drawWrite draws a write that fits, or now and then one that does not.
func drawWrite(t *rapid.T) Write {
	w := Write{
		Property: rapid.SampledFrom([]string{"temp", "count"}).Draw(t, "property"),
		Time:     rapid.Int64Range(1, 5).Draw(t, "time"),
		Value:    infotable.Integer(rapid.Int32().Draw(t, "value")),
	}
	if rapid.IntRange(0, 9).Draw(t, "misfit") == 0 {
		w.Value = infotable.String("misfit")
	}
	return w
}
