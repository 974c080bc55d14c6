package config

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// structural matches what the decoder says of a file whose structure is wrong: unknown keys, other kinds of values, values
// that are not among the choices, and needed keys that are not there.
var structural = regexp.MustCompile(`unknown key|want .*, got (keys|a list|a number|true|a date|text)|: is empty|is not valid here|(hubs|urls|appKey|file|dir|thing): missing`)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("azx.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("azx.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// instance is a YAML file as JSON, the way editors read it; false if it is not YAML.
func instance(t *testing.T, path string) (any, bool) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if yaml.Unmarshal(text, &doc) != nil {
		return nil, false
	}
	if len(doc.Content) == 0 {
		return nil, true
	}
	return plain(doc.Content[0]), true
}

func plain(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		all := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			all[n.Content[i].Value] = plain(n.Content[i+1])
		}
		return all
	case yaml.SequenceNode:
		all := []any{}
		for _, item := range n.Content {
			all = append(all, plain(item))
		}
		return all
	case yaml.AliasNode:
		return plain(n.Alias)
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!int", "!!float":
		return json.Number(n.Value)
	case "!!bool":
		b, _ := strconv.ParseBool(n.Value)
		return b
	}
	return n.Value
}

func TestTheSchemaTakesEveryGoodFile(t *testing.T) {
	schema := compiled(t)
	for _, file := range append(glob(t, "testdata/*.good.yaml"), "testdata/init.golden.yaml") {
		if doc, ok := instance(t, file); !ok {
			t.Errorf("%s is not YAML", file)
		} else if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestTheSchemaRefusesWhatIsWrongInStructure(t *testing.T) {
	schema := compiled(t)
	refused := 0
	for _, file := range glob(t, "testdata/*.bad.yaml") {
		doc, ok := instance(t, file)
		if !ok {
			continue // every editor says so
		}
		said, err := os.ReadFile(strings.TrimSuffix(file, "yaml") + "txt")
		if err != nil {
			t.Fatal(err)
		}
		err = schema.Validate(doc)
		if err != nil {
			refused++
		} else if structural.Match(said) {
			t.Errorf("the schema takes %s, of which the decoder says\n%s", file, said)
		}
	}
	if refused < 30 {
		t.Errorf("only %d files are refused", refused)
	}
}

func TestTheSchemaDescribesEveryKey(t *testing.T) {
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range allKeys() {
		quoted, _ := json.Marshal(strings.ReplaceAll(k.about, "`", ""))
		if !strings.Contains(string(text), strings.Trim(string(quoted), `"`)) {
			t.Errorf("%s: %q is not in the schema", k.path, k.about)
		}
	}
	if strings.Contains(string(text), "/root") || strings.Contains(string(text), defaultName()) {
		t.Error("the schema has something of this machine")
	}
}

// The list of keys and the types go together: the decoder takes no other, and each is described once.
func TestTheListOfKeysHasEveryKeyOnce(t *testing.T) {
	cfg := defaults()
	cfg.Hubs = make([]Hub, 1)
	var have []string
	eachKey(reflect.ValueOf(cfg).Elem(), "", func(path string, v reflect.Value) { have = append(have, keyPath(path)) })
	var listed []string
	for _, k := range allKeys() {
		listed = append(listed, k.path)
		if k.about == "" || k.want == "" != (k.low == 0 && k.high == 0) {
			t.Errorf("%s is not described", k.path)
		}
		if v, ok := defaultAt(k.path); k.otherwise == "" && (!ok || v == "") {
			t.Errorf("%s: nothing says what happens without it", k.path)
		}
	}
	slices.Sort(have)
	slices.Sort(listed)
	if !slices.Equal(have, listed) {
		t.Errorf("the types have  %q\nthe list has    %q", have, listed)
	}
}

// The tables of docs/configuration.md are written by this test with -update.
func TestTheTablesOfTheDocumentAreThoseOfTheKeys(t *testing.T) {
	const file = "../../docs/configuration.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	made := regexp.MustCompile(`(?s)<!-- keys: (\w+) -->\n.*?<!-- end -->`).ReplaceAllStringFunc(string(text), func(block string) string {
		found++
		head, _, _ := strings.Cut(block, "\n")
		return head + "\n" + Table(strings.Fields(head)[2]) + "<!-- end -->"
	})
	if found != 3 {
		t.Errorf("found %d tables", found)
	}
	if *update {
		put(t, file, made)
	} else if made != string(text) {
		t.Errorf("the tables are not those of the keys: go test ./internal/config -run TheTables -update")
	}
}
