// Package hocon reads HOCON, the format of configuration files on the JVM, strictly and within limits.
//
// It follows the format's specification (github.com/lightbend/config, HOCON.md) with these differences. An include
// of a URL or from the class path is an error that says so, and so is one inside a list. A .properties file is not
// read. The name in file("...") starts at the folder of the file that includes it. An object with numbers for keys
// becomes a list where one is asked for, not where lists are joined.
package hocon

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of a document with all it includes. Real files are a thousandth of that.
const (
	MaxFile = 1 << 20 // bytes of one file

	maxFiles  = 64      // files
	maxNested = 64      // objects and lists in each other; also includes, and names in a path
	maxNodes  = 1 << 16 // values as they are written, and again as they come out
	maxSteps  = 1 << 18 // steps of putting values in for references
	maxChain  = 1000    // references that lead to each other
	maxText   = 4 << 20 // bytes of text that joining makes
)

// Source is where a document comes from besides its first file.
type Source struct {
	// ReadFile returns the content of a file; an error that is fs.ErrNotExist means that there is none. It is asked
	// for the first file and for every include, with the path as the document gives it, below the folder of the
	// including file. It has to keep to MaxFile itself.
	ReadFile func(path string) ([]byte, error)
	// LookupEnv returns an environment variable, which stands in for a reference that nothing in the document
	// explains.
	LookupEnv func(name string) (string, bool)
}

// Document is a file with its includes, all references replaced.
type Document struct {
	Root *Value // an object
	// Missing are optional includes whose file is not there: the format ignores them.
	Missing []Missing
}

// Missing is an include that found nothing.
type Missing struct {
	At   Position
	Name string // as the document has it
}

// Position is a place in a file; line and column count from 1.
type Position struct {
	File         string
	Line, Column int
}

// String is "file:line:column".
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Error is what is wrong and where. Neither of its texts has a value of the document.
type Error struct {
	At   Position
	What string
	Hint string // what to do; may be empty
}

// Error is "file:line:column: what; hint".
func (e *Error) Error() string {
	text := e.At.String() + ": " + e.What
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Read reads the file at path and what it includes, and puts values in for references. What is wrong in the document
// is an *Error, the first one found; other errors are of ReadFile.
func Read(path string, from Source) (*Document, error) {
	r := &reader{source: from}
	text, err := from.ReadFile(path)
	if err != nil {
		return nil, err
	}
	root, err := r.parse(path, text, nil)
	if err != nil {
		return nil, err
	}
	value, err := (&resolver{root: root, lookupEnv: from.LookupEnv}).document()
	if err != nil {
		return nil, err
	}
	return &Document{Root: value, Missing: r.missing}, nil
}

// reader is what the parsers of a document's files share.
type reader struct {
	source  Source
	open    []string // files being read, each included by the one before
	files   int
	nodes   int
	missing []Missing
}

// parse reads the text of a file. bases are the paths at which the file and those that include it stand in the
// document, innermost first.
func (r *reader) parse(file string, text []byte, bases [][]string) (*object, error) {
	p := &parser{reader: r, file: file, text: string(text), line: 1, column: 1, bases: bases}
	if len(bases) > 0 {
		p.path = bases[0]
	}
	switch {
	case len(text) > MaxFile:
		return nil, p.fail("is larger than 1 MiB", "")
	case !utf8.Valid(text) || strings.ContainsRune(p.text, 0):
		return nil, p.fail("is not UTF-8 text", "")
	case r.files >= maxFiles:
		return nil, p.fail(fmt.Sprintf("one file more than the %d that a document may have", maxFiles), "")
	}
	r.files++
	r.open = append(r.open, file)
	defer func() { r.open = r.open[:len(r.open)-1] }()
	return p.document()
}
