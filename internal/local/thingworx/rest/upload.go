package rest

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/importer"
)

// maxUpload is how large the body of an upload may be, in bytes.
const maxUpload = 64 << 20

// isUpload reports whether a path takes an upload.
func isUpload(path []string) bool {
	return len(path) == 2 && equal(path[0], "Thingworx") && (equal(path[1], "ExtensionPackageUploader") || equal(path[1], "Importer"))
}

// States of a report (read from clients: 0, 1 and 2 are success, failure and warning).
const (
	reportSuccess = 0
	reportFailure = 1
)

// uploadPackage serves POST ExtensionPackageUploader?purpose=import|upgrade[&validate=true]: a zip in the part "file" of a form
// (read). Both purposes do the same. The answer is a table with a row that has a table "validate" and, when something was
// installed, a row that has a table "install"; each has a row for each package. An upload that is refused is answered with 406
// (read), with that table as far as the packages could be read; validate=true alone is always answered with 200 then.
func (h *Handler) uploadPackage(r *request) (answer, error) {
	if err := h.mayUpload(r); err != nil {
		return answer{}, err
	}
	purpose, validate := r.URL.Query().Get("purpose"), r.URL.Query().Get("validate")
	if purpose != "" && purpose != "import" && purpose != "upgrade" {
		return answer{}, thingworx.Refuse(thingworx.Invalid, "purpose must be import or upgrade, got %q", purpose)
	}
	if validate != "" && validate != "true" && validate != "false" {
		return answer{}, thingworx.Refuse(thingworx.Invalid, "validate must be true or false, got %q", validate)
	}
	file, release, err := h.file(r)
	if err != nil {
		return answer{}, err
	}
	defer release()
	packages, err := importer.Read(file)
	if err != nil {
		return answer{}, thingworx.Refuse(thingworx.NotAcceptable, "%v", err)
	}
	options := thingworx.InstallOptions{ValidateOnly: validate == "true", Silent: h.silent}
	report, err := h.platform.Install(r.Context(), packages, options)
	if notKept(err) {
		return answer{}, err
	}
	return h.reported(r, packages, report, options, err)
}

// mayUpload refuses an upload before its body is read.
func (h *Handler) mayUpload(r *request) error {
	if len(r.path) != 1 {
		return notHere(r)
	}
	if err := only(r, http.MethodPost); err != nil {
		return err
	}
	if r.ContentLength > maxUpload {
		return &http.MaxBytesError{Limit: maxUpload}
	}
	return h.platform.Administers(r.Context())
}

// notKept tells an import that was done and is not on disk from one that was refused.
func notKept(err error) bool {
	kind, refused := thingworx.KindOf(err)
	return refused && kind == thingworx.Failed
}

// file reads the part "file" of a form. One upload is worked on at a time: release lets the next one in.
func (h *Handler) file(r *request) (data []byte, release func(), err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, nil, thingworx.Refuse(thingworx.Invalid, "the body must be a form, multipart/form-data, with the file in its part \"file\", as curl -F file=@NAME sends it")
	}
	select {
	case h.uploads <- struct{}{}:
	case <-r.Context().Done():
		return nil, nil, r.Context().Err()
	}
	release = func() { <-h.uploads }
	if data, err = filePart(parts); err != nil {
		release()
		return nil, nil, err
	}
	return data, release, nil
}

func filePart(parts *multipart.Reader) ([]byte, error) {
	for {
		part, err := parts.NextRawPart()
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			return nil, err
		case errors.Is(err, io.EOF):
			return nil, thingworx.Refuse(thingworx.Invalid, "the form has no part \"file\"")
		case err != nil:
			return nil, thingworx.Refuse(thingworx.Invalid, "the form cannot be read: %v", err)
		}
		if !strings.EqualFold(part.FormName(), "file") {
			continue
		}
		data, err := io.ReadAll(part) // of a body that is limited
		switch {
		case errors.As(err, &tooLarge):
			return nil, err
		case err != nil:
			return nil, thingworx.Refuse(thingworx.Invalid, "the form ends in the middle of the file: %v", err)
		}
		return data, nil
	}
}

// reported is the answer to an upload whose packages could be read.
func (h *Handler) reported(r *request, packages []*importer.Package, report thingworx.InstallReport, o thingworx.InstallOptions, refused error) (answer, error) {
	if refused != nil && h.silent {
		return answer{}, thingworx.Refuse(thingworx.NotAcceptable, "%v", refused)
	}
	rows := infotable.New(infotable.Column("validate", infotable.TypeInfotable), infotable.Column("install", infotable.TypeInfotable))
	rows.Add(infotable.FromTable(reportTable(packages, report, refused, "can be installed")))
	if refused == nil && !o.ValidateOnly {
		rows.Add(infotable.Nothing(), infotable.FromTable(reportTable(packages, report, nil, "is installed")))
	}
	a, err := table(rows)
	if refused != nil && !o.ValidateOnly {
		a.status = http.StatusNotAcceptable
	}
	if refused != nil {
		h.remember(r, a.status, refused)
	}
	return a, err
}

// reportTable has a row for each package. What is wrong with none in particular is said of all.
func reportTable(packages []*importer.Package, report thingworx.InstallReport, refused error, done string) *infotable.Table {
	t := infotable.New(infotable.Column("extensionPackage", infotable.TypeInfotable), infotable.Column("extensionReportStatus", infotable.TypeInteger),
		infotable.Column("reportMessage", infotable.TypeString), infotable.Column("extensionException", infotable.TypeString))
	problems := map[string]importer.Problems{}
	for _, p := range report.Packages {
		problems[p.Name] = p.Problems
	}
	guilty := refused != nil
	for _, list := range problems {
		guilty = guilty && len(list) == 0
	}
	for _, p := range packages {
		status, message := int32(reportSuccess), fmt.Sprintf("Extension %s %s %s.", p.Info.Name, p.Info.Version, done)
		switch list := problems[p.Info.Name]; {
		case refused == nil:
		case guilty:
			status, message = reportFailure, refused.Error()
		case len(list) > 0:
			status, message = reportFailure, list.Error()
		}
		t.Add(infotable.FromTable(packageTable(p)), infotable.Integer(status), infotable.String(message), infotable.String(""))
	}
	return t
}

// packageTable has the columns of the data shape ExtensionPackage (read).
func packageTable(p *importer.Package) *infotable.Table {
	var names = []string{"name", "vendor", "description", "packageVersion", "minimumThingWorxVersion", "buildNumber"}
	t := infotable.New()
	for _, name := range names {
		t.Fields = append(t.Fields, infotable.Column(name, infotable.TypeString))
	}
	i := &p.Info
	return t.Add(infotable.String(i.Name), infotable.String(i.Vendor), infotable.String(i.Description), infotable.String(i.Version),
		infotable.String(i.MinimumVersion), infotable.String(i.Build))
}
