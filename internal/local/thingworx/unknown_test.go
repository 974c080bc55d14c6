package thingworx

import (
	"testing"

	"azx/alwayson/infotable"
)

func TestAnUnknownPropertyIsRefusedOrLeftOutAsTheModeSays(t *testing.T) {
	p := plant(t, Options{})
	both := []Write{{Property: "speed", Value: num(1)}, {Property: "temp", Value: num(21), Time: 5}}
	if p.UnknownMode() != UnknownStrict {
		t.Errorf("the mode is %s at first", p.UnknownMode())
	}
	refused(t, p.Push(t.Context(), "Pump-1", both), Invalid, "no remote-bound property")
	refused(t, p.SetUnknownMode("loud"), Invalid, "want strict or silent-ignore")
	if _, err := New(Options{Unknown: "loud"}); err == nil {
		t.Error("a platform starts in no mode")
	}
	if err := p.SetUnknownMode(UnknownIgnored); err != nil {
		t.Fatal(err)
	}
	before := p.Stats()
	if err := p.Push(t.Context(), "Pump-1", both); err != nil {
		t.Errorf("the whole push is refused: %v", err)
	}
	if err := p.Push(t.Context(), "Pump-1", both[:1]); err != nil {
		t.Errorf("a push of unknown ones alone is refused: %v", err)
	}
	if got := p.Stats().Values - before.Values; got != 1 {
		t.Errorf("%d values were taken, want temp alone", got)
	}
	rows := infotable.New(infotable.Column("name", tString), infotable.Column("value", infotable.TypeVariant))
	rows.Add(text("temp"), infotable.Variant(num(22)))
	rows.Add(text("speed"), infotable.Variant(num(2)))
	if _, err := invoke(p, "Pump-1", serviceUpdateSubscribed, cell("values", infotable.FromTable(rows))); err != nil {
		t.Errorf("the service that edges call refuses it: %v", err)
	}
	refused(t, p.Push(t.Context(), "Pump-1", []Write{{Property: "temp", Value: text("warm")}}), Invalid, "temp")
	refused(t, p.Push(t.Context(), "No-Pump", both), NotFound, "No-Pump")
}
