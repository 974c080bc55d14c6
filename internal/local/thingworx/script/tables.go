package script

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/tablejson"
)

// tableFunctionsName is the resource that works on infotables.
const tableFunctionsName = "InfoTableFunctions"

// InfoTableFunctions returns the resource of that name, for scripts and for whoever else calls services. Its services
// work on the tables that they are given and return new ones. What the host's own resource of that name has, such as
// services that every entity has, scripts find first.
func (e *Engine) InfoTableFunctions() Entity { return tableFunctions{e.host} }

// tableFunctions is the resource InfoTableFunctions.
type tableFunctions struct{ host Host }

// tableResource is the host's resource, with ours for what the host's does not have.
type tableResource struct {
	Entity
	own Entity
}

func (t tableResource) with(name string) Entity {
	if t.Entity.Has(name) != None {
		return t.Entity
	}
	return t.own
}

func (t tableResource) Has(name string) Member { return t.with(name).Has(name) }

func (t tableResource) ServiceInfo(name string) (Signature, bool) {
	return t.with(name).ServiceInfo(name)
}

func (t tableResource) Call(ctx context.Context, name string, params *infotable.Table) (infotable.Value, error) {
	return t.with(name).Call(ctx, name, params)
}

// tableFunction is one service of it.
type tableFunction struct {
	params string // name:TYPE, separated by spaces
	result infotable.BaseType
	call   func(ctx context.Context, host Host, in arguments) (*infotable.Table, error)
}

// arguments are the parameters of a service.
type arguments struct{ *infotable.Table }

func (a arguments) text(name string) string {
	text, _ := a.First(name).Text()
	return text
}

// table returns a table that must be there.
func (a arguments) table(name string) (*infotable.Table, error) {
	t, ok := a.First(name).Table()
	if !ok {
		return nil, fmt.Errorf("the infotable %s is missing", name)
	}
	return t, nil
}

// truth returns a BOOLEAN, true if it was not given.
func (a arguments) truth(name string) bool {
	b, ok := a.First(name).Boolean()
	return b || !ok
}

