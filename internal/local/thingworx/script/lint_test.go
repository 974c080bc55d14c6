package script

import (
	"fmt"
	"strings"
	"testing"
)

func TestLint(t *testing.T) {
	for _, c := range []struct{ name, code, want string }{
		{"ES5 is fine", "var a = [1]; function f(x) { return x; } for (var i = 0; i < a.length; i++) { f(a[i]); }\nvar o = {a: 1, get b() { return 2; }}; throw new Error('x');", ""},
		{"code that does not compile", "var", ""},
		{"let and const", "let a = 1;\n  const b = 2;", "1:1 use var instead of let|2:3 use var instead of const"},
		{"let in a loop", "for (let i = 0; i < 3; i++) { }", "1:6 use var instead of let and const"},
		{"arrow functions", "var f = (a) => a;", "1:9 use function instead of an arrow function"},
		{"classes", "class A { }", "1:1 classes are newer than ES5"},
		{"template literals", "var a = `x`;", "1:9 use + instead of a template literal"},
		{"spread", "f(...a);", "1:6 the spread operator is newer than ES5"},
		{"destructuring", "var {a} = b;", "1:5 destructuring is newer than ES5|1:6 write the name and the value of every property"},
		{"for of", "for (var a of b) { }", "1:1 for...of is newer than ES5: loop with an index"},
		{"optional chaining", "var a = b?.c;", "1:9 ?. is newer than ES5"},
		{"default and rest parameters", "function f(a = 1) { }\nfunction g(...a) { }", "1:11 default parameters are newer than ES5|2:11 rest parameters are newer than ES5"},
		{"powers", "var a = 2 ** 3;", "1:9 ** is newer than ES5"},
		{"a throw of a text", "if (a) { throw 'x'; }", "1:10 throw an Error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var all []string
			for _, f := range Lint(c.code) {
				all = append(all, fmt.Sprintf("%d:%d %s", f.Line, f.Column, f.Text))
			}
			if got := strings.Join(all, "|"); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
}
