package page

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/importer"
)

// packagesView lists the installed packages, and takes new ones.
type packagesView struct {
	frame
	Packages []packaged
	Report   *report
}

type packaged struct {
	Name, Version, Description, Vendor, MinimumVersion, Link string
	Needs                                                    []string
	Kinds                                                    []choice
}

// report is what became of an upload.
type report struct {
	File     string
	Refused  bool
	Only     bool // it was checked, not installed
	Packages []reported
	Problems []problem
}

type reported struct {
	Name, Version, Previous string
	Entities                int
}

type problem struct{ Where, Entity, Reason string }

func (h *Handler) packages(w http.ResponseWriter, r *http.Request) {
	h.showPackages(w, r, http.StatusOK, nil)
}

func (h *Handler) showPackages(w http.ResponseWriter, r *http.Request, status int, result *report) {
	v := &packagesView{frame: frame{Title: "Packages", Tab: "packages"}, Report: result}
	for _, p := range h.platform.Packages() {
		out := packaged{Name: p.Name, Version: p.Version, Description: p.Description, Vendor: p.Vendor, MinimumVersion: p.MinimumVersion,
			Link: wanted{pkg: p.Name}.link()}
		for _, d := range p.DependsOn {
			out.Needs = append(out.Needs, d.Name+" "+d.Version)
		}
		for _, e := range p.Entities {
			if n := len(out.Kinds); n > 0 && out.Kinds[n-1].Name == words(e.Kind) {
				out.Kinds[n-1].Count++
				continue
			}
			out.Kinds = append(out.Kinds, choice{words(e.Kind), wanted{kind: string(e.Kind), pkg: p.Name}.link(), 1, false})
		}
		v.Packages = append(v.Packages, out)
	}
	h.show(w, r, status, "packages", v)
}

// install takes a package, a bundle of them, or an export.
func (h *Handler) install(w http.ResponseWriter, r *http.Request) {
	result := &report{Only: r.PostForm.Get("only") != ""}
	err := h.take(r, result)
	if err == nil {
		h.showPackages(w, r, http.StatusOK, result)
		return
	}
	h.remember("install "+cut(result.File, mostCharacters), err)
	result.Refused = true
	if result.Problems == nil {
		result.Problems = problemsOf(err)
	}
	h.showPackages(w, r, statusOf(err), result)
}

func (h *Handler) take(r *http.Request, result *report) error {
	file, header, err := r.FormFile("file")
	if err != nil {
		return thingworx.Refuse(thingworx.Invalid, "choose a file: a package, a bundle of packages, or an XML export")
	}
	result.File = header.Filename
	data, err := io.ReadAll(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return thingworx.Refuse(thingworx.Invalid, "the file was not read: %v", err)
	}
	packages, err := packagesIn(header.Filename, data)
	if err != nil {
		result.Problems = problemsOf(err)
		return thingworx.Refuse(thingworx.Invalid, "%v", err)
	}
	done, err := h.platform.Install(r.Context(), packages, thingworx.InstallOptions{ValidateOnly: result.Only})
	for _, p := range done.Packages {
		result.Packages = append(result.Packages, reported{p.Name, p.Version, p.Previous, p.Entities})
		result.Problems = append(result.Problems, listProblems(p.Problems)...)
	}
	return err
}

func packagesIn(name string, data []byte) ([]*importer.Package, error) {
	if !strings.HasSuffix(strings.ToLower(name), ".xml") {
		return importer.Read(data)
	}
	p, err := importer.ReadXML(name, data)
	return []*importer.Package{p}, err
}

func problemsOf(err error) []problem {
	var list importer.Problems
	if errors.As(err, &list) {
		return listProblems(list)
	}
	var out []problem
	for _, line := range strings.Split(err.Error(), "\n") {
		out = append(out, problem{Reason: line})
	}
	return out
}

func listProblems(list []importer.Problem) []problem {
	var out []problem
	for _, p := range list {
		where := p.Pos.File
		if p.Pos.Line > 0 {
			where += ":" + number(uint64(p.Pos.Line))
		}
		out = append(out, problem{where, p.Entity, p.Reason})
	}
	return out
}

// uninstall removes a package with its entities.
func (h *Handler) uninstall(w http.ResponseWriter, r *http.Request) {
	name := r.PostForm.Get("package")
	if err := h.platform.DeletePackage(r.Context(), name); err != nil {
		h.refuse(w, r, "remove package "+cut(name, mostCharacters), err)
		return
	}
	back(w, r, "/azx/page/packages", "gone", name)
}
