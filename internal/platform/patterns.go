package platform

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// patterns match names of Things. Most are names themselves, and are found without looking at the others.
type patterns struct {
	names map[string]bool
	globs []string
}

// newPatterns takes patterns of path.Match.
func newPatterns(texts []string) (patterns, error) {
	p := patterns{names: map[string]bool{}}
	for _, text := range texts {
		if _, err := path.Match(text, ""); err != nil {
			return p, fmt.Errorf("pattern %q: %w", text, err)
		}
		if strings.ContainsAny(text, `*?[\`) {
			p.globs = append(p.globs, text)
		} else {
			p.names[text] = true
		}
	}
	return p, nil
}

func (p *patterns) match(name string) bool {
	return p.names[name] || slices.ContainsFunc(p.globs, func(glob string) bool {
		ok, _ := path.Match(glob, name) // globs were checked
		return ok
	})
}
