package extension

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"azx/extension/entity"
)

const metadata = `<Entities><ExtensionPackages><ExtensionPackage name="plant" packageVersion="0.2.0" minimumThingWorxVersion="9.3.0" dependsOn=""/></ExtensionPackages></Entities>`

// pump is a template that has every kind of place for a body.
const pump = `<Entities>
  <ThingTemplates>
    <ThingTemplate name="Pump" baseThingTemplate="RemoteThing" description="A pump &amp; its motor">
      <ThingShape>
        <ServiceDefinitions>
          <ServiceDefinition name="Check"><ResultType name="result" baseType="STRING"/></ServiceDefinition>
          <ServiceDefinition name="Reset"><ResultType name="result" baseType="NOTHING"/></ServiceDefinition>
          <ServiceDefinition name="Restart"><ResultType name="result" baseType="JSON"/></ServiceDefinition>
        </ServiceDefinitions>
        <Subscriptions>
          <Subscription name="Started" eventName="ThingStart" enabled="true" sourceType="Thing" source=""/>
          <Subscription name="Changed" eventName="DataChange" enabled="true" sourceType="Thing" source="" sourceProperty="a">
          </Subscription>
        </Subscriptions>
      </ThingShape>
      <RemoteServiceBindings><RemoteServiceBinding name="Restart" sourceName="restart"/></RemoteServiceBindings>
    </ThingTemplate>
  </ThingTemplates>
</Entities>
`

