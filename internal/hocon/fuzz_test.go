package hocon

import (
	"errors"
	"strings"
	"testing"
)

// Whatever the files say: no panic, an end, and either a document within the limits or an error that says where.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"a { b = ${x.y} 1, c += [2] } // d\nx.y = \"z\"", `include required(file("b.conf"))`, "a = \"\"\"x\"\"\"\"\na = ${?a}${HOME}",
		"a : [1, 2,] [3]\nb = ${a} { c = null }", "{\"a\\u0041\": -1.5e+3}", "a { include \"b\" }\na.b = ${a}", "a=${b}\nb=${a}",
	} {
		f.Add(text, "x = ${a.b} \ny += 1")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		doc, err := read(files{"a.conf": first, "b.conf": second}, map[string]string{"HOME": "/root"})
		if err == nil {
			checkTree(t, doc.Root, 0)
			return
		}
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.At.Line < 1 || wrong.At.Column < 1 || wrong.What == "" || len(err.Error()) > 1024+len(first)+len(second) {
			t.Errorf("an error that does not help: %v", err)
		}
	})
}

func checkTree(t *testing.T, v *Value, depth int) int {
	t.Helper()
	count := 1
	for _, item := range v.Items {
		count += checkTree(t, item, depth+1)
	}
	for _, field := range v.Fields {
		count += checkTree(t, field.Value, depth+1)
	}
	simple := v.Kind != List && v.Kind != Object
	if depth > 2*maxNested+1 || count > maxNodes || simple && count > 1 || !strings.HasSuffix(v.At.File, ".conf") {
		t.Fatalf("a value that cannot be: %+v", v)
	}
	return count
}
