package hocon

import (
	"fmt"
	"strings"
)

// pathReader gathers the names of a path.
type pathReader struct {
	start    Position
	names    []string
	name     strings.Builder
	complete bool // the name has something, if only quotes
}

// pathExpression reads a key, or what is in a reference: names with dots between, where quotes make a dot part of the
// name. White space is part of a name except at both ends of the path.
func (p *parser) pathExpression() ([]string, error) {
	r := pathReader{start: p.here()}
	for {
		blank := p.blank()
		inQuotes := p.has(`"`)
		started := r.complete || len(r.names) > 0
		switch {
		case inQuotes || p.isUnquoted():
		case started:
			err := r.finish()
			return r.names, err
		default:
			return nil, p.unexpected("want a key")
		}
		if started {
			r.name.WriteString(blank)
		}
		if !inQuotes {
			if err := r.bare(p.unquoted()); err != nil {
				return nil, err
			}
			continue
		}
		text, err := p.quoted()
		if err != nil {
			return nil, err
		}
		r.name.WriteString(text)
		r.complete = true
	}
}

// bare adds text without quotes, in which a dot ends a name.
func (r *pathReader) bare(text string) error {
	for i, piece := range strings.Split(text, ".") {
		if i > 0 {
			if err := r.finish(); err != nil {
				return err
			}
		}
		r.name.WriteString(piece)
		r.complete = r.complete || piece != ""
	}
	return nil
}

// finish ends a name.
func (r *pathReader) finish() error {
	switch {
	case !r.complete:
		return &Error{r.start, "an empty name in a path", `write it as "" if it is meant`}
	case len(r.names) == maxNested:
		return &Error{r.start, fmt.Sprintf("a path of more than %d names", maxNested), ""}
	}
	r.names = append(r.names, r.name.String())
	r.name.Reset()
	r.complete = false
	return nil
}
