package importer

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"azx/extension/entity"
)

// limits of a zip, the inner ones of a bundle together.
type limits struct {
	entries  int
	unpacked int // bytes
	// ratio is how much an entry may grow that is larger than from bytes; text grows tenfold.
	ratio, from int
}

// usual are the limits but in tests.
var usual = limits{entries: 10_000, unpacked: 128 << 20, ratio: 200, from: 1 << 20}

// maxEntities is how many a package may have.
const maxEntities = 20_000

// maxName is how long a path may be.
const maxName = 500

// Read reads a zip: a package, or a bundle of packages. They come in the order in which they need each other. An error is
// Problems.
func Read(data []byte) ([]*Package, error) { return read(data, usual) }

func read(data []byte, l limits) ([]*Package, error) {
	r := &reader{limits: l}
	files, ok := r.unpack("", data)
	var packages []*Package
	switch {
	case !ok:
	case files["metadata.xml"] != nil:
		packages = r.add(packages, "", files)
	default:
		packages = r.bundle(files)
	}
	packages = r.inOrder(packages)
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return packages, nil
}

// ReadXML reads a loose export. An error is Problems.
func ReadXML(file string, data []byte) (*Package, error) {
	r := &reader{}
	p := &Package{}
	r.parse("", file, data, &p.Set)
	if len(r.problems) == 0 && len(p.Set.Packages) > 0 {
		r.problems = append(r.problems, refuse(p.Set.Packages[0].Pos, "this is the metadata of a package; upload the package as a zip"))
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return p, nil
}

type reader struct {
	limits   limits
	entries  int
	unpacked int
	problems Problems
}

func (r *reader) problem(archive string, pos entity.Pos, format string, args ...any) {
	p := refuse(pos, format, args...)
	p.Entity = archive
	r.problems = append(r.problems, p)
}

// unpack gives the files of a zip that are of use: XML, and zips of a bundle. false says that there is a problem.
func (r *reader) unpack(archive string, data []byte) (map[string][]byte, bool) {
	before := len(r.problems)
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		r.problem(archive, entity.Pos{}, "not a zip: %v", err)
		return nil, false
	}
	if r.entries += len(z.File); r.entries > r.limits.entries {
		r.problem(archive, entity.Pos{}, "the zip has more than %d entries", r.limits.entries)
		return nil, false
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		if why := badEntry(f); why != "" {
			r.problem(archive, entity.Pos{File: shorten(f.Name)}, "%s", why)
			continue
		}
		kind := strings.ToLower(path.Ext(f.Name))
		if f.FileInfo().IsDir() || kind != ".xml" && kind != ".zip" {
			continue
		}
		if files[f.Name] != nil {
			r.problem(archive, entity.Pos{File: f.Name}, "stands twice in the zip")
			continue
		}
		if files[f.Name], err = r.content(f); err != nil {
			r.problem(archive, entity.Pos{File: f.Name}, "%v", err)
		}
	}
	return files, len(r.problems) == before
}

// badEntry says why an entry is not taken, "" if it is.
func badEntry(f *zip.File) string {
	name := strings.TrimSuffix(f.Name, "/")
	switch {
	case len(name) > maxName:
		return "the name is too long"
	case strings.ContainsAny(name, "\\:\x00") || !fs.ValidPath(name):
		return "the path leads out of the package: only folders and names with / between them are taken"
	case f.Mode()&fs.ModeType&^fs.ModeDir != 0:
		return "is a link or a device; only files are taken"
	case f.Flags&1 != 0:
		return "is encrypted"
	case strings.EqualFold(path.Ext(name), ".jar"):
		return "is a Java library, which this platform cannot run: it takes packages that are JavaScript only"
	}
	return ""
}

// content unpacks one entry, within the limits. What the header says is not relied on.
func (r *reader) content(f *zip.File) ([]byte, error) {
	body, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("cannot be unpacked: %w", err)
	}
	defer body.Close()
	left := uint64(r.limits.unpacked - r.unpacked)
	most := min(left, max(uint64(r.limits.from), uint64(r.limits.ratio)*min(f.CompressedSize64, left)))
	data, err := io.ReadAll(io.LimitReader(body, int64(most)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot be unpacked: %w", err)
	case uint64(len(data)) > left:
		return nil, fmt.Errorf("the zip holds more than %d bytes", r.limits.unpacked)
	case uint64(len(data)) > most:
		return nil, fmt.Errorf("grows from %d to more than %d bytes; no text does", f.CompressedSize64, most)
	}
	r.unpacked += len(data)
	if data == nil {
		data = []byte{}
	}
	return data, nil
}

