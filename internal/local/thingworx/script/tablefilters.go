package script

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"azx/alwayson/infotable"
)

// tableCall is what a service of InfoTableFunctions does.
type tableCall = func(context.Context, Host, arguments) (*infotable.Table, error)

// queryTable keeps the rows that a query is for, or the others.
func queryTable(remove bool) tableCall {
	return func(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
		t, err := in.table("t")
		if err != nil {
			return nil, err
		}
		q, err := parseQuery(in.First("query"))
		if err != nil {
			return nil, err
		}
		wanted, err := q.condition(t)
		if err != nil {
			return nil, err
		}
		out := keep(t, func(row infotable.Row) bool { return wanted(row) != remove })
		return out, q.order(out, out.Rows)
	}
}

func keep(t *infotable.Table, wanted condition) *infotable.Table {
	out := &infotable.Table{Fields: t.Fields}
	for _, row := range t.Rows {
		if wanted(row) {
			out.Rows = append(out.Rows, row)
		}
	}
	return out
}

// updateQuery writes the first row of values over the rows that the query is for.
func updateQuery(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	t, err := in.table("t")
	if err != nil {
		return nil, err
	}
	values, err := in.table("values")
	if err != nil {
		return nil, err
	}
	q, err := parseQuery(in.First("query"))
	if err != nil {
		return nil, err
	}
	wanted, err := q.condition(t)
	if err != nil {
		return nil, err
	}
	out := &infotable.Table{Fields: t.Fields}
	for _, row := range t.Rows {
		if wanted(row) {
			row = overwritten(t, row, values)
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

func overwritten(t *infotable.Table, row infotable.Row, values *infotable.Table) infotable.Row {
	changed := make(infotable.Row, len(t.Fields))
	copy(changed, row)
	for i := range t.Fields {
		if v := values.First(t.Fields[i].Name); !v.IsNothing() {
			changed[i] = v
		}
	}
	return changed
}

func sortTable(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	t, err := in.table("t")
	if err != nil {
		return nil, err
	}
	out := &infotable.Table{Fields: t.Fields, Rows: slices.Clone(t.Rows)}
	return out, sortRows(out, out.Rows, in.text("sortColumn"), in.truth("ascending"), true)
}

func topTable(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	t, err := in.table("t")
	if err != nil {
		return nil, err
	}
	n := len(t.Rows)
	if limit, ok := in.First("maxItems").Number(); ok && limit < float64(n) {
		n = int(max(0, limit))
	}
	return &infotable.Table{Fields: t.Fields, Rows: slices.Clone(t.Rows[:n])}, nil
}

// filtered applies one filter to a table. include says whether the rows that it is for are kept, or the others.
func filtered(in arguments, f filter, include bool) (*infotable.Table, error) {
	t, err := in.table("t")
	if err != nil {
		return nil, err
	}
	f.FieldName = in.text("fieldName")
	wanted, err := f.on(t)
	if err != nil {
		return nil, err
	}
	return keep(t, func(row infotable.Row) bool { return wanted(row) == include }), nil
}

func compareFilter(kind string) tableCall {
	return func(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
		sensitive := in.truth("isCaseSensitive")
		return filtered(in, filter{Type: kind, Value: quoted(in.First("value")), IsCaseSensitive: &sensitive}, true)
	}
}

func patternFilter(regex bool) tableCall {
	return func(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
		f := filter{Type: "LIKE", Value: quoted(in.First("pattern"))}
		if regex {
			f = filter{Type: "MATCHES", Expression: in.text("pattern")}
		}
		return filtered(in, f, in.truth("inclusive"))
	}
}

func betweenFilter(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	f := filter{Type: "BETWEEN", From: quoted(in.First("minValue")), To: quoted(in.First("maxValue"))}
	return filtered(in, f, in.truth("inclusive"))
}

// setFilter takes its values separated by semicolons.
func setFilter(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	f := filter{Type: "IN"}
	for one := range strings.SplitSeq(in.text("matchValues"), ";") {
		f.Values = append(f.Values, quoted(infotable.String(one)))
	}
	return filtered(in, f, in.truth("inclusive"))
}

func missingFilter(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	return filtered(in, filter{Type: "MISSINGVALUE"}, in.truth("inclusive"))
}

func nearFilter(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	c, ok := in.First("location").Location()
	if !ok {
		return nil, fmt.Errorf("the location is missing")
	}
	radius, _ := in.First("searchRadius").Number()
	f := filter{Type: "NEAR", Distance: radius, Units: in.text("units"),
		Location: fmt.Appendf(nil, `{"latitude":%g,"longitude":%g}`, c.Latitude, c.Longitude)}
	return filtered(in, f, in.truth("inclusive"))
}

// quoted is a text as JSON; nothing if there is no text.
func quoted(v infotable.Value) json.RawMessage {
	text, ok := v.Text()
	if !ok {
		return nil
	}
	raw, err := json.Marshal(text)
	if err != nil { // a text always has a JSON form
		return nil
	}
	return raw
}
