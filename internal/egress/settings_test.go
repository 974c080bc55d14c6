package egress

import (
	"testing"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/message"
)

func TestSettingsChangeForWhatComesFromThenOn(t *testing.T) {
	inBubble(t, func(c *Config) { c.TwinMaxAge = time.Hour }, func(r *rig) {
		r.wantValue(r.do(reading("d", "twinTags")), text("{}"))
		r.do(calling("d", "reboot"))
		if m := r.hub.called[0]; m.Response != 25*time.Second {
			t.Errorf("a method had %+v", m)
		}
		if err := r.Change(Settings{WriteVia: "carrier pigeon"}); err == nil {
			t.Error("a way of writing that nobody knows is taken")
		}
		if err := r.Change(Settings{
			WriteVia: "method:set", WriteWindow: 500 * time.Millisecond, TTL: time.Minute, TwinMaxAge: 100 * time.Millisecond,
			Methods: Methods{Times: Times{Response: 7 * time.Second}},
		}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		r.do(writing("d", "x", infotable.Integer(1)))
		if m := r.hub.called[1]; m.Name != "set" || m.Response != 7*time.Second || time.Since(begin) < 500*time.Millisecond {
			t.Errorf("a write went as %+v after %s", m, time.Since(begin))
		}
		r.do(reading("d", "twinTags"))
		if r.hub.reads != 2 {
			t.Errorf("the twin was read %d times", r.hub.reads)
		}
	})
}

func TestATwinThatIsForgottenIsReadAgain(t *testing.T) {
	inBubble(t, func(c *Config) { c.TwinMaxAge = time.Hour }, func(r *rig) {
		read := func(reads int) {
			t.Helper()
			for _, name := range []string{"twinTags", "twinDesired", "m::twinDesired"} {
				r.do(reading("d", name))
			}
			r.do(reading("e", "twinTags"))
			if r.hub.reads != reads {
				t.Errorf("the hub was asked %d times, want %d", r.hub.reads, reads)
			}
		}
		read(3)
		read(3)
		r.Forget("d")
		read(5)
		r.Forget("f")
		read(5)
		r.Forget("")
		read(8)
		if n := len(r.twins.known); n != 3 || r.twins.bytes <= 0 || r.twins.known[message.Target{Device: "d"}] == nil {
			t.Errorf("%d twins of %d bytes are known", n, r.twins.bytes)
		}
	})
}
