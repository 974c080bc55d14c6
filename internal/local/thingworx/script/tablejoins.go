package script

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"azx/alwayson/infotable"
)

// maxJoined bounds the rows of a join, which may be as many as the product of both tables.
const maxJoined = 1 << 20

func renameField(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	t, err := in.table("t")
	if err != nil {
		return nil, err
	}
	i := t.Index(in.text("from"))
	switch {
	case i < 0:
		return nil, noField(in.text("from"))
	case in.text("to") == "":
		return nil, errors.New("the new name is missing")
	case t.Index(in.text("to")) >= 0 && in.text("to") != in.text("from"):
		return nil, fmt.Errorf("there is a field %q already", in.text("to"))
	}
	out := &infotable.Table{Fields: slices.Clone(t.Fields), Rows: t.Rows}
	out.Fields[i].Name = in.text("to")
	return out, nil
}

// columns finds fields by their names; no names are all fields.
func columns(t *infotable.Table, names []string) ([]int, error) {
	if len(names) == 0 {
		for i := range t.Fields {
			names = append(names, t.Fields[i].Name)
		}
	}
	all := make([]int, 0, len(names))
	for _, name := range names {
		i := t.Index(name)
		if i < 0 {
			return nil, noField(name)
		}
		all = append(all, i)
	}
	return all, nil
}

func picked(row infotable.Row, at []int) infotable.Row {
	out := make(infotable.Row, len(at))
	for i, c := range at {
		out[i] = row.Cell(c)
	}
	return out
}

func fieldsAt(t *infotable.Table, at []int) []infotable.Field {
	out := make([]infotable.Field, len(at))
	for i, c := range at {
		out[i] = t.Fields[c]
	}
	return out
}

// distinct keeps one row for each combination of the columns, and these columns alone.
func distinct(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	t, err := in.table("t")
	if err != nil {
		return nil, err
	}
	at, err := columns(t, in.names("columns"))
	if err != nil {
		return nil, err
	}
	out := &infotable.Table{Fields: fieldsAt(t, at)}
	seen := map[string]bool{}
	for _, row := range t.Rows {
		cells := picked(row, at)
		if k := key(cells...); !seen[k] {
			seen[k] = true
			out.Rows = append(out.Rows, cells)
		}
	}
	return out, nil
}

// union appends the second table's rows to the first's, by the names of the fields.
func union(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	a, err := in.table("t1")
	if err != nil {
		return nil, err
	}
	b, err := in.table("t2")
	if err != nil {
		return nil, err
	}
	out := &infotable.Table{Fields: slices.Clone(a.Fields), Rows: slices.Clone(a.Rows)}
	for _, f := range b.Fields {
		if out.Index(f.Name) < 0 {
			out.Fields = append(out.Fields, f)
		}
	}
	at := make([]int, len(b.Fields))
	for i := range b.Fields {
		at[i] = out.Index(b.Fields[i].Name)
	}
	for _, row := range b.Rows {
		cells := make(infotable.Row, len(out.Fields))
		for i, c := range at {
			cells[c] = row.Cell(i)
		}
		out.Rows = append(out.Rows, cells)
	}
	return out, nil
}

// side is one table of a join.
type side struct {
	t         *infotable.Table
	keys, out []int
}

func (a arguments) side(n string) (side, error) {
	t, err := a.table("t" + n)
	if err != nil {
		return side{}, err
	}
	if len(a.names("joinColumns"+n)) == 0 {
		return side{}, fmt.Errorf("joinColumns%s is missing", n)
	}
	keys, err := columns(t, a.names("joinColumns"+n))
	if err != nil {
		return side{}, err
	}
	out, err := columns(t, a.names("columns"+n))
	return side{t, keys, out}, err
}

// intersect joins two tables. A column that both have is there once, with the first table's value if there is one.
func intersect(_ context.Context, _ Host, in arguments) (*infotable.Table, error) {
	a, err := in.side("1")
	if err != nil {
		return nil, err
	}
	b, err := in.side("2")
	if err != nil {
		return nil, err
	}
	if len(a.keys) != len(b.keys) {
		return nil, errors.New("joinColumns1 and joinColumns2 do not have the same number of columns")
	}
	kind := strings.ToUpper(in.text("joinType"))
	if !slices.Contains([]string{"", "INNER", "LEFT", "RIGHT", "FULL"}, kind) {
		return nil, fmt.Errorf("joinType %q is none of INNER, LEFT, RIGHT, FULL", in.text("joinType"))
	}
	return join(a, b, kind == "LEFT" || kind == "FULL", kind == "RIGHT" || kind == "FULL")
}

func join(a, b side, lonelyA, lonelyB bool) (*infotable.Table, error) {
	out := &infotable.Table{Fields: fieldsAt(a.t, a.out)}
	place := make([]int, len(b.out))
	for i, c := range b.out {
		if place[i] = out.Index(b.t.Fields[c].Name); place[i] < 0 {
			place[i] = len(out.Fields)
			out.Fields = append(out.Fields, b.t.Fields[c])
		}
	}
	add := func(left, right infotable.Row) {
		cells := make(infotable.Row, len(out.Fields))
		copy(cells, picked(left, a.out))
		for i, c := range b.out {
			if cells[place[i]].IsNothing() {
				cells[place[i]] = right.Cell(c)
			}
		}
		out.Rows = append(out.Rows, cells)
	}
	byKey := map[string][]int{}
	for i, row := range b.t.Rows {
		k := key(picked(row, b.keys)...)
		byKey[k] = append(byKey[k], i)
	}
	met := make([]bool, len(b.t.Rows))
	for _, row := range a.t.Rows {
		partners := byKey[key(picked(row, a.keys)...)]
		for _, i := range partners {
			met[i] = true
			add(row, b.t.Rows[i])
		}
		if len(partners) == 0 && lonelyA {
			add(row, nil)
		}
		if len(out.Rows) > maxJoined {
			return nil, fmt.Errorf("more than %d rows", maxJoined)
		}
	}
	for i, row := range b.t.Rows {
		if lonelyB && !met[i] {
			add(nil, row)
		}
	}
	return out, nil
}