// tree is a source tree of the files, in which a name that is not there gets its default.
func tree(files map[string]string) fstest.MapFS {
	all := fstest.MapFS{"metadata.xml": {Data: []byte(metadata)}}
	for name, text := range files {
		if text == "" {
			delete(all, name)
			continue
		}
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

func pumpTree(more map[string]string) fstest.MapFS {
	files := map[string]string{
		"Entities/ThingTemplates/Pump.xml":        pump,
		"Entities/ThingTemplates/Pump.Check.js":   "// says that it is there\nvar result = \"ok ]]> yes\";\n",
		"Entities/ThingTemplates/Pump.Reset.js":   "me.a = 0;\n",
		"Entities/ThingTemplates/Pump.Started.js": "me.Check();\n",
		"Entities/ThingTemplates/Pump.Changed.js": "me.Reset();\n",
	}
	for name, text := range more {
		files[name] = text
	}
	return tree(files)
}

func TestBodiesAreInTheirPlacesAndTheRestIsAsItWas(t *testing.T) {
	source, err := Read(pumpTree(nil))
	if err != nil {
		t.Fatal(err)
	}
	template := source.Set.ThingTemplates[0]
	for name, want := range map[string]string{"Check": "// says that it is there\nvar result = \"ok ]]> yes\";", "Reset": "me.a = 0;", "Restart": ""} {
		i := slices.IndexFunc(template.Services, func(s entity.Service) bool { return s.Name == name })
		if template.Services[i].Code != want {
			t.Errorf("service %s has the body %q, want %q", name, template.Services[i].Code, want)
		}
	}
	if template.Subscriptions[0].Code != "me.Check();" || template.Subscriptions[1].Code != "me.Reset();" {
		t.Errorf("the subscriptions are %+v", template.Subscriptions)
	}
	built := string(source.Files[slices.IndexFunc(source.Files, func(f File) bool { return f.Name == "Entities/ThingTemplates/Pump.xml" })].Data)
	rest := built
	for line := range strings.Lines(pump) { // every line is there, in its order; two tags lost their end
		line = strings.TrimSuffix(strings.TrimSpace(line), "/>")
		_, after, ok := strings.Cut(rest, line)
		if !ok {
			t.Fatalf("%q is not where it was in\n%s", line, built)
		}
		rest = after
	}
	if !strings.Contains(built, "\n          <ServiceImplementation name=\"Check\" handlerName=\"Script\" description=\"\">\n") {
		t.Errorf("the lines have another indent\n%s", built)
	}
}

func TestAnEmptyAndAFilledListOfImplementationsTakeMore(t *testing.T) {
	for name, list := range map[string]string{
		"closed at once": "<ServiceImplementations />",
		"empty":          "<ServiceImplementations></ServiceImplementations>",
		"with one": `<ServiceImplementations><ServiceImplementation name="There" handlerName="Script"><ConfigurationTables><ConfigurationTable name="Script">` +
			`<Rows><Row><code>var result = 1;</code></Row></Rows></ConfigurationTable></ConfigurationTables></ServiceImplementation></ServiceImplementations>`,
		"in front of the definitions": "",
	} {
		t.Run(name, func(t *testing.T) {
			definitions := `<ServiceDefinitions><ServiceDefinition name="Here"/><ServiceDefinition name="There"/></ServiceDefinitions>`
			if !strings.Contains(list, "There") {
				definitions = `<ServiceDefinitions><ServiceDefinition name="Here"/></ServiceDefinitions>`
			}
			content := definitions + list
			if list == "" {
				content = "<ServiceImplementations/>" + definitions
			}
			source, err := Read(tree(map[string]string{
				"Entities/ThingShapes/S.xml":     `<Entities><ThingShapes><ThingShape name="S">` + content + `</ThingShape></ThingShapes></Entities>`,
				"Entities/ThingShapes/S.Here.js": "me.x = 2;",
			}))
			if err != nil {
				t.Fatal(err)
			}
			if code := source.Set.ThingShapes[0].Services[0].Code; code != "me.x = 2;" {
				t.Errorf("the body is %q", code)
			}
		})
	}
}

func TestSourcesThatAreWrongAreRefusedWithTheirPlace(t *testing.T) {
	shape := func(content string) string {
		return "<Entities>\n<ThingShapes>\n<ThingShape name=\"S\">\n" + content + "</ThingShape></ThingShapes></Entities>"
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no metadata":       {map[string]string{"metadata.xml": ""}, "metadata.xml:1: the document is empty"},
		"two packages":      {map[string]string{"metadata.xml": `<Entities><ExtensionPackages><ExtensionPackage name="a"/><ExtensionPackage name="b"/></ExtensionPackages></Entities>`}, "metadata.xml: has 2 packages, expected one"},
		"a jar":             {map[string]string{"metadata.xml": `<Entities><ExtensionPackages><ExtensionPackage name="a"><JarResources><FileResource file="a.jar"/></JarResources></ExtensionPackage></ExtensionPackages></Entities>`}, "metadata.xml:1: names jars"},
		"a stray file":      {map[string]string{"Entities/notes.txt": "x"}, "Entities/notes.txt: is neither metadata.xml nor"},
		"no body":           {map[string]string{"Entities/ThingTemplates/Pump.Reset.js": ""}, `Entities/ThingTemplates/Pump.xml:7: service "Reset" has no body; write it into Entities/ThingTemplates/Pump.Reset.js`},
		"no subscription's": {map[string]string{"Entities/ThingTemplates/Pump.Started.js": ""}, `Entities/ThingTemplates/Pump.xml:11: subscription "Started" has no body`},
		"a body too many":   {map[string]string{"Entities/ThingTemplates/Pump.Chek.js": "me.a = 1;"}, "Entities/ThingTemplates/Pump.Chek.js: no entity next to it has a service or a subscription without a body of that name"},
		"of a remote service": {map[string]string{"Entities/ThingTemplates/Pump.Restart.js": "var result = {};"},
			"Entities/ThingTemplates/Pump.Restart.js: no entity next to it"},
		"broken XML":    {map[string]string{"Entities/Things/A.xml": "<Entities>\n<Things>"}, "Entities/Things/A.xml:2: not XML: unexpected EOF"},
		"another name":  {map[string]string{"Entities/Things/A.xml": `<Entities><Things><Thing name="B"/></Things></Entities>`}, "Entities/Things/A.xml: holds Things/B, expected the one entity that it is named after"},
		"two entities":  {map[string]string{"Entities/Things/A.xml": `<Entities><Things><Thing name="A"/><Thing name="B"/></Things></Entities>`}, "Entities/Things/A.xml: holds Things/A, Things/B, expected"},
		"what is lost":  {map[string]string{"Entities/Things/A.xml": "<Entities><Things><Thing name=\"A\"><Subscriptions>\n<Subscription name=\"x\"/></Subscriptions></Thing></Things></Entities>"}, `Entities/Things/A.xml:2: Things/A: <Subscription> "x" stands outside of <ThingShape>, which a platform drops`},
		"a bad script":  {map[string]string{"Entities/ThingTemplates/Pump.Reset.js": "var a = 1;\nvar b = ;"}, "Entities/ThingTemplates/Pump.Reset.js:2: Unexpected token ;"},
		"no characters": {map[string]string{"Entities/ThingTemplates/Pump.Reset.js": "me.a = '\x01';"}, "Entities/ThingTemplates/Pump.xml:28: not XML: illegal character code U+0001"},
		"one name twice": {map[string]string{"Entities/ThingShapes/S.xml": shape(`<ServiceDefinitions><ServiceDefinition name="X"/></ServiceDefinitions><Subscriptions><Subscription name="X"/></Subscriptions>`), "Entities/ThingShapes/S.X.js": "me.a = 1;"},
			`Entities/ThingShapes/S.xml:4: subscription "X" has no body`},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := Read(pumpTree(c.files))
			var problems Problems
			if source != nil || !errors.As(err, &problems) || !strings.Contains("\n"+err.Error(), "\n"+c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestAPackageIsTheSameBytesEachTime(t *testing.T) {
	first, err := Read(pumpTree(nil))
	if err != nil {
		t.Fatal(err)
	}
	second, err := Read(pumpTree(nil))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := first.Zip(), second.Zip(); a.Name != "plant-0.2.0.zip" || a.Name != b.Name || !bytes.Equal(a.Bytes, b.Bytes) {
		t.Error("the same sources gave two zips")
	}
}

func TestAZipHasItsEntriesInOrderAndReadsAsAStream(t *testing.T) {
	source, err := Read(pumpTree(nil))
	if err != nil {
		t.Fatal(err)
	}
	packed := source.Zip().Bytes
	r, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, f := range r.File {
		names = append(names, f.Name)
		body, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body) // checks the sum
		if err != nil || !bytes.Equal(data, source.Files[i].Data) {
			t.Errorf("%s: %v", f.Name, err)
		}
		if f.Flags&8 != 0 {
			t.Errorf("%s has its sizes behind its data", f.Name)
		}
		if f.Modified.Year() != 1980 {
			t.Errorf("%s is of %s", f.Name, f.Modified)
		}
	}
	if want := []string{"metadata.xml", "Entities/ThingTemplates/Pump.xml", "ui/@types/index.d.ts"}; !slices.Equal(names, want) {
		t.Errorf("has %q, want %q", names, want)
	}
}

func TestPackagesOfTwoVersionsAreNotReleasedTogether(t *testing.T) {
	one, err := Read(pumpTree(nil))
	if err != nil {
		t.Fatal(err)
	}
	two := *one
	two.Info.Version = "0.3.0"
	if _, err := bundle(one, &two); err == nil || !strings.Contains(err.Error(), "released together") {
		t.Errorf("got %v", err)
	}
}

func TestTheTwoPackagesBuild(t *testing.T) {
	first, err := Build()
	if err != nil {
		t.Fatal(err)
	}
	second, err := Build()
	if err != nil {
		t.Fatal(err)
	}
	packages, err := Packages()
	if err != nil {
		t.Fatal(err)
	}
	version := packages[0].Info.Version
	for _, z := range [][2]Zip{{first.ConnectionServices, second.ConnectionServices}, {first.AzureIoT, second.AzureIoT}, {first.All, second.All}} {
		if !bytes.Equal(z[0].Bytes, z[1].Bytes) {
			t.Errorf("%s is built in two ways", z[0].Name)
		}
	}
	if first.ConnectionServices.Name != "azx-connection-services-"+version+".zip" || first.AzureIoT.Name != "azx-azure-iot-"+version+".zip" ||
		first.All.Name != "azx-extensions-"+version+".zip" {
		t.Errorf("the names are %s, %s and %s", first.ConnectionServices.Name, first.AzureIoT.Name, first.All.Name)
	}
	for _, p := range packages {
		if p.Info.MinimumVersion != "9.3.0" || !p.Info.HACompatible || len(p.Set.Users) > 0 {
			t.Errorf("%+v", p.Info)
		}
	}
	if depends := packages[1].Info.DependsOn; len(depends) != 1 || depends[0] != (entity.Dependency{Name: "azx-connection-services", Version: version}) {
		t.Errorf("azx-azure-iot depends on %v", depends)
	}
}
