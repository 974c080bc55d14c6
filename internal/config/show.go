package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"azx/internal/secret"
)

// shown is a value for people, as the file has it but without quotes; "" for what is not set. It never has a credential.
func shown(v reflect.Value) string {
	switch t := v.Interface().(type) {
	case secret.Source:
		return t.Shown()
	case Size:
		return showSize(t)
	case time.Duration:
		return showDuration(t)
	case Start:
		return t.String()
	case Switch:
		if t {
			return "on"
		}
		return "off"
	case []string:
		return showList(t)
	case map[string]MethodTimeout:
		return showServices(t)
	case int:
		return strconv.Itoa(t)
	}
	if v.Kind() == reflect.String {
		return v.String()
	}
	return ""
}

// written is a value as YAML in one line.
func written(v reflect.Value) string {
	_, isSource := v.Interface().(secret.Source)
	if _, isText := v.Interface().(string); isText || isSource {
		return quote(shown(v))
	}
	return shown(v)
}

func showSize(s Size) string {
	for _, u := range sizeUnits {
		if n := int64(s); n > 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// showDuration leaves out the zeros that a Duration ends with: 1m, not 1m0s. It is "" for none.
func showDuration(d time.Duration) string {
	text := d.String()
	for _, zeros := range [...]struct{ after, zero string }{{"m", "0s"}, {"h", "0m"}} {
		if before, ok := strings.CutSuffix(text, zeros.after+zeros.zero); ok {
			text = before + zeros.after
		}
	}
	return text
}

func showList(list []string) string {
	if len(list) == 0 {
		return ""
	}
	quoted := make([]string, len(list))
	for i, text := range list {
		quoted[i] = quote(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func showServices(services map[string]MethodTimeout) string {
	if len(services) == 0 {
		return ""
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(services)) {
		t := services[name]
		all = append(all, fmt.Sprintf("%s: {connectTimeout: %s, responseTimeout: %s}", quote(name), showDuration(t.ConnectTimeout), showDuration(t.ResponseTimeout)))
	}
	return "{" + strings.Join(all, ", ") + "}"
}
