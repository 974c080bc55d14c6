package entity

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := filepath.Glob("../*/Entities/*/*.xml")
	if err != nil || len(ours) == 0 {
		t.Fatalf("%d sources, %v", len(ours), err)
	}
	for _, file := range append(files, ours...) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first, err := Parse(file, data)
			if err != nil {
				t.Fatal(err)
			}
			first.Packages, first.Dropped = nil, nil
			again(t, first)
		})
	}
}

// again writes a set and reads it back.
func again(t *testing.T, first *Set) {
	t.Helper()
	written := first.XML()
	second, err := Parse("written.xml", written)
	if err != nil {
		t.Fatalf("%v\n%s", err, written)
	}
	if a, b := inJSON(t, first), inJSON(t, second); a != b {
		t.Errorf("read\n%s\nwrote\n%s\nand read\n%s", a, written, b)
	}
	if !bytes.Equal(written, second.XML()) {
		t.Error("it is written in two ways")
	}
}

func inJSON(t *testing.T, s *Set) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTextsOfAnyKindAreWritten(t *testing.T) {
	const text = "a ]]> b <c> \"d\" & 'e'\nand a line"
	s := &Set{
		Things: []Thing{{Common: Common{Name: "Öl & <Gas>", Description: text, Aspects: map[string]string{"a": text}}, Template: "T", Enabled: true,
			Members: Members{Services: []Service{{Name: "S", Handler: "Script", Code: text, Result: Field{Name: "result", BaseType: "STRING"}}}},
			Tables:  []Table{{Name: "T", Fields: []Field{{Name: "j", BaseType: "JSON"}, {Name: "s", BaseType: "STRING"}}, Rows: []Row{{"j": `{"a":"]]>"}`, "s": text}, {"j": "", "s": ""}}}}}},
		Organizations: []Organization{{Common: Common{Name: "O"}, Units: []Unit{{Name: `R "1"`}, {Name: "L", Parent: `R "1"`}}}},
	}
	again(t, s)
}

func TestNamesThatXMLDoesNotHaveAreLeftOut(t *testing.T) {
	s := &Set{Things: []Thing{{Common: Common{Name: "a"}, Template: "T", Tables: []Table{{Name: "T", Rows: []Row{{"mod::x": "1", "a b": "2", "ok": "3", "<x>": "4"}}}},
		Values: []Value{{Property: "mod::x", Text: "1"}, {Property: "ok", Text: "2"}}}}}
	read, err := Parse("f", s.XML())
	if err != nil {
		t.Fatal(err)
	}
	if row := read.Things[0].Tables[0].Rows[0]; len(row) != 1 || row["ok"] != "3" || len(read.Things[0].Values) != 1 || strings.Contains(string(s.XML()), "mod::x") {
		t.Errorf("%+v", read.Things[0])
	}
}
