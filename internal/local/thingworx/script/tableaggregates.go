package script

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"azx/alwayson/infotable"
)

// aggregated is one column of a result: a kind of aggregate over a column of the table.
type aggregated struct {
	kind   string
	column int
}

// aggregate gives one row for each combination of the columns to group by. Its columns are these and, for each pair
// of a column and an aggregate, one called AGGREGATE_column (read in a public script).
func aggregate(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	t, err := in.table("t")
	if err != nil {
		return nil, err
	}
	wanted, err := aggregates(t, in.names("columns"), in.names("aggregates"))
	if err != nil {
		return nil, err
	}
	var by []int
	if names := in.names("groupByColumns"); len(names) > 0 {
		if by, err = columns(t, names); err != nil {
			return nil, err
		}
	}
	out := &infotable.Table{Fields: fieldsAt(t, by)}
	for _, w := range wanted {
		out.Fields = append(out.Fields, infotable.Column(w.kind+"_"+t.Fields[w.column].Name, w.base(t)))
	}
	for _, rows := range groups(t, by) {
		cells := make(infotable.Row, 0, len(out.Fields))
		if len(rows) > 0 {
			cells = append(cells, picked(rows[0], by)...)
		}
		for _, w := range wanted {
			cells = append(cells, w.over(rows))
		}
		out.Rows = append(out.Rows, cells)
	}
	return out, nil
}

func aggregates(t *infotable.Table, names, kinds []string) ([]aggregated, error) {
	if len(names) != len(kinds) || len(names) == 0 {
		return nil, errors.New("columns and aggregates must have the same number of entries")
	}
	at, err := columns(t, names)
	if err != nil {
		return nil, err
	}
	all := make([]aggregated, len(at))
	for i, column := range at {
		kind := strings.ToUpper(kinds[i])
		switch kind {
		case "MIN", "MAX", "COUNT":
		case "SUM", "AVERAGE":
			if !t.Fields[column].Type.IsNumeric() {
				return nil, fmt.Errorf("%s of %s: the field is %s", kind, names[i], t.Fields[column].Type)
			}
		default:
			return nil, fmt.Errorf("aggregate %q is none of MIN, MAX, AVERAGE, SUM, COUNT", kinds[i])
		}
		all[i] = aggregated{kind, column}
	}
	return all, nil
}

// groups are the rows that have the same cells in the columns by, in the order of their first rows; without
// columns all rows are one group.
func groups(t *infotable.Table, by []int) [][]infotable.Row {
	if len(by) == 0 {
		return [][]infotable.Row{t.Rows}
	}
	at := map[string]int{}
	var all [][]infotable.Row
	for _, row := range t.Rows {
		k := key(picked(row, by)...)
		i, ok := at[k]
		if !ok {
			i = len(all)
			at[k] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], row)
	}
	return all
}

func (a aggregated) base(t *infotable.Table) infotable.BaseType {
	if a.kind == "MIN" || a.kind == "MAX" {
		return t.Fields[a.column].Type
	}
	return infotable.TypeNumber
}

// over aggregates the cells that have a value.
func (a aggregated) over(rows []infotable.Row) infotable.Value {
	var count, sum float64
	var best infotable.Value
	for _, row := range rows {
		v := row.Cell(a.column)
		if v.IsNothing() {
			continue
		}
		count++
		f, _ := v.Number()
		sum += f
		better := compare(v, best, true)
		if best.IsNothing() || a.kind == "MIN" && better < 0 || a.kind == "MAX" && better > 0 {
			best = v
		}
	}
	switch {
	case a.kind == "COUNT":
		return infotable.Number(count)
	case a.kind == "SUM":
		return infotable.Number(sum)
	case a.kind == "AVERAGE" && count > 0:
		return infotable.Number(sum / count)
	case a.kind == "AVERAGE":
		return infotable.Nothing()
	default:
		return best
	}
}
