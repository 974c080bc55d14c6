package page

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx"
)

// Bounds of a table that a form can edit.
const (
	mostEditRows = 200
	freshRows    = 2 // empty rows below those that are there
)

// configurationView has a form for each configuration table of a Thing.
type configurationView struct {
	frame
	Head
	Tables []settings
}

// settings is the form of one configuration table.
type settings struct {
	Name, Description, Action string
	Mark                      string // of the table as it is shown: a form is refused when the table was changed since
	MultiRow, TooLong         bool
	Problem                   string
	Columns                   []column
	Rows                      []line // one unless it has several
}

// line is one row of a table.
type line struct {
	Index  string // "new0" and so on for those that are not there yet
	Number int
	Fresh  bool
	Fields []field
}

func (h *Handler) configuration(w http.ResponseWriter, r *http.Request) {
	h.showConfiguration(w, r, http.StatusOK, "", nil)
}

// showConfiguration shows all tables; with a problem, that one as the person filled it in.
func (h *Handler) showConfiguration(w http.ResponseWriter, r *http.Request, status int, tried string, problem error) {
	ctx, name := r.Context(), r.PathValue("name")
	v, err := h.platform.Thing(ctx, name)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	view := &configurationView{frame: frame{Title: name + ": configuration", Tab: "entities"}, Head: thingHead(&v, "configuration")}
	names, err := h.tablesOf(ctx, &v)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	for _, t := range names {
		table, multi, err := h.configured(ctx, name, t.Name)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		s := settingsOf(t, table, multi)
		s.Action = linkThing(name, "configuration", t.Name)
		if problem != nil && t.Name == tried {
			s.Problem = problem.Error()
			s.refill(r)
		}
		view.Tables = append(view.Tables, s)
	}
	h.show(w, r, status, "configuration", view)
}

// tablesOf lists the configuration tables of a Thing in the order of their definitions.
func (h *Handler) tablesOf(ctx context.Context, v *thingworx.ThingView) ([]entity.TableDefinition, error) {
	listed, err := h.platform.Call(ctx, thingworx.EntityThing, v.Name, "GetConfigurationTables", nil)
	if err != nil {
		return nil, err
	}
	known := map[string]entity.TableDefinition{}
	for name := v.Template; name != ""; {
		e, err := h.platform.Entity(ctx, thingworx.EntityTemplate, name)
		t, ok := e.Source.(entity.ThingTemplate)
		if err != nil || !ok {
			break
		}
		for _, d := range t.Definitions {
			known[d.Name] = d
		}
		name = t.Base
	}
	var out []entity.TableDefinition
	for i := range listed.Len() {
		name, _ := listed.At(i, "name").Text()
		d := known[name]
		d.Name = name
		d.Description, _ = listed.At(i, "description").Text()
		if !d.Hidden {
			out = append(out, d)
		}
	}
	slices.SortStableFunc(out, func(a, b entity.TableDefinition) int { return place(a) - place(b) })
	return out, nil
}

// place is where a table stands among the others: those of the platform itself, which have no ordinal, come last.
func place(d entity.TableDefinition) int {
	if d.Ordinal == 0 {
		return math.MaxInt32
	}
	return d.Ordinal
}

// configured returns a table as it is now, its passwords encrypted.
func (h *Handler) configured(ctx context.Context, thing, name string) (table *infotable.Table, multi bool, err error) {
	of := infotable.OneRow(infotable.Cell{Name: "tableName", Value: infotable.String(name)})
	if table, err = h.platform.Call(ctx, thingworx.EntityThing, thing, "GetConfigurationTable", of); err != nil {
		return nil, false, err
	}
	answer, err := h.platform.Call(ctx, thingworx.EntityThing, thing, "IsMultiRowTable", of)
	multi, _ = answer.First("result").Boolean()
	return table, multi, err
}

func settingsOf(d entity.TableDefinition, table *infotable.Table, multi bool) settings {
	s := settings{Name: d.Name, Description: d.Description, MultiRow: multi, Mark: markOf(table), TooLong: table.Len() > mostEditRows}
	for _, f := range table.Fields {
		s.Columns = append(s.Columns, column{f.Name, f.Type.String(), f.Description})
	}
	if s.TooLong {
		return s
	}
	for i := range table.Len() {
		s.Rows = append(s.Rows, lineOf(d.Name, strconv.Itoa(i), len(s.Rows)+1, table.Fields, table.Rows[i]))
	}
	if multi {
		for i := range freshRows {
			l := lineOf(d.Name, "new"+strconv.Itoa(i), len(s.Rows)+1, table.Fields, nil)
			l.Fresh = true
			s.Rows = append(s.Rows, l)
		}
	}
	return s
}

