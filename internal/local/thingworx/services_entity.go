package thingworx

import (
	"path"
	"slices"
	"strings"

	"azx/alwayson/infotable"
	"azx/extension/entity"
)

// thingServices are those of EntityServices for Things; parameters are the platform's own (read).
func thingServices() []*service {
	thingName := infotable.TypeThingName
	shapeParams := []Param{required("name", thingName), required("thingShapeName", infotable.TypeThingShapeName)}
	return []*service{
		native("CreateThing", "Create a Thing, disabled", []Param{
			required("name", tString), required("thingTemplateName", infotable.TypeThingTemplateName),
			optional("description", tString), optional("projectName", tString),
			optional("tags", infotable.TypeTags), optional("ownerUserName", infotable.TypeUserName),
			optional(propGateway, thingName), // ours: so that a device's Thing has its gateway before it is enabled
		}, tNothing, createThing),
		native("DeleteThing", "Delete a Thing", []Param{required("name", thingName)}, tNothing, deleteThing),
		native("AddShapeToThing", "Let a Thing implement a shape", shapeParams, tNothing, addShapeToThing),
		native("RemoveShapeFromThing", "Take a shape from a Thing", shapeParams, tNothing, removeShapeFromThing),
		native("GetEntityList", "Entities of a type", []Param{
			optional("type", tString), optional("nameMask", tString), optional("maxItems", tNumber),
			optional("tags", infotable.TypeTags),
		}, tTable, getEntityList),
		native("IsRemoteThingBound", "Whether somebody stands for a Thing", []Param{required("name", tString)}, tBoolean, isRemoteThingBound),
		native("GetThingNameForIdentifier", "Thing with an identifier", []Param{required("identifier", tString)}, thingName, getThingNameForIdentifier),
	}
}

func createThing(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.CreateThing(c.ctx, ThingSpec{
		Name: c.text("name"), Template: c.text("thingTemplateName"), Description: c.text("description"),
		Tags: c.text("tags"), Project: c.text("projectName"), owner: c.text("ownerUserName"),
		Gateway: c.text(propGateway),
	})
}

func deleteThing(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.DeleteThing(c.ctx, c.text("name"))
}

func addShapeToThing(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.reshape(c, func(m *model, t *thing, shape string) error {
		if t.class.implements[shape] {
			return nil
		}
		shapes := append(slices.Clone(t.shapes), shape)
		if err := t.conflict(m.class(t.template, shapes)); err != nil {
			return err
		}
		t.shapes = shapes
		return nil
	})
}

func removeShapeFromThing(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.reshape(c, func(_ *model, t *thing, shape string) error {
		i := slices.Index(t.shapes, shape)
		if i < 0 {
			return Refuse(NotFound, "shape %s was not added to Thing %s itself", shape, t.name)
		}
		t.shapes = slices.Delete(slices.Clone(t.shapes), i, i+1)
		return nil
	})
}

func (p *Platform) reshape(c *call, change func(m *model, t *thing, shape string) error) error {
	shape := c.text("thingShapeName")
	t, err := p.seen(c.ctx, c.text("name"))
	if err != nil {
		return err
	}
	if err := p.model.Load().checkShape(shape); err != nil {
		return err
	}
	err = p.define(t, func(m *model) error {
		if err := change(m, t, shape); err != nil {
			return err
		}
		t.inherit(m.class(t.template, t.shapes))
		return nil
	})
	if err == nil {
		p.bindings.refresh(p, t.name)
	}
	return err
}

// EntityList makes a table with the columns of the data shape RootEntityList (read).
func EntityList() *infotable.Table {
	return infotable.New(infotable.Column("name", tString), infotable.Column("description", tString),
		infotable.Column("homeMashup", infotable.TypeMashupName), infotable.Column("tags", infotable.TypeTags),
		infotable.Column("avatar", infotable.TypeImageLink), infotable.Column("isSystemObject", tBoolean))
}

// AddEntity adds a row to a table that EntityList made.
func AddEntity(table *infotable.Table, about *entity.Common, system bool) {
	table.Add(infotable.String(about.Name), infotable.String(about.Description), infotable.Text(infotable.TypeMashupName, about.HomeMashup),
		infotable.Text(infotable.TypeTags, about.Tags), infotable.Text(infotable.TypeImageLink, ""), infotable.Boolean(system))
}

// nameList makes a table with the columns of the data shape EntityList (read).
func nameList() *infotable.Table {
	return infotable.New(infotable.Column("name", tString), infotable.Column("description", tString))
}

// collections by the singular that services call types by (read: MediaEntity; the others lose their s).
func collectionOf(kind string) EntityKind {
	switch {
	case kind == "":
		return EntityThing
	case strings.HasSuffix(kind, "MediaEntity"):
		return "MediaEntities"
	case strings.HasSuffix(kind, "Vocabulary"):
		return EntityKind(strings.TrimSuffix(kind, "y") + "ies")
	case !strings.HasSuffix(kind, "s"):
		return EntityKind(kind + "s")
	default:
		return EntityKind(kind)
	}
}

func getEntityList(p *Platform, c *call) (infotable.Value, error) {
	mask := orText(c.text("nameMask"), "*")
	if _, err := path.Match(mask, ""); err != nil {
		return nothing(), Refuse(Invalid, "GetEntityList: name mask %q is malformed", shorten(mask))
	}
	kind := collectionOf(c.text("type"))
	if known := p.Collections(); !slices.Contains(known, kind) && kind != EntityApplicationKey {
		names := make([]string, len(known))
		for i, k := range known {
			names[i] = string(k)
		}
		return nothing(), Refuse(Invalid, "GetEntityList: there are no entities of type %q here; there are %s", shorten(string(kind)), list(names))
	}
	most := int(c.number("maxItems"))
	table := EntityList()
	for _, e := range p.Entities(c.ctx, kind) {
		if ok, _ := path.Match(mask, e.Name); ok && (most <= 0 || table.Len() < most) && tagged(e.Tags, c.text("tags")) {
			AddEntity(table, &e.Common, e.System)
		}
	}
	return infotable.FromTable(table), nil
}

// tagged reports whether tags, separated by semicolons, have all those that are wanted.
func tagged(tags, wanted string) bool {
	has := strings.Split(tags, ";")
	for tag := range strings.SplitSeq(wanted, ";") {
		if tag = strings.TrimSpace(tag); tag != "" && !slices.Contains(has, tag) {
			return false
		}
	}
	return true
}

func isRemoteThingBound(p *Platform, c *call) (infotable.Value, error) {
	if _, err := p.seen(c.ctx, c.text("name")); err != nil {
		return nothing(), err
	}
	return infotable.Boolean(p.IsBound(c.text("name"))), nil
}

func getThingNameForIdentifier(p *Platform, c *call) (infotable.Value, error) {
	p.mu.RLock()
	name := p.identifiers[c.text("identifier")]
	p.mu.RUnlock()
	if name == "" {
		return nothing(), Refuse(NotFound, "no Thing has the identifier %q", shorten(c.text("identifier")))
	}
	return infotable.Text(infotable.TypeThingName, name), nil
}
