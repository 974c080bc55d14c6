package extension

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"

	"azx/extension/entity"
)

// lint checks all scripts of a package.
func lint(s *Source) Problems {
	var found Problems
	things := instances(&s.Set)
	for _, script := range s.Scripts {
		found = append(found, lintScript(script, things[script.Collection+"/"+script.Entity])...)
	}
	return found
}

// lintScript checks one script. me are the Things that it may run as, as far as they are known.
func lintScript(s Script, me []string) Problems {
	program, err := parser.ParseFile(nil, s.File, s.Code, 0, parser.WithDisableSourceMaps)
	if err != nil {
		return Problems{syntaxProblem(s, err)}
	}
	l := &linter{script: s, me: me, program: program, bodies: map[*ast.BlockStatement]bool{}}
	l.walk(reflect.ValueOf(program.Body))
	if s.Result != "" && s.Result != "NOTHING" && !l.assigns {
		l.found = append(l.found, Problem{entity.Pos{File: s.File}, fmt.Sprintf("nothing is assigned to result, and the service gives %s", s.Result)})
	}
	return l.found
}

// syntaxProblem says where a script is not one, in words for what its author may have meant.
func syntaxProblem(s Script, err error) Problem {
	line, reason := 0, err.Error()
	var list parser.ErrorList
	if errors.As(err, &list) && len(list) > 0 {
		line, reason = list[0].Position.Line, list[0].Message
	}
	text := ""
	if lines := strings.Split(s.Code, "\n"); line > 0 && line <= len(lines) {
		text = lines[line-1]
	}
	switch {
	case strings.Contains(reason, "return statement"):
		reason = "return outside of a function: the value of the variable result is what a service gives"
	case strings.Contains(text, "for each"):
		reason += `; "for each" is not ES5`
	case strings.Contains(reason, "token <"):
		reason += "; XML in scripts (E4X) is not ES5"
	}
	return Problem{entity.Pos{File: s.File, Line: line}, reason}
}

// instances gives, by "Collection/Name", the Things of a set that run the scripts of an entity: a Thing itself, those of a
// template, and those that implement a shape.
func instances(set *entity.Set) map[string][]string {
	templates := map[string]*entity.ThingTemplate{}
	for i := range set.ThingTemplates {
		templates[set.ThingTemplates[i].Name] = &set.ThingTemplates[i]
	}
	found := map[string][]string{}
	for _, thing := range set.Things {
		add := func(key string) {
			if !slices.Contains(found[key], thing.Name) {
				found[key] = append(found[key], thing.Name)
			}
		}
		add("Things/" + thing.Name)
		shapes, base := slices.Clone(thing.Shapes), thing.Template
		for range len(templates) + 1 { // a ring of templates ends, too
			template := templates[base]
			if template == nil {
				break
			}
			add("ThingTemplates/" + base)
			shapes = append(shapes, template.Shapes...)
			base = template.Base
		}
		for _, shape := range shapes {
			add("ThingShapes/" + shape)
		}
	}
	return found
}

// linter walks the syntax tree of one script.
type linter struct {
	script  Script
	me      []string
	program *ast.Program
	bodies  map[*ast.BlockStatement]bool // of functions
	caught  []string                     // names of the errors of the catch clauses around
	assigns bool                         // something is assigned to result
	found   Problems
}

func (l *linter) report(at ast.Node, format string, args ...any) {
	file := l.program.File
	position := file.Position(int(at.Idx0()) - file.Base())
	l.found = append(l.found, Problem{entity.Pos{File: l.script.File, Line: position.Line}, fmt.Sprintf(format, args...)})
}

// walk visits every node below a value, in the order of the text. Reflection makes it complete: a kind of node that is new
// in the parser is not passed over.
func (l *linter) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface:
		l.walk(v.Elem())
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		node, ok := v.Interface().(ast.Node)
		if ok {
			l.enter(node)
		}
		l.walk(v.Elem())
		if ok {
			l.leave(node)
		}
	case reflect.Slice:
		for i := range v.Len() {
			l.walk(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			// Lists of declarations repeat what stands in the body.
			if f := v.Type().Field(i); f.IsExported() && f.Name != "DeclarationList" && f.Name != "File" {
				l.walk(v.Field(i))
			}
		}
	}
}

func (l *linter) enter(n ast.Node) {
	if what := newerThanES5(n); what != "" {
		l.report(n, "%s is not ES5", what)
	}
	l.rules(n)
	if c, ok := n.(*ast.CatchStatement); ok {
		name, _ := c.Parameter.(*ast.Identifier)
		if name == nil {
			name = &ast.Identifier{}
		}
		l.caught = append(l.caught, name.Name.String())
	}
}

func (l *linter) leave(n ast.Node) {
	if _, ok := n.(*ast.CatchStatement); ok {
		l.caught = l.caught[:len(l.caught)-1]
	}
}
