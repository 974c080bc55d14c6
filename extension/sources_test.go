package extension

import (
	"encoding/xml"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// xmlNode is an element of a source, whatever it is.
type xmlNode struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []xmlNode  `xml:",any"`
}

func (n *xmlNode) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// all returns the elements of a kind at any depth.
func (n *xmlNode) all(kind string) []xmlNode {
	var found []xmlNode
	for i := range n.Children {
		if n.Children[i].XMLName.Local == kind {
			found = append(found, n.Children[i])
		}
		found = append(found, n.Children[i].all(kind)...)
	}
	return found
}

func (n *xmlNode) names(kind string) []string {
	var names []string
	for _, child := range n.all(kind) {
		names = append(names, child.attr("name"))
	}
	return names
}

// sourceEntity is an entity of one of the two packages.
type sourceEntity struct {
	pkg, collection, file string
	xmlNode
}

func (e *sourceEntity) name() string { return e.attr("name") }

var sourcePackages = []string{"connection-services", "azure-iot"}

// sourceFiles lists the files of both packages with this extension, with slashes.
func sourceFiles(t *testing.T, ext string) []string {
	t.Helper()
	var files []string
	for _, pkg := range sourcePackages {
		err := filepath.WalkDir(filepath.Join(pkg, "Entities"), func(p string, d fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(p) == ext {
				files = append(files, filepath.ToSlash(p))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(files) == 0 {
		t.Fatalf("no %s files", ext)
	}
	return files
}

// sourceEntities reads all entities; each file has exactly one.
func sourceEntities(t *testing.T) []sourceEntity {
	t.Helper()
	var entities []sourceEntity
	for _, file := range sourceFiles(t, ".xml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var root xmlNode
		if err := xml.Unmarshal(text, &root); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(root.Children) != 1 || len(root.Children[0].Children) != 1 {
			t.Fatalf("%s: want one collection with one entity", file)
		}
		part := strings.Split(file, "/") // package/Entities/collection/name.xml
		entities = append(entities, sourceEntity{part[0], root.Children[0].XMLName.Local, file, root.Children[0].Children[0]})
	}
	return entities
}

func TestEachFileHasOneEntityOfItsNameAndProject(t *testing.T) {
	project := map[string]string{"connection-services": "AzxConnectionServices", "azure-iot": "AzxAzureIot"}
	for _, e := range sourceEntities(t) {
		if want := path.Join(e.pkg, "Entities", e.collection, e.name()+".xml"); e.file != want {
			t.Errorf("%s should be %s", e.file, want)
		}
		if e.attr("projectName") != project[e.pkg] || e.attr("aspect.isExtension") != "true" {
			t.Errorf("%s: it is of project %q, and aspect.isExtension is %q", e.file, e.attr("projectName"), e.attr("aspect.isExtension"))
		}
		sealed := slices.Contains([]string{"DataShapes", "ThingShapes", "ThingTemplates"}, e.collection)
		if singleton := e.collection == "Things"; (sealed || singleton) && singleton != (e.attr("aspect.isEditableExtensionObject") == "true") {
			t.Errorf("%s: Things may be edited, what they are made of may not", e.file)
		}
	}
}

func TestEverythingIsDescribed(t *testing.T) {
	for _, e := range sourceEntities(t) {
		if e.attr("description") == "" {
			t.Errorf("%s: no description", e.file)
		}
		for _, kind := range []string{"FieldDefinition", "PropertyDefinition", "ServiceDefinition", "EventDefinition", "Subscription", "ConfigurationTableDefinition"} {
			for _, n := range e.all(kind) {
				if n.attr("description") == "" {
					t.Errorf("%s: %s %s has no description", e.file, kind, n.attr("name"))
				}
				if slices.Contains([]string{"PropertyDefinition", "ServiceDefinition", "EventDefinition"}, kind) && n.attr("category") == "" {
					t.Errorf("%s: %s %s has no category", e.file, kind, n.attr("name"))
				}
			}
		}
	}
}

func TestWhatIsNamedExists(t *testing.T) {
	known := map[string][]string{ // those of the platform
		"DataShapes":     {"GenericStringList", "ThingStartEvent", "TimerEvent"},
		"ThingShapes":    {"EgressGateway", "MultiBindRemoteThing", "RoutedEgress"},
		"ThingTemplates": {"ConnectionServer", "GenericThing", "RemoteThing", "RemoteThingWithFileTransfer", "Timer"},
		"Users":          {"Administrator"},
	}
	entities := sourceEntities(t)
	for _, e := range entities {
		if slices.Contains(known[e.collection], e.name()) {
			t.Errorf("%s: there are two of its name", e.file)
		}
		known[e.collection] = append(known[e.collection], e.name())
	}
	for _, e := range entities {
		check := func(collection, name string) {
			if name != "" && !slices.Contains(known[collection], name) {
				t.Errorf("%s: %s has no %q", e.file, collection, name)
			}
		}
		for attr, collection := range map[string]string{"baseThingTemplate": "ThingTemplates", "thingTemplate": "ThingTemplates", "projectName": "Projects"} {
			check(collection, e.attr(attr))
		}
		for _, n := range e.all("ImplementedShape") {
			check("ThingShapes", n.attr("name"))
		}
		for _, kind := range []string{"FieldDefinition", "PropertyDefinition", "ResultType", "EventDefinition", "ConfigurationTableDefinition"} {
			for _, n := range e.all(kind) {
				for _, attr := range []string{"dataShape", "dataShapeName", "aspect.dataShape"} {
					check("DataShapes", n.attr(attr))
				}
				check("ThingTemplates", n.attr("aspect.thingTemplate"))
				table := slices.Contains([]string{"INFOTABLE"}, n.attr("baseType"))
				if table && n.attr("aspect.dataShape") == "" {
					t.Errorf("%s: %s %s is a table without a data shape", e.file, kind, n.attr("name"))
				}
			}
		}
		for _, n := range e.all("Subscription") {
			check("Things", n.attr("source"))
		}
		for _, n := range e.all("Member") {
			check(n.attr("type")+"s", n.attr("name"))
		}
	}
}

func TestEachServiceHasItsScriptOrItsBinding(t *testing.T) {
	scripts := map[string]bool{}
	for _, file := range sourceFiles(t, ".js") {
		scripts[file] = true
	}
	entities := sourceEntities(t)
	for _, e := range entities {
		services, bound := e.names("ServiceDefinition"), e.names("RemoteServiceBinding")
		for _, name := range slices.Concat(services, e.names("Subscription")) {
			file := path.Join(e.pkg, "Entities", e.collection, e.name()+"."+name+".js")
			if scripts[file] == slices.Contains(bound, name) {
				t.Errorf("%s: %s needs either a script or a binding", e.file, name)
			}
			delete(scripts, file)
		}
		for _, name := range bound {
			if !slices.Contains(services, name) {
				t.Errorf("%s: there is no service %s to bind", e.file, name)
			}
		}
		properties := e.names("PropertyDefinition")
		for _, other := range entities { // those of the shapes
			if other.collection == "ThingShapes" && slices.Contains(e.names("ImplementedShape"), other.name()) {
				properties = append(properties, other.names("PropertyDefinition")...)
			}
		}
		for _, name := range e.names("RemotePropertyBinding") {
			if !slices.Contains(properties, name) {
				t.Errorf("%s: there is no property %s to bind", e.file, name)
			}
		}
	}
	for file := range scripts {
		t.Errorf("%s is of no service", file)
	}
}

func TestEachMemberIsInTheDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/entities.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range strings.Split(string(text), "\n### ")[1:] {
		head, body, _ := strings.Cut(section, "\n")
		sections[head] = body
	}
	for _, e := range sourceEntities(t) {
		section, ok := sections[strings.TrimSuffix(e.collection, "s")+" `"+e.name()+"`"]
		if !ok {
			t.Errorf("docs/entities.md has no section for %s %s", e.collection, e.name())
		}
		for _, kind := range []string{"FieldDefinition", "PropertyDefinition", "ServiceDefinition", "EventDefinition", "Subscription", "ConfigurationTableDefinition"} {
			for _, name := range e.names(kind) {
				if !strings.Contains(section, "`"+name+"`") {
					t.Errorf("docs/entities.md: %s %s lacks %s", e.collection, e.name(), name)
				}
			}
		}
	}
}
