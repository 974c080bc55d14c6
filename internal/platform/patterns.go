package platform

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// patterns match names of Things. Most are names themselves, and are found without looking at the others; most of the others
// have one star.
type patterns struct {
	names map[string]bool
	stars []star
	globs []string
}

// star is a pattern in which one star stands for whatever is between a prefix and a suffix.
type star struct{ prefix, suffix string }

// newPatterns takes patterns of path.Match.
func newPatterns(texts []string) (patterns, error) {
	p := patterns{names: map[string]bool{}}
	for _, text := range texts {
		if _, err := path.Match(text, ""); err != nil {
			return p, fmt.Errorf("pattern %q: %w", text, err)
		}
		const special = `*?[\`
		prefix, suffix, _ := strings.Cut(text, "*")
		switch {
		case !strings.ContainsAny(text, special):
			p.names[text] = true
		case !strings.ContainsAny(prefix+suffix, special):
			p.stars = append(p.stars, star{prefix, suffix})
		default:
			p.globs = append(p.globs, text)
		}
	}
	return p, nil
}

func (p *patterns) match(name string) bool {
	for _, s := range p.stars {
		if s.match(name) {
			return true
		}
	}
	return p.names[name] || slices.ContainsFunc(p.globs, func(glob string) bool {
		ok, _ := path.Match(glob, name) // globs were checked
		return ok
	})
}

// match does what path.Match does: a star stands for no slash.
func (s star) match(name string) bool {
	rest, ok := strings.CutSuffix(name, s.suffix)
	if !ok {
		return false
	}
	rest, ok = strings.CutPrefix(rest, s.prefix)
	return ok && !strings.Contains(rest, "/")
}