// names returns a list that is separated by commas.
func (a arguments) names(name string) []string {
	var all []string
	for part := range strings.SplitSeq(a.text(name), ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// service returns a service of the resource.
func service(name string) (tableFunction, bool) {
	const table, none = infotable.TypeInfotable, "t:INFOTABLE fieldName:STRING "
	switch name {
	case "CreateInfoTable":
		return tableFunction{"infoTableName:STRING", table, createTable}, true
	case "CreateInfoTableFromDataShape":
		return tableFunction{"infoTableName:STRING dataShapeName:DATASHAPENAME", table, createFromShape}, true
	case "FromJSON":
		return tableFunction{"json:JSON", table, fromJSON}, true
	case "ToJSON":
		return tableFunction{"table:INFOTABLE", infotable.TypeJSON, toJSONTable}, true
	case "Clone":
		return tableFunction{"t1:INFOTABLE", table, cloneTable}, true
	case "Query", "DeleteQuery":
		return tableFunction{"t:INFOTABLE query:QUERY", table, queryTable(name == "DeleteQuery")}, true
	case "UpdateQuery":
		return tableFunction{"t:INFOTABLE query:QUERY values:INFOTABLE", table, updateQuery}, true
	case "Sort":
		return tableFunction{"t:INFOTABLE sortColumn:STRING ascending:BOOLEAN", table, sortTable}, true
	case "TopN":
		return tableFunction{"t:INFOTABLE maxItems:NUMBER", table, topTable}, true
	case "RenameField":
		return tableFunction{"t:INFOTABLE from:STRING to:STRING", table, renameField}, true
	case "Distinct":
		return tableFunction{"t:INFOTABLE columns:STRING", table, distinct}, true
	case "Aggregate":
		return tableFunction{"t:INFOTABLE columns:STRING aggregates:STRING groupByColumns:STRING", table, aggregate}, true
	case "Union":
		return tableFunction{"t1:INFOTABLE t2:INFOTABLE", table, union}, true
	case "Intersect":
		return tableFunction{"t1:INFOTABLE t2:INFOTABLE columns1:STRING columns2:STRING joinColumns1:STRING " +
			"joinColumns2:STRING joinType:STRING", table, intersect}, true
	case "EQFilter":
		return tableFunction{none + "value:STRING isCaseSensitive:BOOLEAN", table, compareFilter("EQ")}, true
	case "NEFilter", "GTFilter", "GEFilter", "LTFilter", "LEFilter":
		return tableFunction{none + "value:STRING", table, compareFilter(name[:2])}, true
	case "LikeFilter", "RegexFilter":
		return tableFunction{none + "pattern:STRING inclusive:BOOLEAN", table, patternFilter(name == "RegexFilter")}, true
	case "BetweenFilter":
		return tableFunction{none + "minValue:STRING maxValue:STRING inclusive:BOOLEAN", table, betweenFilter}, true
	case "SetFilter":
		return tableFunction{none + "matchValues:STRING inclusive:BOOLEAN", table, setFilter}, true
	case "MissingValueFilter":
		return tableFunction{none + "inclusive:BOOLEAN", table, missingFilter}, true
	case "NearFilter":
		return tableFunction{none + "location:LOCATION searchRadius:NUMBER units:STRING inclusive:BOOLEAN", table, nearFilter}, true
	default:
		return tableFunction{}, false
	}
}

func (f tableFunctions) Name() string       { return tableFunctionsName }
func (f tableFunctions) Collection() string { return "Resources" }

func (f tableFunctions) Attribute(name string) (infotable.Value, bool) {
	if name == "name" {
		return infotable.String(tableFunctionsName), true
	}
	return infotable.Nothing(), false
}

func (f tableFunctions) Has(name string) Member {
	if _, ok := service(name); ok {
		return Service
	}
	return None
}

func (f tableFunctions) ServiceInfo(name string) (Signature, bool) {
	s, ok := service(name)
	if !ok {
		return Signature{}, false
	}
	info := Signature{Result: s.result}
	for param := range strings.FieldsSeq(s.params) {
		name, kind, _ := strings.Cut(param, ":")
		base, _ := infotable.ParseBaseType(kind)
		info.Params = append(info.Params, infotable.Column(name, base))
	}
	return info, true
}

// Call works on the parameters alone, without JavaScript.
func (f tableFunctions) Call(ctx context.Context, name string, params *infotable.Table) (infotable.Value, error) {
	s, ok := service(name)
	if !ok {
		return infotable.Nothing(), fmt.Errorf("%s has no service %q", tableFunctionsName, name)
	}
	out, err := s.call(ctx, f.host, arguments{params})
	if err != nil {
		return infotable.Nothing(), fmt.Errorf("%s: %w", name, err)
	}
	if s.result == infotable.TypeJSON {
		text, err := tablejson.AppendTable(nil, out)
		return infotable.Text(infotable.TypeJSON, string(text)), named(name, err)
	}
	return infotable.FromTable(out), nil
}

var errNoMember = errors.New(tableFunctionsName + " has services only")

func (f tableFunctions) Get(context.Context, string) (infotable.Value, error) {
	return infotable.Nothing(), errNoMember
}
func (f tableFunctions) Set(context.Context, string, infotable.Value) error   { return errNoMember }
func (f tableFunctions) Fire(context.Context, string, *infotable.Table) error { return errNoMember }
func (f tableFunctions) Values() (*infotable.Table, error)                    { return nil, errNoMember }

func createTable(context.Context, Host, arguments) (*infotable.Table, error) {
	return &infotable.Table{}, nil
}

func createFromShape(ctx context.Context, host Host, in arguments) (*infotable.Table, error) {
	name := in.text("dataShapeName")
	shape, ok := host.Entity(ctx, "DataShapes", name)
	if !ok {
		return nil, fmt.Errorf("there is no data shape %q", name)
	}
	return shape.Values()
}

func fromJSON(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	return tablejson.DecodeTable([]byte(in.text("json")))
}

func toJSONTable(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	return in.table("table")
}

func cloneTable(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	return in.table("t1")
}
