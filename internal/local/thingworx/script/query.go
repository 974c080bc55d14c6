package script

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"azx/alwayson/infotable"
)

// query is a QUERY: which rows, in which order. Names of kinds are read in any case.
type query struct {
	Filters *filter `json:"filters"`
	Sorts   []struct {
		FieldName       string `json:"fieldName"`
		IsAscending     *bool  `json:"isAscending"`
		IsCaseSensitive *bool  `json:"isCaseSensitive"`
	} `json:"sorts"`
}

// filter is one condition, or several joined by AND or OR.
type filter struct {
	Type            string            `json:"type"`
	FieldName       string            `json:"fieldName"`
	Value           json.RawMessage   `json:"value"`
	From            json.RawMessage   `json:"from"`
	To              json.RawMessage   `json:"to"`
	Values          []json.RawMessage `json:"values"`
	Expression      string            `json:"expression"`
	Tags            json.RawMessage   `json:"tags"`
	Location        json.RawMessage   `json:"location"`
	Distance        float64           `json:"distance"`
	Units           string            `json:"units"`
	IsCaseSensitive *bool             `json:"isCaseSensitive"`
	Filters         []filter          `json:"filters"`
}

// condition tells the rows of a table that are wanted.
type condition func(row infotable.Row) bool

func parseQuery(v infotable.Value) (query, error) {
	var q query
	text, _ := v.Text()
	if text == "" {
		return q, nil
	}
	if err := json.Unmarshal([]byte(text), &q); err != nil {
		return q, fmt.Errorf("read query: %w", err)
	}
	if q.Filters == nil { // some write the one filter without the word around it
		var alone filter
		if json.Unmarshal([]byte(text), &alone) == nil && alone.Type != "" {
			q.Filters = &alone
		}
	}
	return q, nil
}

// condition makes the query's filters work on a table with these fields.
func (q query) condition(t *infotable.Table) (condition, error) {
	if q.Filters == nil || q.Filters.Type == "" && len(q.Filters.Filters) == 0 {
		return func(infotable.Row) bool { return true }, nil
	}
	return q.Filters.on(t)
}

// order sorts rows in place; equal rows keep their order.
func (q query) order(t *infotable.Table, rows []infotable.Row) error {
	for _, s := range slices.Backward(q.Sorts) {
		if err := sortRows(t, rows, s.FieldName, yes(s.IsAscending), yes(s.IsCaseSensitive)); err != nil {
			return err
		}
	}
	return nil
}

func sortRows(t *infotable.Table, rows []infotable.Row, name string, ascending, caseSensitive bool) error {
	i := t.Index(name)
	if i < 0 {
		return noField(name)
	}
	slices.SortStableFunc(rows, func(a, b infotable.Row) int {
		if !ascending {
			a, b = b, a
		}
		return compare(a.Cell(i), b.Cell(i), caseSensitive)
	})
	return nil
}

func noField(name string) error { return fmt.Errorf("the infotable has no field %q", name) }

func yes(b *bool) bool { return b == nil || *b }

func (f filter) on(t *infotable.Table) (condition, error) {
	kind := strings.ToUpper(f.Type)
	if kind == "AND" || kind == "OR" || kind == "" && len(f.Filters) > 0 {
		return f.joined(t, kind == "OR")
	}
	i := t.Index(f.FieldName)
	if i < 0 {
		return nil, noField(f.FieldName)
	}
	negated := false
	if rest, ok := strings.CutPrefix(kind, "NOT"); ok {
		kind, negated = rest, true
	}
	if kind == "NE" {
		kind, negated = "EQ", true
	}
	wanted, err := f.cell(kind, t.Fields[i])
	if err != nil {
		return nil, fmt.Errorf("filter %s of %s: %w", f.Type, f.FieldName, err)
	}
	return func(row infotable.Row) bool { return wanted(row.Cell(i)) != negated }, nil
}

