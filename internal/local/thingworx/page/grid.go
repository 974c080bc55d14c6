package page

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"

	"azx/alwayson/infotable"
)

// How much of a table is shown.
const (
	mostGridRows    = 500
	mostGridColumns = 50
	mostCell        = 4000 // characters of one cell
	mostDepth       = 3    // tables inside each other
)

// hiddenText stands for what is not shown.
const hiddenText = "(hidden)"

// grid is a table as it is shown.
type grid struct {
	Columns []column
	Rows    [][]cell
	Total   int
	More    bool
}

type column struct{ Name, Type, Description string }

type cell struct {
	Text  string
	Empty bool  // there is no value
	Pre   bool  // its line ends and spaces count
	Table *grid // instead of a text
}

// gridOf shows a table; nil for none.
func gridOf(t *infotable.Table) *grid { return gridAt(t, 0) }

func gridAt(t *infotable.Table, depth int) *grid {
	if t == nil {
		return nil
	}
	g := &grid{Total: t.Len(), More: t.Len() > mostGridRows}
	fields := t.Fields[:min(len(t.Fields), mostGridColumns)]
	for _, f := range fields {
		g.Columns = append(g.Columns, column{f.Name, f.Type.String(), f.Description})
	}
	named := t.Index("name")
	for _, row := range t.Rows[:min(t.Len(), mostGridRows)] {
		cells := make([]cell, len(fields))
		about, _ := row.Cell(named).Text() // "" without such a column
		for i, f := range fields {
			cells[i] = cellAt(row.Cell(i), depth)
			if !cells[i].Empty && (isSecretName(f.Name) || f.Name == "value" && isSecretName(about)) {
				cells[i] = cell{Text: hiddenText}
			}
		}
		g.Rows = append(g.Rows, cells)
	}
	return g
}

// cellOf shows one value.
func cellOf(v infotable.Value) cell { return cellAt(v, 0) }

func cellAt(v infotable.Value, depth int) cell {
	v = v.Unwrap()
	if v.IsNothing() {
		return cell{Empty: true}
	}
	if table, ok := v.Table(); ok && depth < mostDepth {
		return cell{Table: gridAt(table, depth+1)}
	}
	text := textOf(v)
	var out bytes.Buffer
	if t := v.Type(); (t == infotable.TypeJSON || t == infotable.TypeQuery) && json.Indent(&out, []byte(text), "", "  ") == nil {
		text = out.String()
	}
	return cell{Text: cut(text, mostCell), Pre: strings.ContainsRune(text, '\n'), Empty: text == ""}
}

// textOf is a value as text, without secrets.
func textOf(v infotable.Value) string { return veil(v.String()) }

// veil takes the secrets out of a text that connection strings and signatures carry.
func veil(text string) string { return secretPart.ReplaceAllString(text, "${1}"+hiddenText) }

var secretPart = regexp.MustCompile(`(?i)\b((?:SharedAccessKey|AccountKey|SharedAccessSignature|Password|sig)=)[^;&\s"']+`)

// isSecretName reports whether a column or setting of this name holds a secret.
func isSecretName(name string) bool { return secretName.MatchString(name) }

var secretName = regexp.MustCompile(`(?i)(connectionString|password|secret|appKey|accountKey|sharedAccessKey)$`)
