package thingworx

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx/history"
)

// historyDefault is how many rows a query of history gives if it does not say (read: 500).
const historyDefault = 500

// remember keeps the values of logged properties before they are acknowledged. A real platform keeps nothing without a
// value stream (read); this one does, and says so in the application log.
func (p *Platform) remember(t *thing, targets []target) error {
	var entries []history.Entry
	for i := range targets {
		if w := &targets[i]; w.prop.def.Logged {
			entries = append(entries, history.Entry{Thing: t.name, Property: w.prop.def.Name, Time: w.vtq.Time, Value: w.vtq.Value, Quality: w.vtq.Quality})
		}
	}
	if len(entries) == 0 {
		return nil
	}
	if !t.warned && orText(t.stream, t.class.stream) == "" {
		t.warned = true
		p.log(context.Background(), "warn", t.name, "logged properties, but neither the Thing nor its template names a value stream:"+
			" a real platform would keep no history")
	}
	if err := p.opts.History.Append(entries); err != nil {
		return fmt.Errorf("keep the history of Thing %s: %w", t.name, err)
	}
	return nil
}

// historyServices are those of GenericThing for the history of logged properties; parameters are the platform's own (read).
func historyServices() []*service {
	window := []Param{optional("startDate", tDateTime), optional("endDate", tDateTime), optional("maxItems", tNumber),
		optional("oldestFirst", tBoolean), optional("query", tQuery)}
	out := []*service{
		native("QueryPropertyHistory", "Values of all logged properties, a row for each time", window, tTable, queryPropertyHistory),
		native("QueryNamedPropertyHistory", "Values of logged properties, a row for each time",
			append([]Param{required("propertyNames", tTable)}, window...), tTable, queryNamedPropertyHistory),
		native("GetLoggedProperties", "Logged properties", []Param{optional("type", tTypeName)}, tTable, getLoggedProperties),
		native("PurgeAllPropertyHistory", "Forget the history", []Param{optional("startDate", tDateTime), optional("endDate", tDateTime)}, tNothing, purgeHistory),
	}
	for name, base := range map[string]infotable.BaseType{"Number": tNumber, "String": tString, "Boolean": tBoolean, "Integer": tInteger,
		"Long": infotable.TypeLong, "DateTime": tDateTime, "Location": infotable.TypeLocation, "InfoTable": tTable, "Image": infotable.TypeImage} {
		out = append(out, native("Query"+name+"PropertyHistory", "Values of one property", append([]Param{required("propertyName", tString)}, window...),
			tTable, func(p *Platform, c *call) (infotable.Value, error) { return p.historyOf(c, base) }))
	}
	return out
}

// logged returns the logged properties of a Thing, sorted by name.
func (t *thing) logged() []PropertyView {
	v := t.viewed()
	return slices.DeleteFunc(v.Properties, func(d PropertyView) bool { return !d.Logged })
}

// entries asks the history as a call's parameters want it.
func (p *Platform) entriesOf(c *call, properties []string) ([]history.Entry, error) {
	q := history.Query{Thing: c.thing.name, Properties: properties, Oldest: c.truth("oldestFirst")}
	q.From, _ = c.value("startDate").Millis()
	q.To, _ = c.value("endDate").Millis()
	found, err := p.opts.History.Query(q)
	if err != nil {
		return nil, fmt.Errorf("history of Thing %s: %w", c.thing.name, err)
	}
	return found, nil
}

func (c *call) rowsWanted() int {
	most := c.number("maxItems")
	if most < 1 {
		return historyDefault
	}
	return int(math.Min(most, history.MaxLimit))
}

func queryPropertyHistory(p *Platform, c *call) (infotable.Value, error) {
	return p.historyTable(c, c.thing.logged())
}

func queryNamedPropertyHistory(p *Platform, c *call) (infotable.Value, error) {
	names := c.table("propertyNames")
	var found []PropertyView
	all := c.thing.logged()
	for i := range names.Len() {
		name, _ := names.At(i, "name").Text()
		at := slices.IndexFunc(all, func(v PropertyView) bool { return v.Name == name })
		if at < 0 {
			return nothing(), Refuse(NotFound, "Thing %s has no logged property %q", c.thing.name, shorten(name))
		}
		found = append(found, all[at])
	}
	return p.historyTable(c, found)
}

// historyTable has a column for each property and a row for each time (read).
func (p *Platform) historyTable(c *call, properties []PropertyView) (infotable.Value, error) {
	table := infotable.New(infotable.Column("timestamp", tDateTime))
	names := []string{}
	for _, d := range properties {
		table.Fields = append(table.Fields, infotable.Column(d.Name, d.Type))
		names = append(names, d.Name)
	}
	if len(names) == 0 {
		return infotable.FromTable(table), nil
	}
	entries, err := p.entriesOf(c, names)
	if err != nil {
		return nothing(), err
	}
	last := int64(0)
	for _, e := range entries {
		if len(table.Rows) == 0 || e.Time != last {
			row := make(infotable.Row, len(table.Fields))
			row[0], last = infotable.DateTime(e.Time), e.Time
			table.Add(row...)
		}
		table.Rows[len(table.Rows)-1][1+slices.Index(names, e.Property)] = e.Value
	}
	return queried(table, c.text("query"), c.rowsWanted())
}

// historyOf has the columns id, timestamp and value (read).
func (p *Platform) historyOf(c *call, base infotable.BaseType) (infotable.Value, error) {
	view, err := p.read(c.ctx, c.thing, c.text("propertyName"))
	if err != nil {
		return nothing(), err
	}
	if fits := view.Type == base || base == tString && view.Type.IsText(); !fits {
		return nothing(), Refuse(Invalid, "property %s of Thing %s is %s, not %s: %s asks for another history", view.Name, c.thing.name,
			view.Type, base, c.service.Name)
	}
	entries, err := p.entriesOf(c, []string{view.Name})
	if err != nil {
		return nothing(), err
	}
	table := infotable.New(infotable.Column("id", tString), infotable.Column("timestamp", tDateTime), infotable.Column("value", view.Type))
	for _, e := range entries {
		table.Add(infotable.String(c.thing.name), infotable.DateTime(e.Time), e.Value)
	}
	return queried(table, c.text("query"), c.rowsWanted())
}

func getLoggedProperties(_ *Platform, c *call) (infotable.Value, error) {
	views := c.thing.logged()
	if base := c.text("type"); base != "" {
		views = slices.DeleteFunc(views, func(v PropertyView) bool { return !strings.EqualFold(v.Type.String(), base) })
	}
	return infotable.FromTable(PropertyTable(views)), nil
}

func purgeHistory(p *Platform, c *call) (infotable.Value, error) {
	if !c.value("startDate").IsNothing() || !c.value("endDate").IsNothing() {
		return nothing(), Refuse(Unsupported, "only the whole history can be forgotten here: leave out startDate and endDate")
	}
	return nothing(), p.opts.History.Purge(c.thing.name)
}
