// Package query is the hub's query language over twins: it parses a query and picks rows from documents, page by page.
//
// The grammar is that of Microsoft's pages on the IoT Hub query language (read), without arithmetic. As in their examples,
// case does not count in the names of a twin's own members, such as deviceId. What a comparison
// gives when a property is missing, or of another type, is not said there: here it is neither true nor false, as in the
// database behind it (inferred).
package query

import "fmt"

const (
	// MaxLength is the longest query, in characters (read).
	MaxLength = 8192
	maxDepth  = 32 // nested expressions; a real hub's bound is unknown
)

// Collection is what a query reads from.
type Collection string

// The collections.
const (
	Devices Collection = "devices"
	Modules Collection = "devices.modules"
	Jobs    Collection = "devices.jobs"
)

// Query is a parsed query.
type Query struct {
	// From is the collection.
	From Collection
	// Top is how many rows there are at most; 0 is no bound.
	Top int

	columns []column // none: SELECT *
	where   expr     // nil: all
	groupBy path     // nil: none
}

// column is a value of the rows.
type column struct {
	name      string // empty: that of the member which the path names
	path      path
	aggregate string // "count", "avg", "sum", "min", "max"; empty for a plain path
}

// Whole reports whether the rows are whole documents: SELECT *.
func (q *Query) Whole() bool { return len(q.columns) == 0 }

// Error says what is wrong with a query, and where.
type Error struct {
	At   int // byte, from 0
	Text string
}

// Error is the text with the place, counted from 1.
func (e *Error) Error() string { return fmt.Sprintf("query, character %d: %s", e.At+1, e.Text) }

// Matches reports whether the condition is true for a document, whose numbers are json.Number or those of Go.
func (q *Query) Matches(document map[string]any) bool {
	return q.where == nil || q.where.eval(document) == true
}

// row is what the query selects of a document; what it does not have is left out.
func (q *Query) row(document map[string]any) map[string]any {
	if q.Whole() {
		return document
	}
	row := make(map[string]any, len(q.columns))
	for _, c := range q.columns {
		value, name := c.path.eval(document), c.name
		if value == any(undefined) {
			continue
		}
		if name == "" {
			name = memberOf(document, c.path[0])
		}
		row[name] = value
	}
	return row
}
