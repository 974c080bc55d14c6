package app

import (
	"testing"
	"time"

	"azx/internal/config"
	"azx/internal/secret"
)

func TestEachCheckOfTheDoctorNeedsOnesBeforeIt(t *testing.T) {
	cfg := &config.Config{Platform: config.Platform{URLs: []string{"wss://platform.example/Thingworx/WS"}, AppKey: secret.Source{}}, Hubs: []config.Hub{{}}}
	before := map[string]bool{}
	for _, c := range newDoctor(DoctorOptions{Config: cfg}, nil).checks() {
		for _, need := range c.Needs {
			if !before[need] {
				t.Errorf("%s needs %q, which is not before it", c.Name, need)
			}
		}
		if before[c.Name] || c.Run == nil {
			t.Errorf("%s is there twice, or does nothing", c.Name)
		}
		before[c.Name] = true
	}
	if len(before) < 25 {
		t.Errorf("%d checks", len(before))
	}
}

func TestClocksAreComparedInWords(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		300 * time.Millisecond: "within a second of", -90 * time.Second: "1m30s behind", 2 * time.Hour: "2h0m0s ahead of",
	} {
		if got := apart(ahead); got != want {
			t.Errorf("%s: got %q, want %q", ahead, got, want)
		}
	}
}
