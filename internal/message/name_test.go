package message

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestADeviceIDMapsToAThingName(t *testing.T) {
	tests := []struct{ name, id, thing string }{
		{"letters, digits, dash, underscore and dot stay", "Pump-1_a.b", "Pump-1_a.b"},
		{"case is kept", "pump1", "pump1"},
		{"other characters are escaped", "line:7#a", "line_x3A_7_x23_a"},
		{"a leading dot is escaped", ".hidden", "_x2E_hidden"},
		{"a reserved word is escaped", "me", "_x6D_e"},
		{"what looks like an escape is escaped", "a_x3A_b", "a_x5F_x3A_b"},
		{"so is what looks like one once the next character is escaped", "_xAA:", "_x5F_xAA_x3A_"},
		{"128 characters stay", strings.Repeat("x", 128), strings.Repeat("x", 128)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ThingName(tt.id); got != tt.thing {
				t.Errorf("got %q, want %q", got, tt.thing)
			}
			if got, ok := DeviceID(tt.thing); got != tt.id || !ok {
				t.Errorf("back: got %q, %v, want %q", got, ok, tt.id)
			}
		})
	}
}

func TestAThingNameThatNoIDGivesIsTold(t *testing.T) {
	for _, thing := range []string{"a b", "_x41_", "me", ".x"} {
		if id, ok := DeviceID(thing); ok {
			t.Errorf("%q: got device id %q", thing, id)
		}
	}
}

func TestEveryDeviceIDComesBack(t *testing.T) {
	alphabet := "ABab019-:.+%_#*?!(),=@;$'xX3F"
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringOfN(rapid.SampledFrom([]rune(alphabet)), 1, 128, -1).Draw(t, "id")
		thing := ThingName(id)
		if back, ok := DeviceID(thing); !ok || back != id {
			t.Fatalf("%q maps to %q and back to %q, %v", id, thing, back, ok)
		}
	})
}

func TestTheNameOfAPlainIDAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { ThingName("pump-17.line_3") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
