package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/tablejson"
)

// things serves Things and everything below: what only Things have, and what entities of all collections have.
func (h *Handler) things(r *request) (answer, error) {
	if len(r.path) > 4 {
		return answer{}, notHere(r)
	}
	switch strings.ToLower(r.part(2)) {
	case "properties":
		return h.properties(r)
	case "propertiesvtq":
		return h.propertiesVTQ(r)
	case "propertydefinitions":
		return h.propertyDefinitions(r)
	case "events":
		return h.fire(r)
	default:
		return h.entities(r, thingworx.EntityThing)
	}
}

func (h *Handler) propertyDefinitions(r *request) (answer, error) {
	if err := only(r, http.MethodGet); err != nil {
		return answer{}, err
	}
	views, err := h.stored(r)
	if err != nil {
		return answer{}, err
	}
	return table(thingworx.PropertyTable(views))
}

// stored returns the property that the path names, or all, without asking an edge.
func (h *Handler) stored(r *request) ([]thingworx.PropertyView, error) {
	if name := r.part(3); name != "" && name != "*" {
		view, err := h.platform.Read(r.Context(), r.part(1), name)
		return []thingworx.PropertyView{view}, err
	}
	view, err := h.platform.Thing(r.Context(), r.part(1))
	return view.Properties, err
}

// read returns the property that the path names, from the edge if its binding says so, or all as they are stored.
func (h *Handler) read(r *request) ([]thingworx.PropertyView, error) {
	name := r.part(3)
	if name == "" || name == "*" {
		return h.stored(r)
	}
	view, err := h.platform.Fetch(r.Context(), r.part(1), name)
	return []thingworx.PropertyView{view}, err
}

// properties reads and writes values. GET gives one row with a column per property; PUT takes {"name": value},
// several with the name "*" (read). A write of a remote-bound property answers when the edge has.
func (h *Handler) properties(r *request) (answer, error) {
	if err := only(r, http.MethodGet, http.MethodPut); err != nil {
		return answer{}, err
	}
	if r.Method == http.MethodPut {
		return answer{}, h.put(r)
	}
	views, err := h.read(r)
	if err != nil {
		return answer{}, err
	}
	return table(thingworx.ValueTable(views))
}

func (h *Handler) put(r *request) error {
	members, err := object(r)
	if err != nil {
		return err
	}
	view, err := h.platform.Thing(r.Context(), r.part(1))
	if err != nil {
		return err
	}
	name := r.part(3)
	if name != "*" && name != "" {
		raw, ok := members[name]
		if !ok {
			return thingworx.Refuse(thingworx.Invalid, "the body has no member %q: send {%q: value}", name, name)
		}
		members = map[string]json.RawMessage{name: raw}
	}
	var writes []thingworx.Write
	for member, raw := range members {
		property, ok := view.Property(member)
		if !ok {
			return thingworx.Refuse(thingworx.NotFound, "Thing %s has no property %q", view.Name, member)
		}
		v, err := tablejson.DecodeValue(property.Type, raw)
		if err != nil {
			return fmt.Errorf("property %s of Thing %s: %w", member, view.Name, err)
		}
		writes = append(writes, thingworx.Write{Property: member, Value: v})
	}
	return h.platform.Set(r.Context(), view.Name, writes)
}

// propertiesVTQ reads values with time and quality: a row per property with the columns name, value, time and
// quality. The real platform has the collection (read); the shape of its answer is unknown, this one is ours.
func (h *Handler) propertiesVTQ(r *request) (answer, error) {
	if err := only(r, http.MethodGet); err != nil {
		return answer{}, err
	}
	views, err := h.read(r)
	if err != nil {
		return answer{}, err
	}
	t := infotable.New(infotable.Column("name", infotable.TypeString), infotable.Column("value", infotable.TypeVariant),
		infotable.Column("time", infotable.TypeDateTime), infotable.Column("quality", infotable.TypeString))
	for _, v := range views {
		at := infotable.DateTime(v.Time)
		if v.Value.IsNothing() {
			at = infotable.Nothing()
		}
		t.Add(infotable.String(v.Name), v.Value, at, infotable.String(v.Quality))
	}
	return table(t)
}

// object reads a JSON object from the body.
func object(r *request) (map[string]json.RawMessage, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, thingworx.Refuse(thingworx.Forbidden,
			"the header Content-Type must be application/json, also without a body")
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	members := map[string]json.RawMessage{}
	if len(bytes.TrimSpace(raw)) == 0 {
		return members, nil
	}
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, thingworx.Refuse(thingworx.Invalid, "the body must be a JSON object: %v", err)
	}
	return members, nil
}

func table(t *infotable.Table) (answer, error) {
	body, err := tablejson.AppendTable(nil, t)
	return answer{body: body}, err
}

func marshal(v any) (answer, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return answer{}, fmt.Errorf("encode answer: %w", err)
	}
	return answer{body: body}, nil
}
