package entity

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is read to testdata")

// Each document of testdata is read as the file of the same name with .json has it.
func TestDocumentsOfEveryShapeAreReadWhole(t *testing.T) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d documents, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			set, err := Parse(filepath.Base(file), read(t, file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(set, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".xml") + ".json"
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := read(t, golden); string(got) != strings.TrimSpace(string(want)) {
				t.Errorf("read\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t *testing.T, xml string) *Set {
	t.Helper()
	set, err := Parse("f.xml", []byte(xml))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// lineOf is the line of the document on which text stands.
func lineOf(t *testing.T, document []byte, text string) int {
	t.Helper()
	before, _, ok := bytes.Cut(document, []byte(text))
	if !ok {
		t.Fatalf("the document has no %q", text)
	}
	return bytes.Count(before, []byte("\n")) + 1
}

func TestPositionsAreThoseOfTheDocument(t *testing.T) {
	document := read(t, "testdata/minimal.xml")
	set, err := Parse("Entities/ThingTemplates/Device.xml", document)
	if err != nil {
		t.Fatal(err)
	}
	device := set.ThingTemplates[0]
	for name, c := range map[string]struct {
		got  Pos
		text string
	}{
		"a template":                            {device.Pos, `<ThingTemplate name="Device"`},
		"a table's definition":                  {device.Definitions[0].Pos, `<ConfigurationTableDefinition name`},
		"a property":                            {device.Properties[1].Pos, `<PropertyDefinition name="temperature"`},
		"a service":                             {device.Services[1].Pos, `<ServiceDefinition name="GetDeviceSettings"`},
		"a service's result":                    {device.Services[1].Result.Pos, `<ResultType name="result" baseType="INFOTABLE"`},
		"a parameter":                           {device.Services[0].Parameters[0].Pos, `<FieldDefinition name="delaySeconds"`},
		"code, where its first character is":    {device.Services[1].CodePos, `var result`},
		"code that begins on its element's row": {device.Subscriptions[0].CodePos, `me.TwinChanged`},
		"an event":                              {device.Events[0].Pos, `<EventDefinition `},
		"a remote property":                     {device.RemoteProperties[1].Pos, `<RemotePropertyBinding name="twinReported"`},
		"a remote service":                      {device.RemoteServices[0].Pos, `<RemoteServiceBinding `},
	} {
		t.Run(name, func(t *testing.T) {
			want := Pos{"Entities/ThingTemplates/Device.xml", lineOf(t, document, c.text)}
			if c.got != want {
				t.Errorf("is at %s, want %s", c.got, want)
			}
		})
	}
}

func TestWhatARealPlatformPassesOverIsNamed(t *testing.T) {
	document := read(t, "testdata/full-export.xml")
	set, err := Parse("all.xml", document)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, at string }{
		{`the implementation of service "Inherited" stands there without its definition`, `name="Inherited"`},
		{`the value of column "document" in table "HubSettings" is JSON without <json> around it, and becomes an empty object`, `<document><![CDATA[{"lost"`},
		{`the value of column "pairs" in table "HubSettings" is an INFOTABLE without <infoTable> around it`, `<pairs>lost`},
		{`<Subscription> "Lost" stands outside of <ThingShape>`, `<Subscription name="Lost"`},
	} {
		want := Dropped{Pos{"all.xml", lineOf(t, document, c.at)}, "Things/Plant1Hub", c.what}
		found := false
		for _, d := range set.Dropped {
			found = found || d == want
		}
		if !found {
			t.Errorf("%+v is not among %+v", want, set.Dropped)
		}
	}
	if len(set.Dropped) != 4 {
		t.Errorf("%d things are dropped", len(set.Dropped))
	}
}

func TestDocumentsThatAreNoneAreRefusedWithTheLine(t *testing.T) {
	in := func(collection, element string) string {
		return "<Entities>\n<" + collection + ">\n" + element + "\n</" + collection + ">\n</Entities>"
	}
	for name, c := range map[string]struct{ xml, want string }{
		"nothing":                   {"", "f.xml:1: the document is empty"},
		"only blanks":               {" \n ", "f.xml:1: the document is empty"},
		"text":                      {"hello", "f.xml:1: text stands outside of the document"},
		"another root":              {"<Thing/>", "f.xml:1: the document is <Thing>, and one of entities is <Entities>"},
		"two roots":                 {"<Entities/>\n<Entities/>", "f.xml:2: <Entities> stands behind the end of the document"},
		"an element left open":      {"<Entities>\n<Things>\n", "f.xml:3: not XML: unexpected EOF"},
		"an element closed wrongly": {"<Entities>\n<Things></Thing></Entities>", "f.xml:2: not XML: element <Things> closed by </Thing>"},
		"an unknown character":      {"<Entities>&nbsp;</Entities>", "f.xml:1: not XML: invalid character entity &nbsp;"},
		"another encoding":          {`<?xml version="1.0" encoding="UTF-16"?><Entities/>`, `f.xml:1: not XML: encoding "UTF-16" declared but Decoder.CharsetReader is nil`},
		"a document type":           {"\n<!DOCTYPE Entities [<!ENTITY a \"b\">]><Entities/>", "f.xml:2: <!DOCTYPE is not accepted: entities need no document type"},
		"an attribute twice":        {in("Things", `<Thing name="a" name="b"/>`), "f.xml:3: <Thing> has the attribute name twice"},
		"too deep":                  {strings.Repeat("<Entities>\n", 65), "f.xml:65: elements are nested deeper than 64"},
		"too large":                 {strings.Repeat(" ", MaxBytes+1), "f.xml:1: the document has 33554433 bytes, and 33554432 at most are read"},
		"too many elements":         {"<Entities>" + strings.Repeat("<a/>", maxElements), "f.xml:1: more than 200000 elements and attributes"},
		"an entity of another kind": {in("Things", `<Template name="a"/>`), "f.xml:3: <Things> holds <Template>, expected <Thing>"},
		"an entity without a name":  {in("DataShapes", `<DataShape name=" "/>`), "f.xml:3: a <DataShape> has no name"},
		"neither true nor false":    {in("Things", `<Thing name="a" enabled="yes"/>`), `f.xml:3: enabled is "yes", expected true or false`},
		"no number":                 {in("DataShapes", `<DataShape name="a"><FieldDefinitions><FieldDefinition ordinal="x"/></FieldDefinitions></DataShape>`), `f.xml:3: ordinal is "x", expected a number`},
		"a number out of range":     {in("DataShapes", `<DataShape name="a"><FieldDefinitions><FieldDefinition ordinal="NaN"/></FieldDefinitions></DataShape>`), `f.xml:3: ordinal is "NaN", expected a number`},
		"a dependency without a version": {in("ExtensionPackages", `<ExtensionPackage name="a" dependsOn="b"/>`),
			`f.xml:3: dependsOn has "b", expected Name:version, several with commas between them`},
		"a result with a field inside": {in("ThingShapes", "<ThingShape name=\"a\"><ServiceDefinitions><ServiceDefinition name=\"S\"><ResultType>\n<FieldDefinition/></ResultType></ServiceDefinition></ServiceDefinitions></ThingShape>"),
			`f.xml:4: <ResultType> of service "S" holds a <FieldDefinition>: name and baseType are its own attributes`},
		"two implementations": {in("ThingShapes", "<ThingShape name=\"a\"><ServiceImplementations><ServiceImplementation name=\"S\"/>\n<ServiceImplementation name=\"S\"/></ServiceImplementations></ThingShape>"),
			`f.xml:4: service "S" has two implementations`},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Parse("f.xml", []byte(c.xml))
			var syntax *SyntaxError
			if set != nil || !errors.As(err, &syntax) || syntax.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestABlankInFrontAndAByteOrderMarkAreTaken(t *testing.T) {
	if set := parse(t, "\ufeff<?xml version=\"1.0\"?>\n<Entities><Things><Thing name=\"a\"/></Things></Entities>\n\n"); len(set.Things) != 1 {
		t.Errorf("read %+v", set)
	}
}

func TestMergingKeepsTheOrderAndEverything(t *testing.T) {
	all := &Set{}
	for _, file := range []string{"testdata/kinds.xml", "testdata/full-export.xml", "testdata/minimal.xml", "testdata/metadata.xml"} {
		set, err := Parse(file, read(t, file))
		if err != nil {
			t.Fatal(err)
		}
		all.Merge(set)
	}
	counts := []int{len(all.Packages), len(all.Projects), len(all.DataShapes), len(all.ThingShapes), len(all.ThingTemplates),
		len(all.Things), len(all.Groups), len(all.Organizations), len(all.Users), len(all.Documents), len(all.Dropped)}
	want := []int{1, 1, 1, 1, 1, 2, 3, 1, 2, 3, 4}
	for i := range want {
		if counts[i] != want[i] {
			t.Errorf("got %v, want %v", counts, want)
			break
		}
	}
	if all.Things[0].Name != "Bare" || all.Things[1].Name != "Plant1Hub" {
		t.Error("the order is lost")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{ // short ones, so that the fuzzer can make them shorter in no time
		`<Entities><Things><Thing name="a" enabled="true"><ThingShape><Subscriptions><Subscription name="s"/></Subscriptions></ThingShape><Subscriptions><Subscription/></Subscriptions></Thing></Things></Entities>`,
		`<Entities><ThingShapes><ThingShape name="a"><ServiceDefinitions><ServiceDefinition name="S"><ResultType baseType="JSON"/></ServiceDefinition></ServiceDefinitions></ThingShape></ThingShapes></Entities>`,
		`<Entities><ThingTemplates><ThingTemplate name="a"><ConfigurationTables><ConfigurationTable><Rows><Row><a><json>{}</json></a></Row></Rows></ConfigurationTable></ConfigurationTables></ThingTemplate></ThingTemplates></Entities>`,
		"<?xml version=\"1.0\"?>\r\n<Entities><Mashups><Mashup name=\"m\"><![CDATA[\n{} ]]></Mashup></Mashups></Entities>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		set, err := Parse("f", document)
		lines := bytes.Count(document, []byte("\n")) + bytes.Count(document, []byte("\r")) + 1
		var syntax *SyntaxError
		if errors.As(err, &syntax) {
			if set != nil || syntax.Pos.Line < 1 || syntax.Pos.Line > lines || syntax.Reason == "" {
				t.Fatalf("%v in a document of %d lines", err, lines)
			}
			return
		}
		if err != nil {
			t.Fatalf("an error of another type: %v", err)
		}
		for _, thing := range set.Things {
			if thing.Pos.Line < 1 || thing.Pos.Line > lines || thing.Name == "" {
				t.Fatalf("%q at line %d of %d", thing.Name, thing.Pos.Line, lines)
			}
		}
		for _, d := range set.Documents {
			if _, err := Parse("f", []byte("<Entities><"+d.Collection+">"+d.XML+"</"+d.Collection+"></Entities>")); err != nil && !known(d.Collection) {
				t.Fatalf("a document that was cut out is broken: %v\n%s", err, d.XML)
			}
		}
	})
}

func known(collection string) bool { return strings.ContainsAny(collection, ": ") }
