package platform

import (
	"testing"

	"azx/internal/fault"
)

func TestSigningInTellsAWrongKeyFromAPlatformThatIsAway(t *testing.T) {
	s := serve(t, nil)
	for _, c := range []struct {
		name, url, key string
		class          fault.Class
		good           bool
	}{
		{"the right key", s.url, "right", 0, true},
		{"a wrong key", s.url, "wrong", fault.Credential, false},
		{"nobody there", "ws://127.0.0.1:1/Thingworx/WS", "right", fault.Transient, false},
	} {
		err := SignIn(t.Context(), LinkConfig{URLs: []string{c.url}, AppKey: key(c.key)})
		if (err == nil) != c.good || !c.good && (fault.ClassOf(err) != c.class || fault.HintOf(err) == "") {
			t.Errorf("%s: got %v of class %v", c.name, err, fault.ClassOf(err))
		}
	}
	if err := SignIn(t.Context(), LinkConfig{}); err == nil {
		t.Error("no URL is no error")
	}
}
