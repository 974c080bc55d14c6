package extension

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"azx/extension/entity"
)

// Source is a package that was read from its sources.
type Source struct {
	Info    entity.Package
	Set     entity.Set // with the scripts in it
	Files   []File     // of the zip: metadata.xml first
	Scripts []Script
}

// Script is a body in a file of its own.
type Script struct {
	File       string // in the source tree
	Code       string
	Collection string
	Entity     string
	Member     string // a service or a subscription
	Result     string // base type of a service's result; "" for a subscription
}

// Problem is something wrong with the sources of a package.
type Problem struct {
	Pos    entity.Pos
	Reason string
}

// Problems is an error that lists everything that is wrong.
type Problems []Problem

// Error has one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = fmt.Sprintf("%s: %s", problem.Pos, problem.Reason)
	}
	return strings.Join(lines, "\n")
}

// typesFile is where the tools for TypeScript look for a package's declarations, below its folder on the platform.
const typesFile = "ui/@types/index.d.ts"

// Read reads the sources of one package from the root of a tree. An error of what is written there is Problems.
func Read(tree fs.FS) (*Source, error) {
	r := &reader{source: &Source{}, scripts: map[string]string{}, sheets: map[string][]byte{}}
	if err := fs.WalkDir(tree, ".", r.collect(tree)); err != nil {
		return nil, fmt.Errorf("read the source tree: %w", err)
	}
	r.metadata()
	for _, name := range slices.Sorted(maps.Keys(r.sheets)) {
		r.entities(name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.scripts)) {
		r.problem(entity.Pos{File: name}, "no entity next to it has a service or a subscription without a body of that name")
	}
	r.problems = append(r.problems, lint(r.source)...)
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	r.source.Files = append(r.source.Files, File{typesFile, declarations(r.source)})
	return r.source, nil
}

// Zip makes the package: <name>-<version>.zip.
func (s *Source) Zip() Zip {
	return Zip{s.Info.Name + "-" + s.Info.Version + ".zip", pack(s.Files)}
}

type reader struct {
	source   *Source
	scripts  map[string]string // that no entity has taken yet
	sheets   map[string][]byte // XML of entities
	meta     []byte
	problems Problems
}

func (r *reader) problem(pos entity.Pos, format string, args ...any) {
	r.problems = append(r.problems, Problem{pos, fmt.Sprintf(format, args...)})
}

func (r *reader) collect(tree fs.FS) fs.WalkDirFunc {
	return func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		inEntities := strings.HasPrefix(name, "Entities/") && strings.Count(name, "/") == 2
		switch {
		case name == "metadata.xml":
			r.meta = data
		case inEntities && path.Ext(name) == ".xml":
			r.sheets[name] = data
		case inEntities && path.Ext(name) == ".js":
			r.scripts[name] = string(data)
		default:
			r.problem(entity.Pos{File: name}, "is neither metadata.xml nor Entities/<Collection>/<Name>.xml, nor a script next to one")
		}
		return nil
	}
}

func (r *reader) metadata() {
	set := r.parse("metadata.xml", r.meta)
	if set == nil {
		return
	}
	if len(set.Packages) != 1 {
		r.problem(entity.Pos{File: "metadata.xml"}, "has %d packages, expected one", len(set.Packages))
		return
	}
	r.source.Info = set.Packages[0]
	if len(r.source.Info.Jars) > 0 {
		r.problem(r.source.Info.Pos, "names jars; these packages are JavaScript only")
	}
	r.source.Files = append(r.source.Files, File{"metadata.xml", r.meta})
}

// parse reads a document, or notes why it cannot and returns nil.
func (r *reader) parse(name string, data []byte) *entity.Set {
	set, err := entity.Parse(name, data)
	if syntax, ok := err.(*entity.SyntaxError); ok {
		r.problem(syntax.Pos, "%s", syntax.Reason)
		return nil
	}
	for _, d := range set.Dropped {
		r.problem(d.Pos, "%s: %s, which a platform drops", d.Entity, d.What)
	}
	return set
}

// entities reads one file of them, puts the scripts in and takes it into the package.
func (r *reader) entities(name string) {
	set := r.parse(name, r.sheets[name])
	if set == nil {
		return
	}
	collection := path.Base(path.Dir(name))
	if names := namesOf(set); len(names) != 1 || names[0] != collection+"/"+strings.TrimSuffix(path.Base(name), ".xml") {
		r.problem(entity.Pos{File: name}, "holds %s, expected the one entity that it is named after", strings.Join(names, ", "))
		return
	}
	bodies := r.bodies(name, collection, set)
	filled, err := insert(r.sheets[name], bodies)
	if err != nil {
		r.problem(entity.Pos{File: name}, "%v", err)
		return
	}
	set = r.parse(name, filled)
	if set == nil {
		return
	}
	r.source.Files = append(r.source.Files, File{name, filled})
	r.source.Set.Merge(set)
}

// bodies takes the scripts that the members of an entity need.
func (r *reader) bodies(file, collection string, set *entity.Set) []Script {
	var found []Script
	name := strings.TrimSuffix(file, ".xml")
	take := func(pos entity.Pos, kind, member, result string) {
		script := name + "." + member + ".js"
		code, ok := r.scripts[script]
		if !ok {
			r.problem(pos, "%s %q has no body; write it into %s", kind, member, script)
			return
		}
		delete(r.scripts, script)
		found = append(found, Script{script, code, collection, path.Base(name), member, result})
	}
	for _, m := range set.AllMembers() {
		for _, s := range m.Services {
			if s.Handler == "" && !isRemote(*m, s.Name) {
				take(s.Pos, "service", s.Name, s.Result.BaseType)
			}
		}
		for _, s := range m.Subscriptions {
			if s.Handler == "" {
				take(s.Pos, "subscription", s.Name, "")
			}
		}
	}
	r.source.Scripts = append(r.source.Scripts, found...)
	return found
}

func isRemote(m entity.Members, service string) bool {
	return slices.ContainsFunc(m.RemoteServices, func(b entity.RemoteService) bool { return b.Name == service })
}

// namesOf gives "Collection/Name" of everything in a set.
func namesOf(set *entity.Set) []string {
	var names []string
	for collection, e := range set.All() {
		names = append(names, collection+"/"+e.Name)
	}
	for _, e := range set.Packages {
		names = append(names, "ExtensionPackages/"+e.Name)
	}
	return names
}
