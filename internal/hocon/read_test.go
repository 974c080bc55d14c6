package hocon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"
)

// files is a folder in memory.
type files map[string]string

func (f files) ReadFile(path string) ([]byte, error) {
	text, ok := f[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { text, ok := env[name]; return text, ok }
}

func read(f files, env map[string]string) (*Document, error) {
	return Read("a.conf", Source{ReadFile: f.ReadFile, LookupEnv: lookup(env)})
}

// asJSON writes a value as JSON, so that tests can say what they want in a line.
func asJSON(v *Value) string {
	switch v.Kind {
	case String:
		text, err := json.Marshal(v.Text)
		if err != nil {
			return err.Error()
		}
		return string(text)
	case List:
		var items []string
		for _, item := range v.Items {
			items = append(items, asJSON(item))
		}
		return "[" + strings.Join(items, ",") + "]"
	case Object:
		var fields []string
		for _, f := range v.Fields {
			fields = append(fields, fmt.Sprintf("%s:%s", f.Name, asJSON(f.Value)))
		}
		return "{" + strings.Join(fields, ",") + "}"
	}
	return v.Text
}

func TestADocumentMeansWhatTheSpecificationSays(t *testing.T) {
	env := map[string]string{"HOME": "/root", "EMPTY": ""}
	for name, c := range map[string]struct{ text, want string }{
		"an empty file has no keys":                       {"", `{}`},
		"braces around the file may be left out":          {"a: 1", `{a:1}`},
		"braces around the file may be there":             {" { a: 1 } # end\n", `{a:1}`},
		"JSON is HOCON":                                   {`{"a": {"b": [1, true, null, "x"]}}`, `{a:{b:[1,true,null,"x"]}}`},
		"a byte order mark is white space":                {"\ufeffa = 1", `{a:1}`},
		"lines may end as on Windows":                     {"a = 1\r\nb = x\r\n", `{a:1,b:"x"}`},
		"comments start with # or //":                     {"# x\na = 1 // y\n// z = 2\nb = 2 # c", `{a:1,b:2}`},
		"quotes protect what looks like a comment":        {`a = "x # y // z"`, `{a:"x # y // z"}`},
		"one slash starts no comment":                     {`a = /opt/x`, `{a:"/opt/x"}`},
		"an object needs no separator":                    {"a { b = 1 }", `{a:{b:1}}`},
		"its brace may be in the next line":               {"a\n{ b = 1 }", `{a:{b:1}}`},
		"a value may be in the next line":                 {"a =\n  1", `{a:1}`},
		"a new line stands for a comma":                   {"a = [1\n2\n3]\nb = 2", `{a:[1,2,3],b:2}`},
		"a last comma is ignored":                         {"a = [1, 2,]\nb { c = 1, }", `{a:[1,2],b:{c:1}}`},
		"a comma may be in the next line":                 {"a = [1\n, 2]", `{a:[1,2]}`},
		"the last of several values counts":               {"a = 1\na = 2", `{a:2}`},
		"objects of one key are merged":                   {"a { b = 1, c { d = 1 } }\na { c { e = 2 }, b = 3 }", `{a:{b:3,c:{d:1,e:2}}}`},
		"a value between keeps objects apart":             {"a { b = 1 }\na = null\na { c = 2 }", `{a:{c:2}}`},
		"a dotted key is nested":                          {"a.b.c = 1\na.b { d = 2 }", `{a:{b:{c:1,d:2}}}`},
		"quotes make a dot part of a key":                 {`a."b.c".d = 1`, `{a:{b.c:{d:1}}}`},
		"a key may have white space":                      {"a b c = 1", `{a b c:1}`},
		"a key may be a number":                           {"3.14 = 1", `{3:{14:1}}`},
		"a key may be empty in quotes":                    {`a."".b = 1`, `{a:{:{b:1}}}`},
		"text needs no quotes":                            {"a = some text here  \nb = 10 s", `{a:"some text here",b:"10 s"}`},
		"text may start like a number":                    {"a = 10.0x, b = 1e+5, c = -, d = 1.2.3", `{a:"10.0x",b:1e+5,c:"-",d:"1.2.3"}`},
		"text may start like a boolean":                   {"a = truex, b = true x, c = true", `{a:"truex",b:"true x",c:true}`},
		"escapes are those of JSON":                       {`a = "\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, `{a:"\"\\/\b\f\n\r\té😀"}`},
		"three quotes keep everything":                    {"a = \"\"\"x\n\\u0041 \"y\" \"\"\"", `{a:"x\n\\u0041 \"y\" "}`},
		"quotes before the last three belong to the text": {`a = """x"""""`, `{a:"x\"\""}`},
		"texts in a line are joined with their space":     {`a = x  "y" z`, `{a:"x  y z"}`},
		"lists in a line are joined":                      {"a = [1, 2] [3]", `{a:[1,2,3]}`},
		"objects in a line are merged":                    {"a = { b = 1, d = 1 } { c = 2, b = 3 }", `{a:{b:3,d:1,c:2}}`},
		"a list of lists needs a comma or a line":         {"a = [ [1] [2]\n[3] ]", `{a:[[1,2],[3]]}`},

		"a reference looks ahead":                       {"a = ${b.c}\nb.c = 1\nb.c = 2", `{a:2,b:{c:2}}`},
		"a reference keeps the type":                    {"a = [1]\nb = ${a}\nc = {d = 1}\ne = ${c}", `{a:[1],b:[1],c:{d:1},e:{d:1}}`},
		"a reference in a text is joined":               {`a = ${b} and "${b}"` + "\nb = 1.50", `{a:"1.50 and ${b}",b:1.50}`},
		"an optional reference may lead nowhere":        {"a = 1\na = ${?x}\nb = ${?x}\nc = [${?x}, 2]\nd = ${?x}y\ne = ${?x}${?y}", `{a:1,c:[2],d:"y"}`},
		"it is an empty list among lists":               {"a = ${?x} [1]\nb = ${?x} {c = 1}", `{a:[1],b:{c:1}}`},
		"the environment helps out":                     {"a = ${HOME}/x\nb = ${?EMPTY}\nc = ${?NOPE}", `{a:"/root/x",b:""}`},
		"null in the document hides the environment":    {"HOME = null\na = ${HOME}", `{HOME:null,a:null}`},
		"a reference to itself means what was before":   {"a = x\na = ${a}y\na = ${a}z", `{a:"xyz"}`},
		"an optional one may have nothing before":       {"a = ${?a}foo\nb = ${?b}", `{a:"foo"}`},
		"a list grows by itself":                        {"a = [1]\na = ${a} [2]", `{a:[1,2]}`},
		"an object inherits":                            {"base { x = 1, y = 1 }\na = ${base} { y = 2 }\nbase.z = 3", `{base:{x:1,y:1,z:3},a:{x:1,y:2,z:3}}`},
		"+= appends":                                    {"a += 1\na += 2\nb = [0]\nb += ${a}", `{a:[1,2],b:[0,[1,2]]}`},
		"+= appends to what a reference gave":           {"a = ${b}\na += 2\nb = [1]", `{a:[1,2],b:[1]}`},
		"+= works in an object in a list":               {"a = [{ b += 1 }]", `{a:[{b:[1]}]}`},
		"what is hidden is not worked out":              {"a = ${nope}\na = 42\nb = ${b}\nb = 1", `{a:42,b:1}`},
		"a reference below its own path looks back":     {"a { b { c = 1 } }\na = ${a.b}\na { b = 2 }", `{a:{b:2,c:1}}`},
		"an object may refer to its own fields":         {"a { b = 42, c = ${a.b} }\na { b = 43 }", `{a:{b:43,c:43}}`},
		"so may one that inherits":                      {"base { x = 1 }\na = ${base} { y = ${a.x} }", `{base:{x:1},a:{x:1,y:1}}`},
		"objects may refer to each other":               {"a { b = ${c.e}, d = 1 }\na.d = 3\nc { f = ${a.d}, e = 2 }\nc.e = 4", `{a:{b:4,d:3},c:{f:3,e:4}}`},
		"a reference has one value":                     {"a = 1\nb = 2\na = ${b}\nb = ${a}", `{a:1,b:1}`},
		"a reference inside an object that is replaced": {"a { b = ${a.c} }\na { b = 1, c = 2 }", `{a:{b:1,c:2}}`},
		"white space in a reference does not count":     {"a = ${ b . c }x\n\"b \".\" c\" = 1", `{a:"1x",b :{ c:1}}`},

		"include is a word elsewhere": {"a include = 1\nb = include\n\"include\" = 2", `{a include:1,b:"include",include:2}`},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := read(files{"a.conf": c.text}, env)
			if err != nil {
				t.Fatal(err)
			}
			if got := asJSON(doc.Root); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestIncludesBecomePartOfTheDocument(t *testing.T) {
	for name, c := range map[string]struct {
		files   files
		want    string
		missing string
	}{
		"at its place": {files{"a.conf": "x = 1\ninclude \"b.conf\"\ny = 3", "b.conf": "x = 2\ny = 2"}, `{x:2,y:3}`, ""},
		"in an object, with references to its own keys first": {files{"a.conf": "a { include \"b.conf\" }\na.x = 42\nz = 1",
			"b.conf": "x = 10, y = ${x}, w = ${z}"}, `{a:{x:42,y:42,w:1},z:1}`, ""},
		"from the folder of the including file": {files{"a.conf": `include "sub/b.conf"`, "sub/b.conf": `include file("c.conf")`,
			"sub/c.conf": "c = 1"}, `{c:1}`, ""},
		"by an absolute path":    {files{"a.conf": `include file("/etc/b.conf")`, "/etc/b.conf": "b = 1"}, `{b:1}`, ""},
		"without its extension":  {files{"a.conf": `include "b"`, "b.json": `{"x": 1, "y": 1}`, "b.conf": "y = 2"}, `{x:1,y:2}`, ""},
		"twice":                  {files{"a.conf": "a { include \"b.conf\" }, c { include \"b.conf\" }", "b.conf": "x += 1"}, `{a:{x:[1]},c:{x:[1]}}`, ""},
		"+= goes on":             {files{"a.conf": "a { x = [0], include \"b.conf\" }", "b.conf": "x += 1"}, `{a:{x:[0,1]}}`, ""},
		"or are ignored":         {files{"a.conf": "x = 1, include \"nope.conf\"\ninclude file(\"no\")"}, `{x:1}`, "a.conf:1:8 nope.conf a.conf:2:1 no"},
		"required, if there":     {files{"a.conf": "include required( file( \"b.conf\" ) )", "b.conf": "{ b = 1 }"}, `{b:1}`, ""},
		"with space and lines":   {files{"a.conf": "include\n  \"b.conf\" # x\n", "b.conf": ""}, `{}`, ""},
		"of included objects":    {files{"a.conf": "a { include \"b\" }", "b.conf": "c { include \"d\" }\nv = 1", "d.conf": "e = ${v}"}, `{a:{c:{e:1},v:1}}`, ""},
		"a name like C:x is one": {files{"a.conf": `include "C:/x.conf"`}, `{}`, "a.conf:1:1 C:/x.conf"},
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := read(c.files, nil)
			if err != nil {
				t.Fatal(err)
			}
			var missing []string
			for _, m := range doc.Missing {
				missing = append(missing, m.At.String()+" "+m.Name)
			}
			if got := asJSON(doc.Root); got != c.want || strings.Join(missing, " ") != c.missing {
				t.Errorf("got  %s\nwant %s\nmissing %s", got, c.want, missing)
			}
		})
	}
}

func TestWhatIsWrongIsToldWithItsPlace(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a list":                        {"[1]", "a.conf:1:1: is a list"},
		"a brace that is not opened":    {"a = 1\n}", "a.conf:2:1: '}' closes nothing"},
		"a brace that is not closed":    {"x { a = 1\n", "a.conf:1:3: the brace is not closed"},
		"text behind the document":      {"{ a = 1 }\nb", "a.conf:2:1: 'b' behind the closing brace"},
		"a bracket that is not closed":  {"a = [1\n", "a.conf:1:5: the bracket is not closed"},
		"a bracket closed by a brace":   {"a = [1}", `a.conf:1:7: want a comma or a new line, got '}'`},
		"two commas":                    {"a = [1,,2]", "a.conf:1:8: a comma with nothing before it"},
		"two last commas":               {"a = [1,2,,]", "a.conf:1:10: a comma with nothing before it"},
		"a first comma":                 {"{, a = 1}", "a.conf:1:2: a comma with nothing before it"},
		"a key alone":                   {"a\nb = 1", `a.conf:2:1: want = or : behind a key, got 'b'`},
		"no value":                      {"a = \n}", "a.conf:2:1: no value"},
		"no value before a comma":       {"a = , b = 1", `a.conf:1:5: no value; an empty text is written ""`},
		"an empty name":                 {"a..b = 1", "a.conf:1:1: an empty name in a path"},
		"a name that is missing":        {".a = 1", "a.conf:1:1: an empty name in a path"},
		"a dot at the end":              {"a. = 1", "a.conf:1:1: an empty name in a path"},
		"a URL without quotes":          {"a = ws://x", `a.conf:1:7: want a value, got ':'; a text with ':' needs double quotes`},
		"a plus in a text":              {"a = 1+2", "a.conf:1:6: want a value, got '+'"},
		"a reserved character":          {"a = x@y", "a.conf:1:6: want a value, got '@'"},
		"a reference in a key":          {"${a} = 1", "a.conf:1:1: want a key, got '$'"},
		"quotes that are not closed":    {"a = \"x\nb = 1", "a.conf:1:5: the quotes are not closed in this line"},
		"three quotes left open":        {"a = \"\"\"x\n\n", "a.conf:1:5: the three quotes are not closed"},
		"a tab in quotes":               {"a = \"x\ty\"", "a.conf:1:7: a control character in quotes"},
		"an unknown escape":             {`a = "C:\dir"`, "a.conf:1:8: an escape that does not exist"},
		"an escape cut short":           {`a = "\u12"`, `a.conf:1:6: \u needs four hexadecimal digits`},
		"half a pair":                   {`a = "\ud83d"`, `a.conf:1:6: half of a pair`},
		"half a pair and another":       {`a = "\ud83d\u0041"`, `a.conf:1:6: half of a pair`},
		"a dollar":                      {"a = $b", "a.conf:1:5: a $ that starts no reference"},
		"a reference left open":         {"a = ${b", "a.conf:1:5: the reference is not closed"},
		"an empty reference":            {"a = ${}", "a.conf:1:7: want a key, got '}'"},
		"space before a question mark":  {"a = ${ ?b}", "a.conf:1:8: want a key, got '?'"},
		"a reference to nothing":        {"x = 1\na = ${b.c}", "a.conf:2:5: ${b.c} is neither in the document nor in the environment"},
		"a reference through a text":    {"x = 1\na = ${x.c}", "a.conf:2:5: ${x.c} is neither"},
		"a value of its own":            {"a = ${a}", "a.conf:1:5: ${a} leads back to itself"},
		"a value of its own, in a text": {"a = ${a}x", "a.conf:1:5: ${a} leads back to itself"},
		"its own value, before another": {"a = ${a}\na { b = 1 }", "a.conf:1:5: ${a} leads back to itself"},
		"a circle":                      {"a = ${b}\nb = ${c}\nc = ${a}", "a.conf:3:5: ${a} leads back to itself"},
		"an object that has itself":     {"a { b = ${a} }", "a.conf:1:9: contains itself"},
		"a list that has itself":        {"a = [${a}]", "a.conf:1:6: contains itself"},
		"text and a list":               {"a = x [1]", "a.conf:1:5: text, a list and an object cannot be joined"},
		"text and an object":            {"a = ${b} x\nb { c = 1 }", "a.conf:1:5: text, a list and an object cannot be joined"},
		"a list and an object":          {"a = [1] {b = 1}", "a.conf:1:5: text, a list and an object cannot be joined"},
		"+= to a text":                  {"a = 1\na += 2", "a.conf:2:1: += needs a list"},
		"no UTF-8":                      {"a = \xff", "a.conf:1:1: is not UTF-8 text"},
		"a zero byte":                   {"a = \x00", "a.conf:1:1: is not UTF-8 text"},

		"a URL":                        {`include "https://example.com/x.conf"`, "a.conf:1:1: an include of a URL"},
		"a URL by its word":            {`include url("file:/x.conf")`, "a.conf:1:1: an include of a URL"},
		"the class path":               {"\ninclude required(classpath(\"x.conf\"))", "a.conf:2:1: an include from the class path"},
		"a required file that is gone": {`include required("gone.conf")`, "a.conf:1:1: the file of a required include is not there: gone.conf"},
		"an include of itself":         {`include "a.conf"`, "a.conf:1:1: an include of a file that includes this one: a.conf"},
		"an include in a list":         {`a = [{ include "b.conf" }]`, "a.conf:1:8: an include inside a list"},
		"properties":                   {`include "p"`, "a.conf:1:1: an include of a .properties file"},
		"a list in an include":         {`include "list.conf"`, "list.conf:1:1: is a list"},
		"a fault in an include":        {`include "fault.conf"`, "fault.conf:2:1: want = or :"},
		"include as a key":             {"include = 1", `a.conf:1:9: want include "name"`},
		"include of a bare name":       {"include b.conf", `a.conf:1:9: want include "name"`},
		"required twice":               {`include required(required("b"))`, `a.conf:1:18: want include "name"`},
		"required within":              {`include file(required("b"))`, `a.conf:1:14: want include "name"`},
		"an include left open":         {`include file("b.conf"`, "a.conf:1:22: want ), got the end of the file"},
		"a second include in a line":   {`include "b.conf" include "b.conf"`, "a.conf:1:18: want a comma or a new line"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(files{"a.conf": c.text, "b.conf": "", "p.properties": "x=1", "list.conf": "[]", "fault.conf": "x\n"}, nil)
			var wrong *Error
			if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestWhatCannotBeReadIsTold(t *testing.T) {
	gone := errors.New("disk is gone")
	broken := func(path string) ([]byte, error) {
		if path == "a.conf" {
			return []byte(`include "b.conf"`), nil
		}
		return nil, gone
	}
	_, err := Read("a.conf", Source{ReadFile: broken, LookupEnv: lookup(nil)})
	if !errors.Is(err, gone) || !strings.HasPrefix(err.Error(), "a.conf:1:1: include: ") {
		t.Errorf("got %v", err)
	}
	if _, err := read(files{}, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestASmallDocumentCannotBecomeALargeOne(t *testing.T) {
	var doubling, lists, appends, chain, many, objects strings.Builder
	doubling.WriteString("a0 = xxxxxxxxxxxxxxxx\n")
	lists.WriteString("a0 = [1, 2]\n")
	for i := range 40 {
		fmt.Fprintf(&doubling, "a%d = ${a%d}${a%d}\n", i+1, i, i)
		fmt.Fprintf(&lists, "a%d = [${a%d}, ${a%d}]\n", i+1, i, i)
	}
	for i := range 10000 {
		fmt.Fprintf(&appends, "a += %d\n", i)
		fmt.Fprintf(&chain, "a%d = ${a%d}\n", i, i+1)
		fmt.Fprintf(&many, "a = 1\nb%d = ${a}\n", i)
		fmt.Fprintf(&objects, "o.k%d = 1\na = ${o}\n", i)
	}
	chain.WriteString("a10000 = 1")
	loop := files{"a.conf": `include "b0.conf"`}
	for i := range 100 {
		loop[fmt.Sprintf("b%d.conf", i)] = fmt.Sprintf(`x { include "b%d.conf" }`, i+1)
	}
	wide := files{"a.conf": strings.Repeat("include \"b.conf\"\n", 100), "b.conf": "x = 1"}
	for name, c := range map[string]struct {
		files files
		want  string
	}{
		"text that doubles":     {files{"a.conf": doubling.String()}, "make more than 4 MiB of it"},
		"lists that double":     {files{"a.conf": lists.String()}, "values of it"},
		"many +=":               {files{"a.conf": appends.String()}, "make too much of it"},
		"a chain of references": {files{"a.conf": chain.String()}, "a chain of more than 1000 references"},
		"many layers":           {files{"a.conf": many.String()}, "make too much of it"},
		"many objects":          {files{"a.conf": objects.String()}, "make too much of it"},
		"deep braces":           {files{"a.conf": strings.Repeat("a {", 100000)}, "nested deeper than 64 levels"},
		"deep brackets":         {files{"a.conf": "a = " + strings.Repeat("[", 100000)}, "nested deeper than 64 levels"},
		"a long path":           {files{"a.conf": strings.Repeat("a.", 100000) + "a = 1"}, "a path of more than 64 names"},
		"many values":           {files{"a.conf": "a = [" + strings.Repeat("1,", 100000) + "]"}, "more than 65536 values"},
		"deep includes":         {loop, "one file more than the 64"},
		"many includes":         {wide, "one file more than the 64"},
		"a large file":          {files{"a.conf": strings.Repeat(" ", MaxFile+1)}, "is larger than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := read(c.files, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestValuesKnowWhereTheyAreFrom(t *testing.T) {
	doc, err := read(files{"a.conf": "a = 1\nb.c = 2\nb { c = ${KEY} }\ninclude \"d.conf\"", "d.conf": "\n  d = ${KEY}x"}, map[string]string{"KEY": "k"})
	if err != nil {
		t.Fatal(err)
	}
	c, d := doc.Root.Fields[1].Value.Fields[0], doc.Root.Fields[2]
	if c.At.String() != "a.conf:3:5" || c.Value.At.String() != "a.conf:3:9" || c.Value.Env != "KEY" || c.Value.Text != "k" {
		t.Errorf("c: %+v %+v", c, c.Value)
	}
	if d.At.String() != "d.conf:2:3" || d.Value.Env != "" || d.Value.Text != "kx" {
		t.Errorf("d: %+v %+v", d, d.Value)
	}
}

func TestValuesHaveUnits(t *testing.T) {
	for text, want := range map[string]string{
		"10": "10ms", `" 10 s "`: "10s", "2 minutes": "2m0s", "1.5h": "1h30m0s", "3us": "3µs", "7d": "168h0m0s", "-5s": "-5s",
		"10 S": "an unknown unit", "x": "not a number with a unit", "true": "not a number with a unit", "300000d": "too large",
		`""`: "not a number with a unit", "[1]": "not a number with a unit", "NaN": "not a number with a unit",
	} {
		if got := unit(t, text, func(v *Value) (any, error) { return v.Duration() }); got != want {
			t.Errorf("duration %s: got %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"10": "10", "64k": "65536", "64 kB": "64000", "1 MiB": "1048576", "0.5G": "536870912", "8388608T": "too large", "1 KB": "an unknown unit",
	} {
		if got := unit(t, text, func(v *Value) (any, error) { return v.Bytes() }); got != want {
			t.Errorf("size %s: got %s, want %s", text, got, want)
		}
	}
}

func unit(t *testing.T, text string, get func(*Value) (any, error)) string {
	t.Helper()
	doc, err := read(files{"a.conf": "a = " + text}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := get(doc.Root.Fields[0].Value)
	if err != nil {
		return err.Error()
	}
	if d, ok := got.(time.Duration); ok {
		return d.String()
	}
	return fmt.Sprint(got)
}

func TestAnObjectWithNumbersIsAList(t *testing.T) {
	for text, want := range map[string]string{
		"a.10 = x, a.2 = y, a.b = z": `"y" "x"`, "a = [1, 2]": "1 2", "a = []": "", "a = x": "none", "a.b = 1": "none", "a {}": "none",
	} {
		doc, err := read(files{"a.conf": text}, nil)
		if err != nil {
			t.Fatal(err)
		}
		items, ok := doc.Root.Fields[0].Value.Elements()
		var all []string
		for _, item := range items {
			all = append(all, asJSON(item))
		}
		if !ok {
			all = []string{"none"}
		}
		if got := strings.Join(all, " "); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