func (f filter) joined(t *infotable.Table, anyOf bool) (condition, error) {
	all := make([]condition, 0, len(f.Filters))
	for _, one := range f.Filters {
		c, err := one.on(t)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return func(row infotable.Row) bool {
		for _, c := range all {
			if c(row) == anyOf {
				return anyOf
			}
		}
		return !anyOf || len(all) == 0
	}, nil
}

// cell makes what tests one cell. What is missing is equal to nothing, and not greater or less than anything.
func (f filter) cell(kind string, field infotable.Field) (func(infotable.Value) bool, error) {
	sensitive := yes(f.IsCaseSensitive)
	switch kind {
	case "EQ", "GT", "GE", "LT", "LE":
		value, err := coerce(field.Type, f.Value)
		return compared(kind, value, sensitive), err
	case "BETWEEN":
		from, err := coerce(field.Type, f.From)
		to, toErr := coerce(field.Type, f.To)
		return between(from, to, sensitive), errors.Join(err, toErr)
	case "IN":
		return f.in(field, sensitive)
	case "LIKE":
		value, err := coerce(infotable.TypeString, f.Value)
		if err != nil {
			return nil, err
		}
		pattern, _ := value.Text()
		return like(pattern, sensitive)
	case "MATCHES":
		return matching(f.Expression, sensitive)
	case "MISSINGVALUE":
		return func(v infotable.Value) bool { return v.IsNothing() }, nil
	case "TAGGED", "TAGGEDWITH":
		return tagged(f.Tags)
	case "NEAR":
		location, err := coerce(infotable.TypeLocation, f.Location)
		return near(location, f.Distance, f.Units), err
	default:
		return nil, errors.New("there is no such kind of filter")
	}
}

func compared(kind string, value infotable.Value, sensitive bool) func(infotable.Value) bool {
	return func(v infotable.Value) bool {
		if v.IsNothing() || value.IsNothing() {
			return kind == "EQ" && v.IsNothing() == value.IsNothing()
		}
		switch c := compare(v, value, sensitive); kind {
		case "GT":
			return c > 0
		case "GE":
			return c >= 0
		case "LT":
			return c < 0
		case "LE":
			return c <= 0
		default:
			return c == 0
		}
	}
}

func between(from, to infotable.Value, sensitive bool) func(infotable.Value) bool {
	low, high := compared("GE", from, sensitive), compared("LE", to, sensitive)
	return func(v infotable.Value) bool { return low(v) && high(v) }
}

func (f filter) in(field infotable.Field, sensitive bool) (func(infotable.Value) bool, error) {
	tests := make([]func(infotable.Value) bool, 0, len(f.Values))
	for _, raw := range f.Values {
		value, err := coerce(field.Type, raw)
		if err != nil {
			return nil, err
		}
		tests = append(tests, compared("EQ", value, sensitive))
	}
	return func(v infotable.Value) bool {
		return slices.ContainsFunc(tests, func(test func(infotable.Value) bool) bool { return test(v) })
	}, nil
}

// like knows % and * for any text, ? for any character, and a backslash before one that stands for itself.
func like(pattern string, sensitive bool) (func(infotable.Value) bool, error) {
	var b strings.Builder
	b.WriteString("^")
	escaped := false
	for _, c := range pattern {
		switch {
		case escaped:
			b.WriteString(regexp.QuoteMeta(string(c)))
			escaped = false
		case c == '\\':
			escaped = true
		case c == '%' || c == '*':
			b.WriteString(".*")
		case c == '?':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteString("$")
	return matching(b.String(), sensitive)
}

func matching(expression string, sensitive bool) (func(infotable.Value) bool, error) {
	flags := "(?s)"
	if !sensitive {
		flags = "(?si)"
	}
	re, err := regexp.Compile(flags + expression)
	if err != nil {
		return nil, err
	}
	return func(v infotable.Value) bool { return !v.IsNothing() && re.MatchString(content(v.Unwrap())) }, nil
}

// tagged wants all of the tags, which are objects with vocabulary and vocabularyTerm, or a text.
func tagged(raw json.RawMessage) (func(infotable.Value) bool, error) {
	var list []struct{ Vocabulary, VocabularyTerm string }
	var text string
	var wanted []string
	if json.Unmarshal(raw, &text) == nil {
		wanted = strings.Split(text, ";")
	} else if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("tags: %w", err)
	}
	for _, tag := range list {
		wanted = append(wanted, tag.Vocabulary+":"+tag.VocabularyTerm)
	}
	return func(v infotable.Value) bool {
		has := strings.Split(content(v.Unwrap()), ";")
		for _, tag := range wanted {
			if tag != "" && !slices.Contains(has, tag) {
				return false
			}
		}
		return true
	}, nil
}

func near(center infotable.Value, within float64, units string) func(infotable.Value) bool {
	from, known := center.Location()
	return func(v infotable.Value) bool {
		to, ok := v.Location()
		return known && ok && distance(from, to, units) <= within
	}
}
