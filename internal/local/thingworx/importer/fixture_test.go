package importer

import (
	"archive/zip"
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"azx/extension/entity"
)

// platform is what a test's platform has. Entities are "Collection/Name", with the package that brought them; tables are
// "Collection/Name/Table".
type platform struct {
	entities, packages map[string]string
	tables             []string
}

func (p platform) Has(collection, name string) (string, bool) {
	pkg, ok := p.entities[collection+"/"+name]
	return pkg, ok
}

func (p platform) Package(name string) (string, bool) { v, ok := p.packages[name]; return v, ok }
func (p platform) PlatformVersion() string            { return "9.3.2" }
func (p platform) Table(collection, name, table string) bool {
	return slices.Contains(p.tables, collection+"/"+name+"/"+table)
}

func bare() platform {
	entities := map[string]string{}
	for _, name := range []string{"ThingTemplates/GenericThing", "ThingTemplates/RemoteThing", "ThingTemplates/Timer", "ThingShapes/RoutedEgress",
		"DataShapes/EntityList", "Users/System", "Groups/Administrators", "Organizations/Everyone", "Things/Reporting"} {
		entities[name] = ""
	}
	return platform{entities, map[string]string{}, []string{"ThingTemplates/Timer/Settings"}}
}

// compile stands for the script package: it knows two faults.
func compile(code string) error {
	for i, line := range strings.Split(code, "\n") {
		switch {
		case strings.HasPrefix(line, "return"):
			return errors.New("compile script: " + position(i) + ": return outside of a function")
		case strings.Contains(line, "= ;"):
			return errors.New("compile script: " + position(i) + ": unexpected token ;")
		}
	}
	return nil
}

func position(line int) string { return string(rune('1'+line)) + ":3" }

const (
	meta = `<Entities>
<ExtensionPackages>
<ExtensionPackage name="plant" packageVersion="1.2.0" minimumThingWorxVersion="9.3.0" dependsOn=""/>
</ExtensionPackages></Entities>`
	settings = `<Entities><DataShapes><DataShape name="Settings" projectName="Plant"><FieldDefinitions>
<FieldDefinition name="limit" baseType="NUMBER"/>
<FieldDefinition name="rules" baseType="JSON"/>
</FieldDefinitions></DataShape></DataShapes></Entities>`
	started = `<Entities><DataShapes><DataShape name="Started"><FieldDefinitions><FieldDefinition name="at" baseType="DATETIME"/></FieldDefinitions></DataShape></DataShapes></Entities>`
	shape   = `<Entities><ThingShapes><ThingShape name="Pumping">
<PropertyDefinitions><PropertyDefinition name="speed" baseType="NUMBER"/></PropertyDefinitions>
<ServiceDefinitions><ServiceDefinition name="Stop"><ResultType baseType="STRING"/>
<ParameterDefinitions><FieldDefinition name="why" baseType="STRING"/></ParameterDefinitions></ServiceDefinition></ServiceDefinitions>
<EventDefinitions><EventDefinition name="Started" dataShape="Started"/></EventDefinitions>
<ServiceImplementations><ServiceImplementation name="Stop" handlerName="Script"><ConfigurationTables><ConfigurationTable name="Script"><Rows><Row><code><![CDATA[
var result = why;
me.speed = 0;
]]></code></Row></Rows></ConfigurationTable></ConfigurationTables></ServiceImplementation></ServiceImplementations>
</ThingShape></ThingShapes></Entities>`
	template = `<Entities><ThingTemplates><ThingTemplate name="Pump" baseThingTemplate="RemoteThing">
<ConfigurationTableDefinitions><ConfigurationTableDefinition name="Limits" dataShapeName="Settings" isMultiRow="false"/></ConfigurationTableDefinitions>
<ThingShape><ServiceDefinitions><ServiceDefinition name="Restart"/></ServiceDefinitions></ThingShape>
<RemoteServiceBindings><RemoteServiceBinding name="Restart"/></RemoteServiceBindings>
<ImplementedShapes><ImplementedShape name="RoutedEgress"/><ImplementedShape name="Pumping"/></ImplementedShapes>
<InstanceRunTimePermissions><Permissions resourceName="*"><ServiceInvoke><Principal name="Administrators" type="Group" isPermitted="true"/></ServiceInvoke></Permissions></InstanceRunTimePermissions>
</ThingTemplate></ThingTemplates></Entities>`
	thing = `<Entities><Things><Thing name="Pump1" thingTemplate="Pump" projectName="Plant">
<ConfigurationTables><ConfigurationTable name="Limits" dataShapeName="Settings">
<DataShape><FieldDefinitions><FieldDefinition name="limit" baseType="NUMBER"/><FieldDefinition name="rules" baseType="JSON"/></FieldDefinitions></DataShape>
<Rows><Row><limit>3.5</limit><rules><json>{"a":1}</json></rules></Row></Rows></ConfigurationTable></ConfigurationTables>
</Thing></Things></Entities>`
	project = `<Entities><Projects><Project name="Plant"/></Projects></Entities>`
)

// noise begins what is large and no bomb: it is packed as it is.
const noise = "<!-- noise"

// good is a package without a fault.
func good() map[string]string {
	return map[string]string{
		"metadata.xml":                     meta,
		"Entities/DataShapes/Settings.xml": settings,
		"Entities/DataShapes/Started.xml":  started,
		"Entities/ThingShapes/Pumping.xml": shape,
		"Entities/ThingTemplates/Pump.xml": template,
		"Entities/Things/Pump1.xml":        thing,
		"Entities/Projects/Plant.xml":      project,
		"Localization/de.json":             "{}",
		"ui/@types/index.d.ts":             "declare class Pump {}",
	}
}

// changed is the good package with one text replaced in one file.
func changed(t *testing.T, file, old, replacement string) map[string]string {
	t.Helper()
	files := good()
	if strings.Count(files[file], old) != 1 {
		t.Fatalf("%s has %q %d times", file, old, strings.Count(files[file], old))
	}
	files[file] = strings.Replace(files[file], old, replacement, 1)
	return files
}

func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		method := zip.Deflate
		if strings.HasPrefix(files[name], noise) {
			method = zip.Store
		}
		entry, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func readOne(t *testing.T, files map[string]string) *Package {
	t.Helper()
	packages, err := Read(pack(t, files))
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) != 1 {
		t.Fatalf("%d packages", len(packages))
	}
	return packages[0]
}

// problems reads a package and checks it: what either of the two refuses.
func problems(t *testing.T, files map[string]string, known Known) []Problem {
	t.Helper()
	packages, err := Read(pack(t, files))
	var unread Problems
	if errors.As(err, &unread) {
		return unread
	}
	if err != nil {
		t.Fatal(err)
	}
	return Check(packages[0], known, compile)
}

// has reports whether one of the problems reads so.
func has(found []Problem, text string, silent Silence) bool {
	return slices.ContainsFunc(found, func(p Problem) bool { return strings.HasPrefix(p.String(), text) && p.Silent == silent })
}

// thingNamed gives a Thing of a set.
func thingNamed(t *testing.T, s *entity.Set, name string) *entity.Thing {
	t.Helper()
	i := slices.IndexFunc(s.Things, func(e entity.Thing) bool { return e.Name == name })
	if i < 0 {
		t.Fatalf("no Thing %s", name)
	}
	return &s.Things[i]
}
