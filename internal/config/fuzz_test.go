package config

import (
	"os"
	"testing"
)

// Whatever the file says: no panic, either a config or a problem, and every problem says where.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.good.yaml", "testdata/*.bad.yaml"} {
		for _, file := range glob(f, pattern) {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, warnings, problems := parse([]file{{"testdata/fuzz.yaml", text}})
		for _, p := range append(warnings, problems...) {
			if p.What == "" || p.File == "" || len(p.String()) > 4096+len(text) {
				t.Errorf("a problem that does not help: %q", p)
			}
		}
		if len(problems) == 0 && (len(cfg.Hubs) == 0 || len(cfg.Hubs) > mostHubs || cfg.Hubs[0].Thing == "" || !cfg.Platform.AppKey.IsSet()) {
			t.Errorf("no problem, and yet not complete: %+v", cfg)
		}
	})
}
