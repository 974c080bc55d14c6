// Package importer reads ThingWorx packages and exports, and says what of them a platform would refuse.
//
// It refuses with file, line and reason where a real platform answers a bare 406, drops something without a word or takes what
// never works; Silently makes of a package what such a platform would have of it. What real platforms do is read from the notes of
// people who tried, where no comment says otherwise.
package importer

import (
	"fmt"
	"slices"
	"strings"

	"azx/extension/entity"
)

// Package is one extension package; of a loose export Info is zero.
type Package struct {
	Info entity.Package
	Set  entity.Set
}

// Known is what the platform has already.
type Known interface {
	// Has reports whether an entity is there, and the package that brought it: "" for one that is built in or made by hand.
	Has(collection, name string) (pkg string, ok bool)
	// Package gives the version of an installed package.
	Package(name string) (version string, ok bool)
	// Table reports whether an entity has a configuration table, of its own or by its template, that a definition made.
	Table(collection, name, table string) bool
	// PlatformVersion is major.minor.patch.
	PlatformVersion() string
}

// Silence is what a real platform makes of a problem.
type Silence int

// What real platforms do.
const (
	Refuses     Silence = iota // the import fails: 406 and an empty body
	Drops                      // it leaves this out, and says that all is well
	KeepsBroken                // it imports this, and it does not work
	Takes                      // there is nothing wrong with it: only this platform cannot do it
)

// String names a Silence in a few words, for a person.
func (s Silence) String() string {
	return [...]string{"refuses it without a reason", "drops it without a word", "imports it, and it does not work", "takes it"}[s]
}

// Problem is something that keeps a package from being imported whole.
type Problem struct {
	Pos    entity.Pos
	Entity string // "Collection/Name"; "" if it is not about one
	Reason string
	Silent Silence

	drop func(*entity.Set) // makes a set as it is on a platform that drops; nil if nothing is to do
}

// String is "file:line: Collection/Name: reason", or what of it there is.
func (p Problem) String() string {
	parts := []string{p.Pos.String(), p.Entity, p.Reason}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ": ")
}

// Problems is an error that lists them, one a line.
type Problems []Problem

// Error has one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// With is what a platform has once p is imported: for checking a bundle, in which one package needs another.
func With(known Known, p *Package) Known {
	o := &overlay{Known: known, p: p, names: map[string]bool{}, index: indexOf(&p.Set)}
	for collection, e := range p.Set.All() {
		o.names[collection+"/"+e.Name] = true
	}
	return o
}

type overlay struct {
	Known
	p     *Package
	names map[string]bool
	index index
}

func (o *overlay) Has(collection, name string) (string, bool) {
	if o.names[collection+"/"+name] {
		return o.p.Info.Name, true
	}
	return o.Known.Has(collection, name)
}

func (o *overlay) Package(name string) (string, bool) {
	if name == o.p.Info.Name && name != "" {
		return o.p.Info.Version, true
	}
	return o.Known.Package(name)
}

func (o *overlay) Table(collection, name, table string) bool {
	return o.index.definesTable(o.Known, collection, name, func(d entity.TableDefinition) bool { return d.Name == table }, table)
}

// refuse is a problem that stands on its own.
func refuse(pos entity.Pos, format string, args ...any) Problem {
	return Problem{Pos: pos, Reason: fmt.Sprintf(format, args...)}
}
