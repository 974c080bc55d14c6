package importer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"azx/extension/entity"
	"azx/extension/verify"
)

// silentPlatform has what a real platform would have of a package, and shows it over REST.
func silentPlatform(t *testing.T, kept *Package) *verify.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/Thingworx/"), "/")
		switch parts[len(parts)-1] {
		case "GetExtensionPackageList":
			fmt.Fprintf(w, `{"rows":[{"name":%q,"packageVersion":%q}]}`, kept.Info.Name, kept.Info.Version)
			return
		case "CheckScriptWithLinesAndColumns":
			var body struct{ Script string }
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			row := map[string]any{"status": true}
			if err := compile(body.Script); err != nil {
				row = map[string]any{"status": false, "message": err.Error(), "lineNumber": 1, "columnNumber": 3}
			}
			text, _ := json.Marshal(map[string]any{"rows": []any{row}})
			_, _ = w.Write(text)
			return
		}
		if parts[0] != "Exporter" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(only(&kept.Set, parts[1], parts[2]).XML())
	}))
	t.Cleanup(server.Close)
	client, err := verify.NewClient(verify.Options{URL: server.URL, AppKey: "key"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// only is what a set has of one name in a collection.
func only(s *entity.Set, collection, name string) *entity.Set {
	one := *clone(s)
	pick(&one.Projects, collection == "Projects", func(e entity.Project) string { return e.Name }, name)
	pick(&one.DataShapes, collection == "DataShapes", func(e entity.DataShape) string { return e.Name }, name)
	pick(&one.ThingShapes, collection == "ThingShapes", func(e entity.ThingShape) string { return e.Name }, name)
	pick(&one.ThingTemplates, collection == "ThingTemplates", func(e entity.ThingTemplate) string { return e.Name }, name)
	pick(&one.Things, collection == "Things", func(e entity.Thing) string { return e.Name }, name)
	return &one
}

func pick[E any](list *[]E, of bool, id func(E) string, name string) {
	*list = slices.DeleteFunc(*list, func(e E) bool { return !of || id(e) != name })
}

// What a real platform loses of a package without a word, verify finds by asking it.
func TestVerifyFindsWhatASilentPlatformHasLost(t *testing.T) {
	const shapes, templates = "Entities/ThingShapes/Pumping.xml", "Entities/ThingTemplates/Pump.xml"
	noProject := good()
	delete(noProject, "Entities/Projects/Plant.xml")
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"nothing":                      {good(), nil},
		"a syntax error":               {changed(t, shapes, "me.speed = 0;", "me.speed = ;"), []string{`ThingShapes/Pumping: the script of service "Stop" cannot run: compile script: 2:3: unexpected token ; (line 1, column 3)`}},
		"a return at top level":        {changed(t, shapes, "var result = why;", "return why;"), []string{`ThingShapes/Pumping: the script of service "Stop" cannot run: compile script: 1:3: return outside of a function (line 1, column 3)`}},
		"a table without a definition": {changed(t, templates, `name="Limits"`, `name="Limit"`), []string{`Things/Pump1: configuration table "Limits" is missing`}},
		"a definition without a data shape": {changed(t, templates, `dataShapeName="Settings"`, `dataShapeName="Nothing"`),
			[]string{`ThingTemplates/Pump: the definition of configuration table "Limits" is missing`, `Things/Pump1: configuration table "Limits" is missing`}},
		"a group that is not there": {changed(t, templates, `"Administrators"`, `"Admins"`),
			[]string{`ThingTemplates/Pump: a run-time permission of its Things is missing that permits ServiceInvoke on "*" to the group "Admins"`}},
		"a project that is not there": {noProject, []string{`DataShapes/Settings: the project is "PTCDefaultProject", expected "Plant"`, `Things/Pump1: the project is "PTCDefaultProject", expected "Plant"`}},
	} {
		t.Run(name, func(t *testing.T) {
			p := readOne(t, c.files)
			kept, ok := Silently(p, Check(p, bare(), compile))
			if !ok {
				t.Fatal("a real platform refuses it")
			}
			report, err := verify.Verify(context.Background(), silentPlatform(t, kept), []verify.Package{{Info: p.Info, Set: &p.Set}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, loss := range report.Losses {
				got = append(got, strings.TrimPrefix(loss.String(), "plant: "))
			}
			if !slices.Equal(got, c.want) || len(report.Notes) > 0 {
				t.Errorf("got %q, %v\nwant %q", got, report.Notes, c.want)
			}
		})
	}
}

// A package that a real platform refuses with a bare 406 is missing whole.
func TestVerifyNamesEverythingOfAPackageThatWasRefused(t *testing.T) {
	p := readOne(t, good())
	report, err := verify.Verify(context.Background(), silentPlatform(t, &Package{}), []verify.Package{{Info: p.Info, Set: &p.Set}})
	if err != nil || len(report.Losses) != 1+report.Entities || report.Losses[0].What != "the package is not installed" {
		t.Errorf("%+v, %v", report, err)
	}
}
