package rest

import (
	"net/http"
	"slices"
	"strings"

	"azx/alwayson/infotable"
	"azx/extension/entity"
	"azx/internal/local/thingworx"
)

// collections are those that a platform has also without entities in them (read: the parts of a full export).
func collections() []thingworx.EntityKind {
	return []thingworx.EntityKind{
		thingworx.EntityThing, thingworx.EntityTemplate, thingworx.EntityShape, thingworx.EntityDataShape, thingworx.EntityResource,
		thingworx.EntitySubsystem, thingworx.EntityUser, thingworx.EntityGroup, thingworx.EntityOrganization, thingworx.EntityProject,
		thingworx.EntityApplicationKey, thingworx.EntityMashup, "StyleDefinitions", "StateDefinitions", "StyleThemes", "Networks",
		"MediaEntities", "ModelTags", "DataTags", "LocalizationTables", "Dashboards", "Menus", "Widgets", "Logs", "ThingGroups",
		"DirectoryServices", "Authenticators", "PersistenceProviders", "NotificationDefinitions", "NotificationContents",
	}
}

// collection returns the collection of a name in any case: one that every platform has, or one that a package brought.
func (h *Handler) collection(name string) (thingworx.EntityKind, bool) {
	for _, kind := range slices.Concat(collections(), h.platform.Collections()) {
		if equal(name, string(kind)) {
			return kind, true
		}
	}
	return "", false
}

// entities serves a collection, its entities, and what entities of all collections have.
func (h *Handler) entities(r *request, kind thingworx.EntityKind) (answer, error) {
	switch len(r.path) {
	case 1:
		return h.list(r, kind)
	case 2:
		return h.entity(r, kind)
	}
	switch part := strings.ToLower(r.part(2)); {
	case len(r.path) == 4 && part == "services":
		return h.call(r, kind)
	case len(r.path) <= 4 && part == "servicedefinitions":
		return h.serviceDefinitions(r, kind)
	case len(r.path) == 3:
		return h.characteristics(r, kind, part)
	}
	return answer{}, notHere(r)
}

func (h *Handler) list(r *request, kind thingworx.EntityKind) (answer, error) {
	if err := only(r, http.MethodGet); err != nil {
		return answer{}, err
	}
	list := thingworx.EntityList()
	for _, e := range h.platform.Entities(r.Context(), kind) {
		thingworx.AddEntity(list, &e.Common, e.System)
	}
	return table(list)
}

// entity serves one entity: its definition, or its end.
func (h *Handler) entity(r *request, kind thingworx.EntityKind) (answer, error) {
	if r.Method == http.MethodDelete {
		return answer{}, h.platform.Delete(r.Context(), kind, r.part(1))
	}
	if err := only(r, http.MethodGet, http.MethodDelete); err != nil {
		return answer{}, err
	}
	d, err := h.platform.Describe(r.Context(), kind, r.part(1))
	if err != nil {
		return answer{}, err
	}
	return marshal(entityJSON(&d))
}

// characteristics serves the collections of characteristics that need no right but to see the entity. Those of templates and
// shapes are what their Things have (inferred).
func (h *Handler) characteristics(r *request, kind thingworx.EntityKind, part string) (answer, error) {
	serve := map[string]func(*request, thingworx.EntityKind) (answer, error){
		"propertydefinitions": h.templateProperties, "eventdefinitions": h.eventDefinitions, "subscriptions": h.subscriptions,
		"metadata": h.metadata, "implementedshapes": h.implementedShapes, "fielddefinitions": h.fieldDefinitions,
	}[part]
	if serve == nil {
		return answer{}, notHere(r)
	}
	if err := only(r, http.MethodGet); err != nil {
		return answer{}, err
	}
	return serve(r, kind)
}

// templateProperties describes properties of templates and shapes; see propertyDefinitions for Things.
func (h *Handler) templateProperties(r *request, kind thingworx.EntityKind) (answer, error) {
	m, err := h.platform.Members(r.Context(), kind, r.part(1))
	if err != nil {
		return answer{}, err
	}
	t := infotable.New(infotable.Column("name", infotable.TypeString), infotable.Column("description", infotable.TypeString),
		infotable.Column("baseType", infotable.TypeBaseTypeName), infotable.Column("category", infotable.TypeString),
		infotable.Column("isPersistent", infotable.TypeBoolean), infotable.Column("isLogged", infotable.TypeBoolean),
		infotable.Column("isReadOnly", infotable.TypeBoolean), infotable.Column("dataShape", infotable.TypeDataShapeName))
	for _, p := range m.Properties {
		truth := func(aspect string) infotable.Value { return infotable.Boolean(p.Aspects[aspect] == "true") }
		t.Add(infotable.String(p.Name), infotable.String(p.Description), infotable.Text(infotable.TypeBaseTypeName, p.BaseType),
			infotable.String(p.Category), truth("isPersistent"), truth("isLogged"), truth("isReadOnly"),
			infotable.Text(infotable.TypeDataShapeName, p.Aspects["dataShape"]))
	}
	return table(t)
}

func (h *Handler) implementedShapes(r *request, kind thingworx.EntityKind) (answer, error) {
	shapes, err := h.platform.ShapesOf(r.Context(), kind, r.part(1))
	if err != nil {
		return answer{}, err
	}
	list := thingworx.EntityList()
	for _, name := range shapes {
		about := entity.Common{Name: name}
		if e, err := h.platform.Entity(r.Context(), thingworx.EntityShape, name); err == nil {
			about = e.Common
		}
		thingworx.AddEntity(list, &about, false)
	}
	return table(list)
}

// fieldDefinitions describes the columns of a data shape.
func (h *Handler) fieldDefinitions(r *request, kind thingworx.EntityKind) (answer, error) {
	if kind != thingworx.EntityDataShape {
		return answer{}, notHere(r)
	}
	fields, err := h.platform.FieldsOf(r.Context(), r.part(1))
	if err != nil {
		return answer{}, err
	}
	t := infotable.New(infotable.Column("name", infotable.TypeString), infotable.Column("description", infotable.TypeString),
		infotable.Column("baseType", infotable.TypeBaseTypeName), infotable.Column("ordinal", infotable.TypeInteger),
		infotable.Column("isPrimaryKey", infotable.TypeBoolean))
	for i, f := range fields {
		key, _ := f.Aspect("isPrimaryKey").Boolean()
		t.Add(infotable.String(f.Name), infotable.String(f.Description), infotable.Text(infotable.TypeBaseTypeName, f.Type.String()),
			infotable.Integer(int32(i+1)), infotable.Boolean(key))
	}
	return table(t)
}
