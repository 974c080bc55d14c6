package serve

import (
	"fmt"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

// ParseProperty reads NAME:TYPE or NAME:TYPE:EDGENAME. A "::" belongs to a name, as modules have it.
func ParseProperty(text string) (thingworx.Definition, error) {
	const mark = "\x00"
	parts := strings.Split(strings.ReplaceAll(text, "::", mark), ":")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], mark, "::")
	}
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || len(parts) == 3 && parts[2] == "" {
		return thingworx.Definition{}, fmt.Errorf("property %q: want NAME:TYPE or NAME:TYPE:EDGENAME, such as temperature:NUMBER", text)
	}
	base, err := infotable.ParseBaseType(parts[1])
	if err != nil {
		return thingworx.Definition{}, fmt.Errorf("property %q: %q is no base type; there are NUMBER, INTEGER, STRING,"+
			" BOOLEAN, DATETIME, JSON, LOCATION and others", text, parts[1])
	}
	d := thingworx.Definition{Name: parts[0], Type: base, Remote: &thingworx.Binding{EdgeName: parts[0]}}
	if len(parts) == 3 {
		d.Remote.EdgeName = parts[2]
	}
	if err := thingworx.CheckPropertyName(d.Name); err != nil {
		return thingworx.Definition{}, err
	}
	return d, nil
}

const serviceForm = "want NAME(PARAMETER:TYPE,...):RESULT or NAME(PARAMETER:TYPE,...):RESULT:EDGENAME, such as" +
	" Restart(delay:INTEGER):JSON:reboot; an INFOTABLE may have columns, as in Readings():INFOTABLE(at:DATETIME,level:NUMBER)"

// ParseService reads NAME(PARAMETER:TYPE,...):RESULT or NAME(PARAMETER:TYPE,...):RESULT:EDGENAME. An INFOTABLE as
// RESULT may have its columns in parentheses. The edge's name may hold "::", as modules have it.
func ParseService(text string) (thingworx.ServiceDefinition, error) {
	wrong := func(why string) (thingworx.ServiceDefinition, error) {
		return thingworx.ServiceDefinition{}, fmt.Errorf("service %q: %s; %s", text, why, serviceForm)
	}
	name, rest, found := strings.Cut(text, "(")
	params, rest, closed := strings.Cut(rest, "):")
	if !found || !closed {
		return wrong("its parameters are not in parentheses, or no result follows them")
	}
	d := thingworx.ServiceDefinition{ServiceInfo: thingworx.ServiceInfo{Name: name}, Remote: &thingworx.ServiceBinding{EdgeName: name}}
	if err := thingworx.CheckPropertyName(name); err != nil {
		return wrong(err.Error())
	}
	fields, err := parseFields(params)
	if err != nil {
		return wrong(err.Error())
	}
	for _, f := range fields {
		d.Params = append(d.Params, thingworx.Param{Name: f.Name, Type: f.Type})
	}
	end := strings.IndexAny(rest+":", ":(")
	result, rest := rest[:end], rest[end:]
	if d.Result, err = infotable.ParseBaseType(result); err != nil {
		return wrong(fmt.Sprintf("%q is no base type for its result", result))
	}
	if strings.HasPrefix(rest, "(") {
		columns, after, closed := strings.Cut(rest[1:], ")")
		if !closed || d.Result != infotable.TypeInfotable {
			return wrong("only an INFOTABLE has columns, and they are in parentheses")
		}
		if d.Fields, err = parseFields(columns); err != nil {
			return wrong(err.Error())
		}
		rest = after
	}
	if rest == "" {
		return d, nil
	}
	edgeName, isName := strings.CutPrefix(rest, ":")
	if !isName || edgeName == "" || strings.HasPrefix(edgeName, ":") {
		return wrong("its edge name is missing")
	}
	d.Remote.EdgeName = edgeName
	return d, nil
}

// parseFields reads NAME:TYPE,...
func parseFields(text string) ([]infotable.Field, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var fields []infotable.Field
	for part := range strings.SplitSeq(text, ",") {
		name, base, _ := strings.Cut(strings.TrimSpace(part), ":")
		if err := thingworx.CheckPropertyName(name); err != nil {
			return nil, fmt.Errorf("%q: %w", part, err)
		}
		t, err := infotable.ParseBaseType(base)
		if err != nil {
			return nil, fmt.Errorf("%q: %q is no base type", part, base)
		}
		fields = append(fields, infotable.Column(name, t))
	}
	return fields, nil
}

// CheckWriteVia refuses what is no way for writes to travel.
func CheckWriteVia(via string) error {
	method, isMethod := strings.CutPrefix(via, "method:")
	if via == "" || via == "c2d" || via == "desired" || isMethod && method != "" {
		return nil
	}
	return fmt.Errorf("write-via %q: want c2d, desired or method:NAME", via)
}
