package rest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/tablejson"
)

// fire serves Things/<name>/Events/<event>: POST {"column": value} fires it. The columns are those of the event's data shape;
// that such a request needs all the headers of a service is inferred.
func (h *Handler) fire(r *request) (answer, error) {
	if len(r.path) != 4 {
		return answer{}, notHere(r)
	}
	if err := only(r, http.MethodPost); err != nil {
		return answer{}, err
	}
	thing, event := r.part(1), r.part(3)
	fields, err := h.platform.EventFields(r.Context(), thing, event)
	if err != nil {
		return answer{}, err
	}
	members, err := object(r)
	if err != nil {
		return answer{}, err
	}
	row := infotable.New()
	row.Rows = []infotable.Row{{}}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		at := slices.IndexFunc(fields, func(f infotable.Field) bool { return f.Name == name })
		if at < 0 {
			return answer{}, thingworx.Refuse(thingworx.Invalid, "event %s of Thing %s has no field %q", event, thing, name)
		}
		v, err := tablejson.DecodeValue(fields[at].Type, members[name])
		if err != nil {
			return answer{}, fmt.Errorf("event %s of Thing %s, field %s: %w", event, thing, name, err)
		}
		row.Fields = append(row.Fields, fields[at])
		row.Rows[0] = append(row.Rows[0], v)
	}
	return answer{}, h.platform.Fire(r.Context(), thing, event, row)
}

func (h *Handler) eventDefinitions(r *request, kind thingworx.EntityKind) (answer, error) {
	m, err := h.platform.Members(r.Context(), kind, r.part(1))
	if err != nil {
		return answer{}, err
	}
	t := infotable.New(infotable.Column("name", infotable.TypeString), infotable.Column("description", infotable.TypeString),
		infotable.Column("category", infotable.TypeString), infotable.Column("dataShape", infotable.TypeDataShapeName))
	for _, e := range m.Events {
		t.Add(infotable.String(e.Name), infotable.String(e.Description), infotable.String(e.Category),
			infotable.Text(infotable.TypeDataShapeName, e.DataShape))
	}
	return table(t)
}

func (h *Handler) subscriptions(r *request, kind thingworx.EntityKind) (answer, error) {
	m, err := h.platform.Members(r.Context(), kind, r.part(1))
	if err != nil {
		return answer{}, err
	}
	t := infotable.New(infotable.Column("name", infotable.TypeString), infotable.Column("description", infotable.TypeString),
		infotable.Column("eventName", infotable.TypeString), infotable.Column("sourceType", infotable.TypeString),
		infotable.Column("source", infotable.TypeString), infotable.Column("sourceProperty", infotable.TypeString),
		infotable.Column("enabled", infotable.TypeBoolean))
	for _, s := range m.Subscriptions {
		t.Add(infotable.String(s.Name), infotable.String(s.Description), infotable.String(s.Event), infotable.String(s.SourceType),
			infotable.String(s.Source), infotable.String(s.Property), infotable.Boolean(s.Enabled))
	}
	return table(t)
}

// metadata describes everything that can be used of an entity, without scripts.
func (h *Handler) metadata(r *request, kind thingworx.EntityKind) (answer, error) {
	e, err := h.platform.Entity(r.Context(), kind, r.part(1))
	if err != nil {
		return answer{}, err
	}
	m, err := h.platform.Members(r.Context(), kind, r.part(1))
	if err != nil {
		return answer{}, err
	}
	shape, err := json.Marshal(shapeJSON(&m))
	if err != nil {
		return answer{}, fmt.Errorf("encode answer: %w", err)
	}
	out := map[string]json.RawMessage{}
	if err := json.Unmarshal(shape, &out); err != nil {
		return answer{}, fmt.Errorf("encode answer: %w", err)
	}
	for name, v := range map[string]any{"name": e.Name, "description": e.Description, "isSystemObject": e.System} {
		if out[name], err = json.Marshal(v); err != nil {
			return answer{}, fmt.Errorf("encode answer: %w", err)
		}
	}
	return marshal(out)
}
