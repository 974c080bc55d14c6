package query

import (
	"encoding/json"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
)

// aggregates reports whether rows are made of groups.
func (q *Query) aggregates() bool {
	return q.groupBy != nil || slices.ContainsFunc(q.columns, func(c column) bool { return c.aggregate != "" })
}

// group collects the documents that have the same value where the query groups by.
type group struct {
	value any
	sums  []sum // by column
}

// sum is what an aggregate needs to know.
type sum struct {
	count         int
	total         float64
	least, most   any
	numbers       int
	leastF, mostF float64
}

// groups makes the rows of a query with aggregates, sorted by the text of the group's value. Without GROUP BY there is
// one row, also of no documents.
func (q *Query) groups(documents iter.Seq2[string, map[string]any]) []map[string]any {
	all := map[string]*group{}
	if q.groupBy == nil {
		all[""] = &group{value: undefined, sums: make([]sum, len(q.columns))}
	}
	for _, document := range documents {
		if !q.Matches(document) {
			continue
		}
		key, value := "", any(undefined)
		if q.groupBy != nil {
			value = q.groupBy.eval(document)
			key = textOf(value)
		}
		g := all[key]
		if g == nil {
			g = &group{value: value, sums: make([]sum, len(q.columns))}
			all[key] = g
		}
		for i, c := range q.columns {
			g.sums[i].add(c.path.eval(document))
		}
	}
	rows := make([]map[string]any, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		rows = append(rows, q.groupRow(all[key]))
	}
	return rows
}

// textOf tells values apart; undefined sorts first.
func textOf(value any) string {
	if value == any(undefined) {
		return ""
	}
	text, err := json.Marshal(value)
	if err != nil { // only what came out of JSON goes in
		panic("write JSON: " + err.Error())
	}
	return string(text)
}

func (s *sum) add(value any) {
	s.count++
	n, ok := numberOf(value)
	if !ok {
		return
	}
	f := floatOf(n)
	if s.numbers == 0 || f < s.leastF {
		s.least, s.leastF = n, f
	}
	if s.numbers == 0 || f > s.mostF {
		s.most, s.mostF = n, f
	}
	s.numbers++
	s.total += f
}

func (q *Query) groupRow(g *group) map[string]any {
	row := map[string]any{}
	for i, c := range q.columns {
		value := any(undefined)
		switch s := g.sums[i]; {
		case c.aggregate == "":
			value = g.value
		case c.aggregate == "count":
			value = s.count
		case s.numbers == 0:
		case c.aggregate == "sum":
			value = number(s.total)
		case c.aggregate == "avg":
			value = number(s.total / float64(s.numbers))
		case c.aggregate == "min":
			value = s.least
		case c.aggregate == "max":
			value = s.most
		}
		if value != any(undefined) {
			row[c.called()] = value
		}
	}
	return row
}

// number is undefined for what JSON cannot write.
func number(f float64) any {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return undefined
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
}