// bundle reads the packages in a zip of zips.
func (r *reader) bundle(files map[string][]byte) []*Package {
	var packages []*Package
	var other string
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch {
		case path.Base(name) == "metadata.xml":
			other = name
		case strings.EqualFold(path.Ext(name), ".zip"):
			if inner, ok := r.unpack(name, files[name]); ok {
				packages = r.add(packages, name, inner)
			}
		}
	}
	switch {
	case len(packages) > 0 || len(r.problems) > 0:
	case other != "":
		r.problem("", entity.Pos{File: other}, "metadata.xml must stand at the root of the zip: pack what is in the folder, not the folder")
	default:
		r.problem("", entity.Pos{}, "the zip has neither metadata.xml at its root nor packages as zips")
	}
	return packages
}

// add reads a package of its files.
func (r *reader) add(packages []*Package, archive string, files map[string][]byte) []*Package {
	before := len(r.problems)
	if files["metadata.xml"] == nil {
		r.problem(archive, entity.Pos{}, "the zip has no metadata.xml at its root")
		return packages
	}
	p := &Package{}
	r.parse(archive, "metadata.xml", files["metadata.xml"], &p.Set)
	declared := p.Set.Packages
	names := make([]string, 0, len(files))
	for name := range files {
		if strings.HasPrefix(name, "Entities/") && strings.EqualFold(path.Ext(name), ".xml") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		r.parse(archive, name, files[name], &p.Set)
	}
	switch {
	case len(r.problems) > before:
		return packages
	case len(declared) != 1:
		r.problem(archive, entity.Pos{File: "metadata.xml"}, "declares %d packages, expected one <ExtensionPackage>", len(declared))
	case len(p.Set.Packages) > 1:
		r.problem(archive, p.Set.Packages[1].Pos, "declares a package; only metadata.xml may")
	case count(&p.Set) > maxEntities:
		r.problem(archive, declared[0].Pos, "the package has more than %d entities", maxEntities)
	case len(declared[0].Jars) > 0:
		r.problem(archive, declared[0].Pos, "needs the Java library %s, which this platform cannot run: it takes packages that are JavaScript only", declared[0].Jars[0])
	default:
		p.Info, p.Set.Packages = declared[0], nil
		return append(packages, p)
	}
	return packages
}

func count(s *entity.Set) (n int) {
	for range s.All() {
		n++
	}
	return n
}

func (r *reader) parse(archive, file string, data []byte, into *entity.Set) {
	set, err := entity.Parse(file, data)
	var syntax *entity.SyntaxError
	switch {
	case errors.As(err, &syntax):
		r.problem(archive, syntax.Pos, "%s", syntax.Reason)
	case err != nil:
		r.problem(archive, entity.Pos{File: file}, "%v", err)
	default:
		into.Merge(set)
	}
}

// inOrder puts each package behind those of the bundle that it depends on.
func (r *reader) inOrder(packages []*Package) []*Package {
	names := map[string]bool{}
	for _, p := range packages {
		if names[p.Info.Name] {
			r.problem("", p.Info.Pos, "the package %s stands twice in the bundle", p.Info.Name)
			return nil
		}
		names[p.Info.Name] = true
	}
	var done []*Package
	for len(packages) > 0 {
		next := slices.IndexFunc(packages, func(p *Package) bool {
			return !slices.ContainsFunc(p.Info.DependsOn, func(d entity.Dependency) bool { return names[d.Name] && d.Name != p.Info.Name })
		})
		if next < 0 {
			r.problem("", packages[0].Info.Pos, "the packages of the bundle depend on each other in a ring, %s among them", packages[0].Info.Name)
			return nil
		}
		delete(names, packages[next].Info.Name)
		done = append(done, packages[next])
		packages = slices.Delete(packages, next, next+1)
	}
	return done
}

// shorten keeps names that somebody chose from filling a reason.
func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
