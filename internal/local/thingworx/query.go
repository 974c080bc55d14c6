package thingworx

import (
	"cmp"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/tablejson"
)

// Bounds of a query.
const (
	maxQueryText  = 64 << 10
	maxQueryDepth = 16
)

// filter is a condition on rows, or several ones (read: the types of filters).
type filter struct {
	Type      string            `json:"type"`
	Field     string            `json:"fieldName"`
	Value     json.RawMessage   `json:"value"`
	Values    []json.RawMessage `json:"values"`
	From      json.RawMessage   `json:"from"`
	To        json.RawMessage   `json:"to"`
	Sensitive *bool             `json:"isCaseSensitive"`
	Filters   []filter          `json:"filters"`
}

type query struct {
	Filters *filter `json:"filters"`
	Sorts   []struct {
		Field     string `json:"fieldName"`
		Ascending *bool  `json:"isAscending"`
	} `json:"sorts"`
}

// queried is a table with the rows that a query wants, at most most of them (0: all). An empty query wants all.
func queried(table *infotable.Table, text string, most int) (infotable.Value, error) {
	var q query
	if len(text) > maxQueryText {
		return nothing(), Refuse(Invalid, "the query is longer than %d bytes", maxQueryText)
	}
	if text = strings.TrimSpace(text); text != "" {
		if err := json.Unmarshal([]byte(text), &q); err != nil {
			return nothing(), Refuse(Invalid, "the query is not as it should be: %v", err)
		}
	}
	if q.Filters != nil {
		kept := make([]infotable.Row, 0, len(table.Rows))
		for _, row := range table.Rows {
			ok, err := q.Filters.match(table, row, 0)
			if err != nil {
				return nothing(), err
			}
			if ok {
				kept = append(kept, row)
			}
		}
		table.Rows = kept
	}
	for _, s := range slices.Backward(q.Sorts) {
		at := table.Index(s.Field)
		slices.SortStableFunc(table.Rows, func(a, b infotable.Row) int {
			order := compare(a.Cell(at), b.Cell(at))
			if s.Ascending != nil && !*s.Ascending {
				return -order
			}
			return order
		})
	}
	if most > 0 && len(table.Rows) > most {
		table.Rows = table.Rows[:most]
	}
	return infotable.FromTable(table), nil
}

func (f *filter) match(table *infotable.Table, row infotable.Row, depth int) (bool, error) {
	if depth > maxQueryDepth {
		return false, Refuse(Invalid, "the query has filters more than %d deep", maxQueryDepth)
	}
	switch kind := strings.ToUpper(f.Type); kind {
	case "AND", "OR":
		for i := range f.Filters {
			ok, err := f.Filters[i].match(table, row, depth+1)
			if err != nil || ok == (kind == "OR") {
				return ok, err
			}
		}
		return kind == "AND", nil
	default:
		return f.matchField(kind, table, row)
	}
}

func (f *filter) matchField(kind string, table *infotable.Table, row infotable.Row) (bool, error) {
	at := table.Index(f.Field)
	if at < 0 {
		return false, Refuse(Invalid, "the query asks for the column %q, which is not there", shorten(f.Field))
	}
	cell, t := row.Cell(at), table.Fields[at].Type
	not := strings.HasPrefix(kind, "NOT")
	switch kind {
	case "MISSINGVALUE", "NOTMISSINGVALUE":
		text, isText := cell.Text()
		return (cell.IsNothing() || isText && text == "") != not, nil
	case "IN", "NOTIN":
		for _, raw := range f.Values {
			if v, err := queryValue(t, cell, raw); err == nil && compare(cell, v) == 0 {
				return !not, nil
			}
		}
		return not, nil
	case "BETWEEN", "NOTBETWEEN":
		from, err := queryValue(t, cell, f.From)
		if err != nil {
			return false, err
		}
		to, err := queryValue(t, cell, f.To)
		return (compare(cell, from) >= 0 && compare(cell, to) <= 0) != not, err
	}
	v, err := queryValue(t, cell, f.Value)
	if err != nil {
		return false, err
	}
	switch kind {
	case "LIKE", "NOTLIKE":
		return f.like(cell, v) != not, nil
	case "EQ":
		return compare(cell, v) == 0, nil
	case "NE":
		return compare(cell, v) != 0, nil
	case "GT":
		return compare(cell, v) > 0, nil
	case "GE":
		return compare(cell, v) >= 0, nil
	case "LT":
		return compare(cell, v) < 0, nil
	case "LE":
		return compare(cell, v) <= 0, nil
	}
	return false, Refuse(Unsupported, "filters of type %q are not served here", shorten(f.Type))
}

// like matches with % (read) and * for any text.
func (f *filter) like(cell, pattern infotable.Value) bool {
	text, _ := formatText(cell)
	mask, _ := formatText(pattern)
	if f.Sensitive == nil || !*f.Sensitive {
		text, mask = strings.ToLower(text), strings.ToLower(mask)
	}
	mask = strings.NewReplacer("%", "*", "[", "\\[", "?", "\\?", "/", "\x00").Replace(mask)
	ok, err := path.Match(mask, strings.ReplaceAll(text, "/", "\x00"))
	return ok && err == nil
}

func queryValue(t infotable.BaseType, cell infotable.Value, raw json.RawMessage) (infotable.Value, error) {
	if len(raw) == 0 {
		return nothing(), Refuse(Invalid, "a filter of the query lacks its value")
	}
	if t == infotable.TypeVariant {
		t = cell.Unwrap().Type()
	}
	v, err := tablejson.DecodeValue(t, raw)
	if err != nil {
		return nothing(), Refuse(Invalid, "a filter of the query: %v", err)
	}
	return v, nil
}

// compare orders values: nothing first, numbers and times by size, all others as texts.
func compare(a, b infotable.Value) int {
	if a.IsNothing() || b.IsNothing() {
		return cmp.Compare(present(a), present(b))
	}
	x, ok := sizeOf(a)
	y, also := sizeOf(b)
	if ok && also {
		return cmp.Compare(x, y)
	}
	left, _ := formatText(a)
	right, _ := formatText(b)
	return cmp.Compare(left, right)
}

func present(v infotable.Value) int {
	if v.IsNothing() {
		return 0
	}
	return 1
}

func sizeOf(v infotable.Value) (float64, bool) {
	if ms, ok := v.Millis(); ok {
		return float64(ms), true
	}
	return v.Number()
}
