package verify

import (
	"fmt"
	"slices"
	"strings"

	"azx/extension/entity"
)

func (c *comparer) members(w, g entity.Members) {
	c.fields("property", propertyFields(w.Properties), propertyFields(g.Properties))
	each(c, "service", w.Services, g.Services, func(s entity.Service) string { return s.Name }, c.service)
	each(c, "event", w.Events, g.Events, func(e entity.Event) string { return e.Name }, func(label string, w, g entity.Event) {
		c.text("the data shape of "+label, w.DataShape, g.DataShape)
	})
	each(c, "subscription", w.Subscriptions, g.Subscriptions, func(s entity.Subscription) string { return s.Name }, c.subscription)
	each(c, "the remote binding of property", w.RemoteProperties, g.RemoteProperties, func(b entity.RemoteProperty) string { return b.Name },
		func(label string, w, g entity.RemoteProperty) {
			c.source(label, w.Name, w.SourceName, g.SourceName)
			if w.PushType != "VALUE" || g.PushType != "" { // VALUE is the default, and some answers leave it out
				c.text("the push type of "+label, w.PushType, g.PushType)
			}
			c.text("the start type of "+label, w.StartType, g.StartType)
		})
	each(c, "the remote binding of service", w.RemoteServices, g.RemoteServices, func(b entity.RemoteService) string { return b.Name },
		func(label string, w, g entity.RemoteService) {
			c.source(label, w.Name, w.SourceName, g.SourceName)
			if w.Timeout != g.Timeout || w.Queue != g.Queue {
				c.lose("%s has the time-out %d and the queue %v, expected %d and %v", label, g.Timeout, g.Queue, w.Timeout, w.Queue)
			}
		})
	each(c, "the remote binding of event", w.RemoteEvents, g.RemoteEvents, func(b entity.RemoteEvent) string { return b.Name },
		func(label string, w, g entity.RemoteEvent) { c.source(label, w.Name, w.SourceName, g.SourceName) })
}

// each pairs members by name, and loses those that the platform has not.
func each[M any](c *comparer, what string, want, got []M, name func(M) string, compare func(label string, w, g M)) {
	for _, w := range want {
		label := fmt.Sprintf("%s %q", what, name(w))
		i := slices.IndexFunc(got, func(g M) bool { return name(g) == name(w) })
		if i < 0 {
			c.lose("%s is missing", label)
			continue
		}
		compare(label, w, got[i])
	}
}

func propertyFields(properties []entity.Property) []entity.Field {
	fields := make([]entity.Field, len(properties))
	for i, p := range properties {
		fields[i] = p.Field
	}
	return fields
}

// source compares names at the edge: none is the name of the member itself.
func (c *comparer) source(label, name, want, got string) {
	for _, s := range []*string{&want, &got} {
		if *s == "" {
			*s = name
		}
	}
	c.text("the remote name in "+label, want, got)
}

func (c *comparer) service(label string, w, g entity.Service) {
	c.fields(label+": parameter", w.Parameters, g.Parameters)
	c.text("the result of "+label, w.Result.BaseType, g.Result.BaseType)
	c.aspects("the result of "+label, w.Result.Aspects, g.Result.Aspects)
	c.aspects(label, w.Aspects, g.Aspects)
	if w.AllowOverride != g.AllowOverride || w.Private != g.Private {
		c.lose("%s has isAllowOverride %v and isPrivate %v, expected %v and %v", label, g.AllowOverride, g.Private, w.AllowOverride, w.Private)
	}
	c.script(label, w.Handler, w.Code, g.Handler, g.Code)
}

func (c *comparer) subscription(label string, w, g entity.Subscription) {
	c.text("the event of "+label, w.Event, g.Event)
	c.text("the source of "+label, w.Source, g.Source)
	c.text("the source property of "+label, w.Property, g.Property)
	if w.Enabled && !g.Enabled {
		c.lose("%s is not enabled", label)
	}
	c.script(label, w.Handler, w.Code, g.Handler, g.Code)
}

func (c *comparer) script(label, wantHandler, want, gotHandler, got string) {
	lines := func(code string) string { return strings.TrimSpace(strings.ReplaceAll(code, "\r\n", "\n")) }
	switch {
	case wantHandler == "":
	case gotHandler == "":
		c.lose("the implementation of %s is missing", label)
	case gotHandler != wantHandler:
		c.lose("%s is carried out by %s, expected %s", label, gotHandler, wantHandler)
	case lines(want) != lines(got):
		c.lose("the script of %s is another one", label)
	}
}

// tables compares definitions, and the columns of tables. The values are the administrator's: only rows that are all gone are a loss.
func (c *comparer) tables(wantDefinitions, gotDefinitions []entity.TableDefinition, want, got []entity.Table) {
	each(c, "the definition of configuration table", wantDefinitions, gotDefinitions, func(d entity.TableDefinition) string { return d.Name },
		func(label string, w, g entity.TableDefinition) {
			c.text("the data shape of "+strings.TrimPrefix(label, "the definition of "), w.DataShape, g.DataShape)
			if w.MultiRow != g.MultiRow {
				c.lose("%s has isMultiRow %v, expected %v", label, g.MultiRow, w.MultiRow)
			}
		})
	each(c, "configuration table", want, got, func(t entity.Table) string { return t.Name }, func(label string, w, g entity.Table) {
		c.fields(label+": column", w.Fields, g.Fields)
		if len(w.Rows) > 0 && len(g.Rows) == 0 {
			c.lose("%s has no rows", label)
		}
	})
}
