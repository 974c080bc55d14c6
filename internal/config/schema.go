package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// SchemaFile is the name under which azx config init writes the schema beside the file.
const SchemaFile = "azx.schema.json"

// Schema is the JSON schema (draft 2020-12) of the file, for editors. It knows keys, kinds, choices and the limits of
// whole numbers; what else has to hold, azx validate tells.
func Schema() ([]byte, error) {
	s := schemaOf(reflect.TypeFor[Config](), "")
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Configuration of the azx connector"
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return append(text, '\n'), nil
}

type object = map[string]any

// schemaOf is the schema of a type whose place in the list of keys is path.
func schemaOf(t reflect.Type, path string) object {
	switch {
	case t.Kind() == reflect.Slice:
		of := object{"type": "array", "items": schemaOf(t.Elem(), path+"[]")}
		if isNeeded(path) {
			of["minItems"] = 1
		}
		return described(of, path)
	case t.Kind() == reflect.Map:
		return described(object{"type": "object", "additionalProperties": schemaOf(t.Elem(), path)}, path)
	case isSection(t):
		return schemaOfSection(t, path)
	}
	return described(schemaOfValue(t, path), path)
}

func schemaOfSection(t reflect.Type, path string) object {
	properties, required := object{}, []string{}
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("yaml")
		if name == "" {
			continue
		}
		at := join(path, name)
		properties[name] = schemaOf(t.Field(i).Type, at)
		if isNeeded(at) {
			required = append(required, name)
		}
	}
	of := object{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		of["required"] = required
	}
	return described(of, path)
}

// isNeeded reports whether the file has to have the key, or one below it.
func isNeeded(path string) bool {
	for _, k := range allKeys() {
		below, ok := strings.CutPrefix(k.path, path)
		if ok && k.otherwise == needed && (below == "" || below[0] == '.' || below[0] == '[') {
			return true
		}
	}
	return false
}

func schemaOfValue(t reflect.Type, path string) object {
	target := reflect.New(t).Interface()
	k := kindOf(target)
	text := object{"type": "string"}
	if k.pattern != "" {
		text["pattern"] = k.pattern
	}
	if k.choices != nil {
		text["enum"] = k.choices
	}
	limits := keyAt(path)
	switch target.(type) {
	case *int:
		return object{"type": "integer", "minimum": limits.low, "maximum": limits.high}
	case *Size:
		return object{"anyOf": []object{{"type": "integer", "minimum": limits.low, "maximum": limits.high}, text}}
	}
	return text
}

// described adds what there is to say of a key.
func described(of object, path string) object {
	k := keyAt(path)
	if k.path == "" {
		return of
	}
	about := k.text()
	if k.otherwise != "" && k.otherwise != needed {
		about += ". Without it: " + k.otherwise
	}
	of["description"] = strings.ReplaceAll(about, "`", "")
	if v, ok := defaultAt(path); ok && k.otherwise == "" {
		of["default"] = v
	}
	return of
}

// defaultAt is the default of a key as the file would have it; false for one that has none.
func defaultAt(path string) (any, bool) {
	cfg := defaults()
	cfg.Hubs = make([]Hub, 1)
	cfg.Hubs[0].setDefaults()
	v, ok := values(cfg)[strings.ReplaceAll(path, "[]", "[0]")]
	if !ok {
		return nil, false
	}
	if n, isNumber := v.Interface().(int); isNumber {
		return n, true
	}
	return shown(v), true
}

// Table is one of the tables of keys in the document, in Markdown: "general", "hub" or "requests".
func Table(of string) string {
	keys, prefix := generalKeys, ""
	switch of {
	case "hub":
		keys, prefix = hubKeys, "hubs[]."
	case "requests":
		keys, prefix = requestKeys, "hubs[]."
	}
	var b strings.Builder
	b.WriteString("| key | value | default |\n|---|---|---|\n")
	for _, k := range keys {
		otherwise := k.otherwise
		if otherwise == "" {
			v, _ := defaultAt(k.path)
			otherwise = fmt.Sprintf("`%v`", v)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.TrimPrefix(k.path, prefix), k.text(), otherwise)
	}
	return b.String()
}
