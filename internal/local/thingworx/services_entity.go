package thingworx

import (
	"maps"
	"path"
	"slices"
	"strings"

	"azx/alwayson/infotable"
)

// Version is what the platform says it is when asked by GetThingworxVersion.
const Version = "9.3.0-azx"

// builtinResources are the services of Resources and Subsystems, by "collection/name" (read).
func builtinResources() map[string][]*service {
	thingName := infotable.TypeThingName
	shapeParams := []Param{required("name", thingName), required("thingShapeName", infotable.TypeThingShapeName)}
	return map[string][]*service{
		"Resources/EntityServices": {
			{ServiceInfo: ServiceInfo{"CreateThing", "Create a Thing, disabled", []Param{
				required("name", tString), required("thingTemplateName", infotable.TypeThingTemplateName),
				optional("description", tString), optional("projectName", tString),
				optional("tags", infotable.TypeTags), optional("ownerUserName", infotable.TypeUserName),
				optional(propGateway, thingName), // ours: so that a device's Thing has its gateway before it is enabled
			}, tNothing}, run: createThing},
			{ServiceInfo: ServiceInfo{"DeleteThing", "Delete a Thing", []Param{required("name", thingName)}, tNothing},
				run: deleteThing},
			{ServiceInfo: ServiceInfo{"AddShapeToThing", "Let a Thing implement a shape", shapeParams, tNothing},
				run: addShapeToThing},
			{ServiceInfo: ServiceInfo{"RemoveShapeFromThing", "Take a shape from a Thing", shapeParams, tNothing},
				run: removeShapeFromThing},
			{ServiceInfo: ServiceInfo{"GetEntityList", "Things, templates or shapes", []Param{
				optional("type", tString), optional("nameMask", tString), optional("maxItems", tNumber),
				optional("tags", infotable.TypeTags),
			}, tTable}, run: getEntityList},
			{ServiceInfo: ServiceInfo{"IsRemoteThingBound", "Whether somebody stands for a Thing",
				[]Param{required("name", tString)}, tBoolean}, run: isRemoteThingBound},
		},
		"Subsystems/PlatformSubsystem": {
			{ServiceInfo: ServiceInfo{"GetThingworxVersion", "Version", nil, tString}, run: getVersion},
			{ServiceInfo: ServiceInfo{"GetExtensionPackageList", "Imported packages", nil, tTable}, run: getPackages},
		},
	}
}

func createThing(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.CreateThing(ThingSpec{
		Name: c.text("name"), Template: c.text("thingTemplateName"), Description: c.text("description"),
		Tags: c.text("tags"), Project: c.text("projectName"),
		Gateway: c.text(propGateway),
	})
}

func deleteThing(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.DeleteThing(c.text("name"))
}

func addShapeToThing(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.reshape(c.text("name"), c.text("thingShapeName"), func(t *thing, shape string) error {
		for _, d := range p.model.shapes[shape].properties {
			if old := t.props[d.Name]; old != nil && old.def.From == "" {
				return Refuse(Exists, "Thing %s has a property %s of its own, which shape %s defines too", t.name, d.Name, shape)
			}
		}
		t.addShape(p.model, shape)
		t.inherit(p.model)
		return nil
	})
}

func removeShapeFromThing(p *Platform, c *call) (infotable.Value, error) {
	return nothing(), p.reshape(c.text("name"), c.text("thingShapeName"), func(t *thing, shape string) error {
		i := slices.Index(t.shapes, shape)
		if i < 0 {
			return Refuse(NotFound, "shape %s was not added to Thing %s itself", shape, t.name)
		}
		t.shapes = slices.Delete(t.shapes, i, i+1)
		t.inherit(p.model)
		return nil
	})
}

func (p *Platform) reshape(thingName, shape string, change func(t *thing, shape string) error) error {
	t, err := p.find(thingName)
	if err != nil {
		return err
	}
	if err := p.checkShape(shape); err != nil {
		return err
	}
	if err := p.define(t, func() error { return change(t, shape) }); err != nil {
		return err
	}
	p.bindings.refresh(p, thingName)
	return nil
}

// EntityList makes a table with the columns of the data shape RootEntityList (read).
func EntityList() *infotable.Table {
	return infotable.New(infotable.Column("name", tString), infotable.Column("description", tString),
		infotable.Column("homeMashup", infotable.TypeMashupName), infotable.Column("tags", infotable.TypeTags),
		infotable.Column("avatar", infotable.TypeImageLink), infotable.Column("isSystemObject", tBoolean))
}

// AddEntity adds a row to a table that EntityList made.
func AddEntity(table *infotable.Table, name, description, tags string, system bool) {
	table.Add(infotable.String(name), infotable.String(description), infotable.Text(infotable.TypeMashupName, ""),
		infotable.Text(infotable.TypeTags, tags), infotable.Text(infotable.TypeImageLink, ""), infotable.Boolean(system))
}

func getEntityList(p *Platform, c *call) (infotable.Value, error) {
	mask := c.text("nameMask")
	if mask == "" {
		mask = "*"
	}
	if _, err := path.Match(mask, ""); err != nil {
		return nothing(), Refuse(Invalid, "GetEntityList: name mask %q is malformed", shorten(mask))
	}
	most := int(c.number("maxItems"))
	table := EntityList()
	add := func(name, description, tags string, system bool) {
		if ok, _ := path.Match(mask, name); ok && (most <= 0 || table.Len() < most) {
			AddEntity(table, name, description, tags, system)
		}
	}
	switch kind := strings.TrimSuffix(c.text("type"), "s"); kind {
	case "Thing", "":
		views, _ := p.Things("", 0)
		for _, v := range views {
			add(v.Name, v.Description, v.Tags, v.System)
		}
	case "ThingTemplate":
		for _, name := range slices.Sorted(maps.Keys(p.model.templates)) {
			add(name, p.model.templates[name].description, "", true)
		}
	case "ThingShape":
		for _, name := range slices.Sorted(maps.Keys(p.model.shapes)) {
			add(name, p.model.shapes[name].description, "", true)
		}
	default:
		return nothing(), Refuse(Invalid, "GetEntityList: there are no entities of type %q here;"+
			" it may be Thing, ThingTemplate or ThingShape", shorten(kind))
	}
	return infotable.FromTable(table), nil
}

func isRemoteThingBound(p *Platform, c *call) (infotable.Value, error) {
	if _, err := p.find(c.text("name")); err != nil {
		return nothing(), err
	}
	return infotable.Boolean(p.IsBound(c.text("name"))), nil
}

func getVersion(*Platform, *call) (infotable.Value, error) { return infotable.String(Version), nil }

// getPackages is empty: extension packages cannot be imported here yet.
func getPackages(*Platform, *call) (infotable.Value, error) {
	return infotable.FromTable(infotable.New(infotable.Column("name", tString), infotable.Column("vendor", tString),
		infotable.Column("description", tString), infotable.Column("packageVersion", tString),
		infotable.Column("minimumThingWorxVersion", tString), infotable.Column("buildNumber", tString))), nil
}
