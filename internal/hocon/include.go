package hocon

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// included is what an include statement asks for.
type included struct {
	at       Position
	name     string
	kind     string // "", file, url or classpath
	required bool
}

// webAddress matches names that are URLs: two letters at least, so that C:\ is none.
var webAddress = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+:`)

// extensions are those that a name without one of them may have, in the order in which the files are read.
var extensions = []string{".properties", ".json", ".conf"}

// atInclude reports whether an include statement starts here.
func (p *parser) atInclude() bool {
	if !p.has("include") {
		return false
	}
	ahead := *p
	return ahead.unquoted() == "include"
}

// include reads an include statement and puts what it names into the object.
func (p *parser) include(into *object) error {
	what := included{at: p.here()}
	p.unquoted()
	p.skip()
	if err := p.resource(&what); err != nil {
		return err
	}
	switch {
	case what.kind == "url" || what.kind == "" && webAddress.MatchString(what.name):
		return &Error{what.at, "an include of a URL: nothing is fetched", "save it beside this file and include it by its name"}
	case what.kind == "classpath":
		return &Error{what.at, "an include from the class path, which is inside the program that the file is for",
			"copy it from there, save it beside this file and include it by its name"}
	case p.lists > 0:
		return &Error{what.at, "an include inside a list", "give the object a key of its own, and refer to it in the list"}
	}
	return p.files(what, into)
}

// resource reads the name of an include, which may be wrapped.
func (p *parser) resource(what *included) error {
	const want = `want include "name", include file("name") or include required(...)`
	if p.peek() == '"' && !p.has(`"""`) {
		name, err := p.quoted()
		what.name = name
		return err
	}
	start := p.here()
	for _, kind := range [...]string{"required", "file", "url", "classpath"} {
		if !p.has(kind + "(") {
			continue
		}
		if what.kind != "" || kind == "required" && what.required {
			break
		}
		if kind == "required" {
			what.required = true
		} else {
			what.kind = kind
		}
		p.drop(len(kind) + 1)
		p.skip()
		if err := p.resource(what); err != nil {
			return err
		}
		if p.skip(); p.peek() != ')' {
			return p.unexpected("want )")
		}
		p.take()
		return nil
	}
	return &Error{start, want, ""}
}

// files reads the file or files that an include stands for.
func (p *parser) files(what included, into *object) error {
	path := what.name
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(p.file), path)
	}
	candidates := []string{path}
	if !slices.Contains(extensions, strings.ToLower(filepath.Ext(path))) {
		candidates = nil
		for _, extension := range extensions {
			candidates = append(candidates, path+extension)
		}
	}
	found := false
	for _, candidate := range candidates {
		text, err := p.source.ReadFile(candidate)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("%s: include: %w", what.at, err)
		}
		found = true
		if err := p.one(what, candidate, text, into); err != nil {
			return err
		}
	}
	switch {
	case !found && what.required:
		return &Error{what.at, "the file of a required include is not there: " + strings.Join(candidates, ", "), ""}
	case !found:
		p.missing = append(p.missing, Missing{what.at, what.name})
	}
	return nil
}

// one reads one included file.
func (p *parser) one(what included, file string, text []byte, into *object) error {
	switch {
	case strings.EqualFold(filepath.Ext(file), ".properties"):
		return &Error{what.at, "an include of a .properties file, which is not read here", "write its keys into a .conf file"}
	case slices.Contains(p.open, file):
		return &Error{what.at, "an include of a file that includes this one: " + file, ""}
	}
	o, err := p.parse(file, text, append([][]string{slices.Clone(p.path)}, p.bases...))
	if err != nil {
		return err
	}
	into.merge(o)
	return nil
}
