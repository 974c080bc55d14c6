package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/message"
)

const (
	maxRows    = 10_000
	maxColumns = 256
	maxCells   = 100_000 // a row of "{}" is two bytes of text and a cell for each column
)

// table makes an INFOTABLE from [{...}, ...], or from {"rows": [...]} with an optional "dataShape" as the
// platform writes it in its own JSON. Columns without a stated base type have that of their first value
// that is not null.
func table(r message.Reading) (infotable.Value, error) {
	rows, fields, err := rowsOf(r)
	if err != nil {
		return infotable.Value{}, err
	}
	return fill(fields, rows)
}

// rowsOf returns the rows of a table, with the columns that it states.
func rowsOf(r message.Reading) (rows []map[string]json.RawMessage, fields []infotable.Field, err error) {
	var in struct {
		DataShape struct {
			FieldDefinitions map[string]definition `json:"fieldDefinitions"`
		} `json:"dataShape"`
		Rows []map[string]json.RawMessage `json:"rows"`
	}
	switch r.Kind {
	case message.Array:
		err = json.Unmarshal(r.Raw, &in.Rows)
	case message.Object:
		err = json.Unmarshal(r.Raw, &in)
		if err == nil && in.Rows == nil {
			err = errors.New("no rows")
		}
	default:
		err = errors.New("no table")
	}
	if err != nil {
		return nil, nil, mismatch(r, `a table: an array of objects, or {"rows": [...]}`)
	}
	if len(in.Rows) > maxRows {
		return nil, nil, fmt.Errorf("%d rows are more than %d", len(in.Rows), maxRows)
	}
	fields, err = fieldsOf(in.DataShape.FieldDefinitions)
	return in.Rows, fields, err
}

// definition is a column as the platform's own JSON has it.
type definition struct {
	BaseType string `json:"baseType"`
	Ordinal  int    `json:"ordinal"`
}

func fieldsOf(defs map[string]definition) ([]infotable.Field, error) {
	names := slices.Collect(maps.Keys(defs))
	slices.SortFunc(names, func(a, b string) int {
		if d := defs[a].Ordinal - defs[b].Ordinal; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var fields []infotable.Field
	for _, name := range names {
		base, err := infotable.ParseBaseType(defs[name].BaseType)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", quoted(name), err)
		}
		fields = append(fields, infotable.Column(name, base))
	}
	return fields, nil
}

func fill(fields []infotable.Field, rows []map[string]json.RawMessage) (infotable.Value, error) {
	if len(fields) == 0 {
		fields = inferFields(rows)
	}
	if len(fields) > maxColumns {
		return infotable.Value{}, fmt.Errorf("%d columns are more than %d", len(fields), maxColumns)
	}
	if cells := len(fields) * len(rows); cells > maxCells {
		return infotable.Value{}, fmt.Errorf("%d cells are more than %d", cells, maxCells)
	}
	t := infotable.New(fields...)
	for n, row := range rows {
		cells := make([]infotable.Value, len(fields))
		for i, f := range fields {
			raw, ok := row[f.Name]
			if !ok || message.KindOf(raw) == message.Null {
				continue
			}
			v, err := Convert(message.Reading{Kind: message.KindOf(raw), Raw: raw}, f.Type)
			if err != nil {
				return infotable.Value{}, fmt.Errorf("row %d, column %s: %w", n, quoted(f.Name), err)
			}
			cells[i] = v
		}
		t.Add(cells...)
	}
	return infotable.FromTable(t), nil
}

// inferFields orders columns by name within the first row that has them, so that equal bodies give equal tables.
func inferFields(rows []map[string]json.RawMessage) []infotable.Field {
	var fields []infotable.Field
	seen := map[string]bool{}
	for _, row := range rows {
		for _, name := range slices.Sorted(maps.Keys(row)) {
			if kind := message.KindOf(row[name]); !seen[name] && kind != message.Null {
				seen[name] = true
				fields = append(fields, infotable.Column(name, Natural(kind)))
			}
		}
	}
	return fields
}
