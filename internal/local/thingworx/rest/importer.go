package rest

import (
	"net/http"

	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/importer"
)

const (
	mediaText = "text/plain; charset=utf-8"
	mediaXML  = "text/xml; charset=utf-8"
)

// flags are those of an import, with the only value that each may have here (the names are read).
func flags() map[string]string {
	return map[string]string{"purpose": "import", "usedefaultdataprovider": "false", "usedefaultqueueprovider": "false", "withsubsystems": "false",
		"ignorebadvaluestreamdata": "false", "overwritepropertyvalues": "true", "overwriteconfigurationtablevalues": "true"}
}

// importExport serves POST Importer: entities as XML in the part "file" of a form. It answers "success" (read), or 406.
func (h *Handler) importExport(r *request) (answer, error) {
	if err := h.mayUpload(r); err != nil {
		return answer{}, err
	}
	known := flags()
	for name, values := range r.URL.Query() {
		for flag, want := range known {
			if equal(name, flag) && len(values) > 0 && !equal(values[0], want) {
				return answer{}, thingworx.Refuse(thingworx.Unsupported, "%s=%s is not done here; leave it out, or send %s", name, values[0], want)
			}
		}
	}
	file, release, err := h.file(r)
	if err != nil {
		return answer{}, err
	}
	defer release()
	export, err := importer.ReadXML("upload", file)
	if err != nil {
		return answer{}, thingworx.Refuse(thingworx.NotAcceptable, "%v", err)
	}
	if _, err := h.platform.Install(r.Context(), []*importer.Package{export}, thingworx.InstallOptions{Silent: h.silent}); notKept(err) {
		return answer{}, err
	} else if err != nil {
		return answer{}, thingworx.Refuse(thingworx.NotAcceptable, "%v", err)
	}
	return answer{body: []byte("success"), media: mediaText}, nil
}

// exporter serves GET Exporter[/<Collection>[/<Name>]][?projectName=]: entities as XML that can be imported. A platform gives an
// empty export for what is not there (read); so does this one in silent mode.
func (h *Handler) exporter(r *request) (answer, error) {
	if len(r.path) > 3 {
		return answer{}, notHere(r)
	}
	if err := only(r, http.MethodGet); err != nil {
		return answer{}, err
	}
	var kind thingworx.EntityKind
	if len(r.path) > 1 {
		var ok bool
		if kind, ok = h.collection(r.part(1)); !ok {
			return answer{}, thingworx.Refuse(thingworx.NotFound, "there is no collection %q", r.part(1))
		}
	}
	var xml []byte
	var err error
	if len(r.path) == 3 {
		xml, err = h.platform.Export(r.Context(), kind, r.part(2))
	} else {
		xml, err = h.platform.ExportAll(r.Context(), kind, r.URL.Query().Get("projectName"))
	}
	if why, ok := thingworx.KindOf(err); ok && why == thingworx.NotFound && h.silent {
		xml, err = []byte("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Entities>\n</Entities>\n"), nil
	}
	return answer{body: xml, media: mediaXML}, err
}
