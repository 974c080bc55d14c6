package platform

import (
	"path"
	"testing"

	"pgregory.net/rapid"
)

func TestPatternsMatchWhatPathMatchDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		glob := rapid.StringMatching(`[ab/]{0,3}[*?]{0,2}[ab/]{0,3}(\\\*|\[ab\])?`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab/*]{0,8}`).Draw(t, "name")
		want, err := path.Match(glob, name)
		p, refused := newPatterns([]string{glob})
		if (err != nil) != (refused != nil) {
			t.Fatalf("path.Match says %v, newPatterns %v", err, refused)
		}
		if got := p.match(name); err == nil && got != want {
			t.Fatalf("got %v", got)
		}
	})
}

// BenchmarkPatterns asks for a device's Thing, as every batch does.
func BenchmarkPatterns(b *testing.B) {
	p, err := newPatterns(SystemThings())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if p.match("factory-north-pump-0042") {
			b.Fatal("it is none of the system's")
		}
	}
}
