package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// table is the part of the page that has the last result of each case and seed.
type table struct {
	ids   []string // of all cases, as the page lists them
	cells map[at]cell
}

type at struct{ id, seed string }

// cell is what a case gave, and how it was run.
type cell struct{ text, run string }

// What stands around the tables of the page.
const (
	casesMark   = "<!-- cases -->\n"
	resultsMark = "<!-- results -->\n"
	endMark     = "<!-- end -->"
)

// parse reads the table of a page, which may have none yet between its marks.
func parse(page string) (*table, error) {
	t := &table{cells: map[at]cell{}}
	cases, ok := between(page, casesMark)
	results, has := between(page, resultsMark)
	if !ok || !has {
		return nil, fmt.Errorf("it does not have the marks %q and %q", strings.TrimSpace(casesMark), strings.TrimSpace(resultsMark))
	}
	for _, m := range regexp.MustCompile(`(?m)^\| (F\d\d) \|`).FindAllStringSubmatch(cases, -1) {
		t.ids = append(t.ids, m[1])
	}
	var seeds []string
	runs := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^- seed (\d+): (.+)$`).FindAllStringSubmatch(results, -1) {
		seeds = append(seeds, m[1])
		runs[m[1]] = m[2]
	}
	own := regexp.MustCompile(`^(.*?)(?: \((.*)\))?$`) // a cell that was run otherwise than its column says how
	for line := range strings.Lines(results) {
		columns := strings.Split(strings.Trim(line, "| \n"), " | ")
		if !regexp.MustCompile(`^F\d\d$`).MatchString(columns[0]) {
			continue
		}
		if len(columns) != len(seeds)+1 {
			return nil, fmt.Errorf("the row of %s has %d columns, and there are %d seeds", columns[0], len(columns)-1, len(seeds))
		}
		for i, text := range columns[1:] {
			if m := own.FindStringSubmatch(text); m[1] != "-" {
				c := cell{m[1], runs[seeds[i]]}
				if m[2] != "" {
					c.run = m[2]
				}
				t.cells[at{columns[0], seeds[i]}] = c
			}
		}
	}
	return t, nil
}

// between is what stands behind a mark, up to the next end.
func between(page, mark string) (string, bool) {
	_, rest, ok := strings.Cut(page, mark)
	part, _, ends := strings.Cut(rest, endMark)
	return part, ok && ends
}

// clear forgets all results.
func (t *table) clear() { clear(t.cells) }

// add takes the result of a case; a later one replaces it.
func (t *table) add(r result) {
	if r.id != "" {
		t.cells[at{r.id, r.seed}] = cell{r.cell(), r.run}
	}
}

// String is the table as the page has it.
func (t *table) String() string {
	var seeds []string
	for key := range t.cells {
		seeds = append(seeds, key.seed)
	}
	slices.Sort(seeds)
	seeds = slices.Compact(seeds)
	var out strings.Builder
	runs := map[string]string{}
	for _, seed := range seeds {
		runs[seed] = t.usual(seed)
		fmt.Fprintf(&out, "- seed %s: %s\n", seed, runs[seed])
	}
	out.WriteString("\n| id |")
	for _, seed := range seeds {
		fmt.Fprintf(&out, " seed %s |", seed)
	}
	out.WriteString("\n|---|" + strings.Repeat("---|", len(seeds)) + "\n")
	for _, id := range t.ids {
		fmt.Fprintf(&out, "| %s |", id)
		for _, seed := range seeds {
			c, ok := t.cells[at{id, seed}]
			switch {
			case !ok:
				c.text = "-"
			case c.run != runs[seed]:
				c.text += " (" + c.run + ")"
			}
			fmt.Fprintf(&out, " %s |", c.text)
		}
		out.WriteString("\n")
	}
	return out.String()
}

// usual is how most cases of a seed were run.
func (t *table) usual(seed string) string {
	times := map[string]int{}
	for key, c := range t.cells {
		if key.seed == seed {
			times[c.run]++
		}
	}
	return slices.MaxFunc(slices.Sorted(maps.Keys(times)), func(x, y string) int { return times[x] - times[y] })
}

// within is a page with this table.
func (t *table) within(page string) string {
	before, rest, _ := strings.Cut(page, resultsMark)
	_, after, _ := strings.Cut(rest, endMark)
	return before + resultsMark + t.String() + endMark + after
}
