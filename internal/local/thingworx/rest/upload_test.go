package rest

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/store"
)

const uploader, importerPath = "/Thingworx/ExtensionPackageUploader?purpose=import", "/Thingworx/Importer"

// form is a form with one file, and its content type.
func form(t *testing.T, field string, file []byte) ([]byte, string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	if err := w.WriteField("comment", "not the file"); err != nil {
		t.Fatal(err)
	}
	part, err := w.CreateFormFile(field, "package.zip")
	if err == nil {
		_, err = part.Write(file)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return body.Bytes(), w.FormDataContentType()
}

func send(h http.Handler, path, contentType string, body io.Reader) (int, string) {
	r := httptest.NewRequest("POST", path, body)
	r.Header.Set("appKey", key)
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func upload(t *testing.T, h http.Handler, path string, file []byte) (int, string) {
	t.Helper()
	body, contentType := form(t, "file", file)
	return send(h, path, contentType, bytes.NewReader(body))
}

// archive makes a package of its files.
func archive(t *testing.T, name string, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	files["metadata.xml"] = `<Entities><ExtensionPackages><ExtensionPackage name="` + name + `" packageVersion="1.0.0" minimumThingWorxVersion="9.0.0"/></ExtensionPackages></Entities>`
	for file, text := range files {
		f, err := w.Create(file)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type reportRow struct {
	Package struct {
		Rows []struct{ Name, PackageVersion string }
	} `json:"extensionPackage"`
	Status    int    `json:"extensionReportStatus"`
	Message   string `json:"reportMessage"`
	Exception string `json:"extensionException"`
}

// reports reads the tables of an answer of the uploader.
func reports(t *testing.T, text string) (validate, install []reportRow) {
	t.Helper()
	var table struct {
		Rows []struct{ Validate, Install struct{ Rows []reportRow } }
	}
	if err := json.Unmarshal([]byte(text), &table); err != nil {
		t.Fatalf("%v: %.500s", err, text)
	}
	for _, row := range table.Rows {
		validate, install = append(validate, row.Validate.Rows...), append(install, row.Install.Rows...)
	}
	return validate, install
}

func TestABundleIsValidatedWithoutAChangeThenInstalledAndTakenAgain(t *testing.T) {
	h, p := plant(t)
	things := p.Stats().Things
	code, text := upload(t, h, uploader+"&validate=true", bundle(t).All.Bytes)
	validate, install := reports(t, text)
	if code != 200 || len(validate) != 2 || len(install) != 0 || validate[0].Status != 0 {
		t.Errorf("got %d %.2000s", code, text)
	}
	if len(p.Packages()) != 0 || p.Stats().Things != things {
		t.Errorf("it changed %v, %+v", p.Packages(), p.Stats())
	}
	for _, purpose := range []string{"import", "upgrade", ""} {
		code, text = upload(t, h, "/Thingworx/ExtensionPackageUploader?purpose="+purpose, bundle(t).All.Bytes)
		validate, install = reports(t, text)
		if code != 200 || len(validate) != 2 || len(install) != 2 || install[1].Status != 0 || install[1].Message != "Extension azx-azure-iot 0.1.0 is installed." ||
			install[0].Package.Rows[0].Name != "azx-connection-services" || install[0].Package.Rows[0].PackageVersion != "0.1.0" {
			t.Errorf("%s: got %d %.2000s", purpose, code, text)
		}
		if len(p.Packages()) != 2 {
			t.Errorf("%s: installed are %v", purpose, p.Packages())
		}
	}
}

const shape = `<Entities><ThingShapes><ThingShape name="Mine"><ServiceDefinitions><ServiceDefinition name="S"><ResultType name="result" baseType="NOTHING"/><ParameterDefinitions/></ServiceDefinition></ServiceDefinitions>
<ServiceImplementations><ServiceImplementation name="S" handlerName="Script"><ConfigurationTables><ConfigurationTable name="Script"><Rows><Row><code>CODE</code></Row></Rows></ConfigurationTable></ConfigurationTables></ServiceImplementation></ServiceImplementations></ThingShape></ThingShapes></Entities>`

// installOther installs a package that has the template AzureIotThing.
func installOther(t *testing.T, h http.Handler) {
	t.Helper()
	other := archive(t, "other", map[string]string{"Entities/Its.xml": `<Entities><ThingTemplates><ThingTemplate name="AzureIotThing" baseThingTemplate="GenericThing"/></ThingTemplates></Entities>`})
	if code, text := upload(t, h, uploader, other); code != 200 {
		t.Fatalf("got %d %s", code, text)
	}
}

func TestWhatIsWrongWithAPackageIsToldOrNotInSilentMode(t *testing.T) {
	good := strings.Replace(shape, "CODE", "logger.info('x');", 1)
	for _, tc := range []struct {
		name   string
		files  map[string]string
		pkg    string
		want   string // reason of the refusal; "" for none
		silent int    // status in silent mode
	}{
		{"nothing", map[string]string{"Entities/ThingShapes/Mine.xml": good}, "mine", "", 200},
		{"a script that cannot run", map[string]string{"Entities/ThingShapes/Mine.xml": strings.Replace(shape, "CODE", "if (", 1)}, "mine",
			`Entities/ThingShapes/Mine.xml:2: ThingShapes/Mine: the script of service "S": `, 200},
		{"a name that another package has", map[string]string{"Entities/Mine.xml": `<Entities><ThingTemplates><ThingTemplate name="AzureIotThing" baseThingTemplate="GenericThing"/></ThingTemplates></Entities>`}, "mine",
			"Entities/Mine.xml:1: ThingTemplates/AzureIotThing: the entity belongs to the package other", 406},
		{"a template that is nowhere", map[string]string{"Entities/Mine.xml": `<Entities><Things><Thing name="T" thingTemplate="Nothing"/></Things></Entities>`}, "mine",
			`has the template "Nothing", which is neither in the package nor on the platform`, 406},
		{"XML that is none", map[string]string{"Entities/Mine.xml": `<Entities><Things>`}, "mine", "Entities/Mine.xml:1", 406},
		{"no zip at all", nil, "", "not a zip", 406},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, p := plant(t)
			installOther(t, h)
			file := []byte("PK nothing")
			if tc.files != nil {
				file = archive(t, tc.pkg, tc.files)
			}
			for _, validate := range []string{"&validate=true", ""} {
				code, text := upload(t, h, uploader+validate, file)
				if tc.want == "" {
					if code != 200 {
						t.Errorf("%s: got %d %s", validate, code, text)
					}
					continue
				}
				var told string
				if strings.HasPrefix(text, "{") {
					rows, install := reports(t, text)
					if len(rows) != 1 || len(install) != 0 || rows[0].Status != 1 || (code == 200) != (validate != "") {
						t.Errorf("%s: got %d %.2000s", validate, code, text)
					}
					told = rows[0].Message
				} else {
					told = text
				}
				if !strings.Contains(told, tc.want) || code != 406 && validate == "" {
					t.Errorf("%s: got %d %q", validate, code, told)
				}
				if got := p.Refusals(); len(got) == 0 || !strings.Contains(got[0].Reason, tc.want) {
					t.Errorf("%s: remembered %+v", validate, got)
				}
			}
			silent := New(p, Options{Silent: true})
			if code, text := upload(t, silent, uploader, file); code != tc.silent || code == 406 && text != "" || code == 200 && strings.Contains(text, "the script of") {
				t.Errorf("in silent mode: %d %s", code, text)
			}
		})
	}
}

func TestUploadsThatAreNoneAreRefused(t *testing.T) {
	body, contentType := form(t, "file", []byte("x"))
	other, otherType := form(t, "other", []byte("x"))
	const metadata = "<Entities><ExtensionPackages><ExtensionPackage name='a' packageVersion='1.0.0'/></ExtensionPackages></Entities>"
	wrong, wrongType := form(t, "FILE", []byte(metadata))
	for _, tc := range []struct {
		name, method, path, contentType string
		body                            io.Reader
		code                            int
		want                            string
	}{
		{"no form", "POST", uploader, "application/zip", strings.NewReader("PK"), 400, "multipart/form-data"},
		{"a form without the file", "POST", uploader, otherType, bytes.NewReader(other), 400, `no part "file"`},
		{"a form that is cut off", "POST", uploader, contentType, bytes.NewReader(body[:len(body)-70]), 400, "the form"},
		{"an empty form", "POST", uploader, contentType, strings.NewReader(""), 400, "file"},
		{"another purpose", "POST", "/Thingworx/ExtensionPackageUploader?purpose=export", contentType, bytes.NewReader(body), 400, "purpose must be import or upgrade"},
		{"a validate that is none", "POST", uploader + "&validate=yes", contentType, bytes.NewReader(body), 400, "validate must be true or false"},
		{"another verb", "GET", uploader, "", nil, 405, "use POST"},
		{"another verb for an import", "GET", importerPath, "", nil, 405, "use POST"},
		{"something below", "POST", "/Thingworx/ExtensionPackageUploader/x", contentType, bytes.NewReader(body), 404, "nothing is served"},
		{"more than there may be", "POST", uploader, contentType, io.MultiReader(bytes.NewReader(body[:bytes.Index(body, []byte("\r\n\r\nx"))+5]), endless{}), 413, "too large"},
		{"more in front of the file", "POST", uploader, contentType, io.MultiReader(bytes.NewReader(body[:bytes.Index(body, []byte("not the file"))]), endless{}), 413, "too large"},
		{"a head without an end", "POST", uploader, contentType, io.MultiReader(bytes.NewReader(body[:bytes.Index(body, []byte("Content-Disp"))]), endless{}), 400, "the form cannot be read"},
		{"a package to the importer", "POST", importerPath, wrongType, bytes.NewReader(wrong), 406, "upload the package as a zip"},
		{"a zip to the importer", "POST", importerPath, contentType, bytes.NewReader(body), 406, "upload:1"},
		{"a flag that is not done", "POST", importerPath + "?overwritePropertyValues=false", contentType, bytes.NewReader(body), 501, "overwritePropertyValues=false is not done here"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, p := plant(t)
			r := httptest.NewRequest(tc.method, tc.path, tc.body)
			r.Header.Set("appKey", key)
			r.Header.Set("Content-Type", tc.contentType)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tc.code || !strings.Contains(w.Body.String(), tc.want) {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			if len(p.Packages()) != 0 {
				t.Errorf("installed %v", p.Packages())
			}
			if code, text := upload(t, h, uploader, archive(t, "next", map[string]string{})); code != 200 { // the way is free for the next one
				t.Errorf("the next one: %d %.300s", code, text)
			}
		})
	}
	h, _ := plant(t)
	r := httptest.NewRequest("POST", uploader, endless{})
	r.ContentLength = maxUpload + 1
	r.Header.Set("appKey", key)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 413 {
		t.Errorf("said to be too large: %d %s", w.Code, w.Body)
	}
}

// endless is a body that does not end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestWhatIsExportedCanBeImportedAgain(t *testing.T) {
	h, p := extended(t)
	ok(t, h, "POST", entities+"CreateProject", `{"name":"Plant"}`)
	ok(t, h, "POST", entities+"CreateThingShape", `{"name":"Extra","projectName":"Plant"}`)
	ok(t, h, "POST", pump+"/Services/SetProjectName", `{"projectName":"Plant"}`)
	ok(t, h, "POST", pump+"/Services/AddVisibilityPermission", `{"principal":"Everyone","principalType":"Organization"}`)
	ok(t, h, "PUT", pump+"/Properties/mode", `{"mode":"auto"}`)
	before := ok(t, h, "GET", pump, "")
	one := ok(t, h, "GET", "/Thingworx/Exporter/Things/Pump-1", "")
	all := ok(t, h, "GET", "/Thingworx/exporter?projectName=Plant", "")
	for _, part := range []string{`<Project name="Plant"`, `<ThingShape name="Extra"`, `<Thing name="Pump-1"`} {
		if !strings.Contains(all, part) {
			t.Errorf("the project has no %s", part)
		}
	}
	if strings.Contains(all, "ConnectionServicesHub") {
		t.Error("the project has an entity of another one")
	}
	if text := ok(t, h, "GET", "/Thingworx/Exporter/ThingTemplates", ""); !strings.Contains(text, `name="AzureIotThing"`) || strings.Contains(text, `name="GenericThing"`) || strings.Contains(text, "<Thing ") {
		t.Errorf("the templates are %.500s", text)
	}
	for _, export := range []string{one, all} {
		ok(t, h, "DELETE", pump, "")
		if code, text := upload(t, h, importerPath+"?purpose=import&usedefaultdataprovider=false&WithSubsystems=false&overwritePropertyValues=true", []byte(export)); code != 200 || text != "success" {
			t.Fatalf("got %d %s", code, text)
		}
		if after := ok(t, h, "GET", pump, ""); after != before {
			t.Errorf("it is now %s\nwas %s", after, before)
		}
		if v, err := p.Read(t.Context(), "Pump-1", "mode"); err != nil || v.Value.String() != "auto" {
			t.Errorf("mode is %v, %v", v.Value, err)
		}
	}
}

func TestAnExportOfWhatIsNotThere(t *testing.T) {
	h, p := plant(t)
	silent := New(p, Options{Silent: true})
	for path, want := range map[string]string{
		"Things/Nobody": `there is no Thing "Nobody"`, "Mashups/Nobody": "there is no Mashups/Nobody",
	} {
		if code, text := do(h, "GET", "/Thingworx/Exporter/"+path, "", nil); code != 404 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", path, code, text)
		}
		if code, text := do(silent, "GET", "/Thingworx/Exporter/"+path, "", nil); code != 200 || !strings.Contains(text, "<Entities>\n</Entities>") {
			t.Errorf("%s in silent mode: %d %s", path, code, text)
		}
	}
	for path, want := range map[string]int{"Thinks": 404, "Things/a/b": 404, "ThingTemplates/GenericThing": 403, "Things/SystemRepository": 200} {
		if code, text := do(h, "GET", "/Thingworx/Exporter/"+path, "", nil); code != want {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if code, _ := do(h, "POST", "/Thingworx/Exporter/Things", "", nil); code != 405 {
		t.Errorf("POST: %d", code)
	}
}

// failing is a store that keeps nothing.
type failing struct{}

func (failing) Load(func(store.Record) error) error { return nil }
func (failing) Save([]store.Record) error           { return errors.New("the disk is full") }
func (failing) Close() error                        { return nil }

func TestAnUploadThatCannotBeKeptIsNoSuccess(t *testing.T) {
	p, err := thingworx.New(thingworx.Options{Store: failing{}})
	if err != nil {
		t.Fatal(err)
	}
	p.AddKey(key, "Administrator")
	code, text := upload(t, New(p, Options{}), uploader, bundle(t).All.Bytes)
	if code != 500 || !strings.Contains(text, "imported, but not kept on disk yet: ") {
		t.Errorf("got %d %.500s", code, text)
	}
}
