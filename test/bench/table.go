package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// table is rows of cells, the first one being the heads of its columns.
type table [][]string

// print writes the table in Markdown, unless it has no rows.
func (t table) print(out io.Writer) error {
	if len(t) < 2 {
		return nil
	}
	width := make([]int, len(t[0]))
	for _, row := range t {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	var text strings.Builder
	for n, row := range t {
		for i, cell := range row {
			if i == 0 {
				fmt.Fprintf(&text, "| %-*s ", width[i], cell)
			} else {
				fmt.Fprintf(&text, "| %*s ", width[i], cell)
			}
		}
		text.WriteString("|\n")
		if n > 0 {
			continue
		}
		text.WriteString("|" + strings.Repeat("-", width[0]+2))
		for _, w := range width[1:] {
			text.WriteString("|" + strings.Repeat("-", w+1) + ":")
		}
		text.WriteString("|\n")
	}
	_, err := fmt.Fprintln(out, text.String())
	return err
}

// number leaves out what was not measured.
func number(format string, v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

func spread(format string, values []float64) string {
	return fmt.Sprintf("["+format+"-"+format+"]", slices.Min(values), slices.Max(values))
}