func lineOf(table, index string, number int, fields []infotable.Field, row infotable.Row) line {
	l := line{Index: index, Number: number}
	for i, f := range fields {
		v := row.Cell(i)
		in := fieldOf(index+"."+f.Name, f.Type, inputText(v))
		in.ID, in.Label = table+"-"+in.Name, f.Name
		if f.Description != "" {
			in.Hint = f.Description
		}
		if f.Type == infotable.TypePassword {
			text, _ := v.Text()
			in.IsSet = text != ""
		}
		l.Fields = append(l.Fields, in)
	}
	return l
}

// refill puts in what the person typed, but passwords.
func (s *settings) refill(r *http.Request) {
	for i := range s.Rows {
		for j := range s.Rows[i].Fields {
			f := &s.Rows[i].Fields[j]
			if f.Widget == "password" || !r.PostForm.Has(f.Name) {
				continue
			}
			f.Value = r.PostForm.Get(f.Name)
			for k := range f.Options {
				f.Options[k].Chosen = f.Options[k].Value == f.Value
			}
		}
	}
}

// markOf changes when anything in a table does.
func markOf(table *infotable.Table) string {
	sum := sha256.Sum256(infotable.AppendTable(nil, table))
	return hex.EncodeToString(sum[:8])
}

// configure saves a table.
func (h *Handler) configure(w http.ResponseWriter, r *http.Request) {
	thing, name := r.PathValue("name"), r.PathValue("table")
	if err := h.save(r, thing, name); err != nil {
		h.remember("save table "+cut(name, mostCharacters)+" of Thing "+cut(thing, mostCharacters), err)
		h.showConfiguration(w, r, statusOf(err), name, err)
		return
	}
	back(w, r, linkThing(thing, "configuration"), "saved", name)
}

func (h *Handler) save(r *http.Request, thing, name string) error {
	old, multi, err := h.configured(r.Context(), thing, name)
	switch {
	case err != nil:
		return err
	case r.PostForm.Get("mark") != markOf(old):
		return thingworx.Refuse(thingworx.Exists, "somebody changed the table %s meanwhile: look at it as it is now, and save again", name)
	case old.Len() > mostEditRows:
		return thingworx.Refuse(thingworx.Unsupported, "the table %s has more than %d rows: change it by REST", name, mostEditRows)
	}
	next := infotable.New(old.Fields...)
	for i, row := range old.Rows {
		if err := addLine(next, r, strconv.Itoa(i), row); err != nil {
			return err
		}
	}
	service := "SetConfigurationTable"
	if multi {
		service = "SetMultiRowConfigurationTable"
		for i := range freshRows {
			if err := addLine(next, r, "new"+strconv.Itoa(i), nil); err != nil {
				return err
			}
		}
	}
	_, err = h.platform.Call(r.Context(), thingworx.EntityThing, thing, service, infotable.OneRow(
		infotable.Cell{Name: "tableName", Value: infotable.String(name)},
		infotable.Cell{Name: "configurationTable", Value: infotable.FromTable(next)}))
	return err
}

// addLine adds a row as the form has it; old is what it was, nil for a new one. A removed row, and a new one that nobody
// filled in, are left out. A password stays unless another one is given or it is to be forgotten.
func addLine(next *infotable.Table, r *http.Request, index string, old infotable.Row) error {
	form := r.PostForm
	if form.Get("remove."+index) != "" {
		return nil
	}
	row, given := make(infotable.Row, len(next.Fields)), old != nil
	for i, f := range next.Fields {
		key := index + "." + f.Name
		text := form.Get(key)
		if strings.TrimSpace(text) != "" {
			given = true
		}
		if f.Type == infotable.TypePassword && text == "" {
			if form.Get("forget."+key) == "" {
				row[i] = old.Cell(i)
			}
			continue
		}
		v, err := parse(f.Type, text, nil)
		if err != nil {
			return thingworx.Refuse(thingworx.Invalid, "%s: %v", f.Name, err)
		}
		if v.IsNothing() && f.Type.IsText() && old != nil && f.Type != infotable.TypeJSON {
			v = infotable.Text(f.Type, "")
		}
		row[i] = v
	}
	if given {
		next.Add(row...)
	}
	return nil
}

// fieldsOf are the columns of a data shape, nil if they are not known.
func (h *Handler) fieldsOf(ctx context.Context, shape string) []infotable.Field {
	if shape == "" {
		return nil
	}
	e, err := h.platform.Entity(ctx, thingworx.EntityDataShape, shape)
	s, ok := e.Source.(entity.DataShape)
	if err != nil || !ok {
		return nil
	}
	var out []infotable.Field
	for _, f := range s.Fields {
		if t, err := infotable.ParseBaseType(f.BaseType); err == nil {
			out = append(out, infotable.Column(f.Name, t))
		}
	}
	return out
}
