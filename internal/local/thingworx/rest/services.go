package rest

import (
	"encoding/json"
	"fmt"
	"net/http"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/tablejson"
)

// call runs a service. The body is {"parameter": value}. A JSON result comes as it is, any other as an infotable,
// NOTHING as an empty body (read).
func (h *Handler) call(r *request, kind thingworx.EntityKind) (answer, error) {
	if err := only(r, http.MethodPost); err != nil {
		return answer{}, err
	}
	entity, name := r.part(1), r.part(3)
	info, err := h.platform.Service(r.Context(), kind, entity, name)
	if err != nil {
		return answer{}, err
	}
	members, err := object(r)
	if err != nil {
		return answer{}, err
	}
	params, err := parameters(info.ServiceInfo, members)
	if err != nil {
		return answer{}, err
	}
	result, err := h.platform.Call(r.Context(), kind, entity, name, params)
	if err != nil {
		return answer{}, serviceError{name, entity, err}
	}
	if result == nil {
		return answer{}, nil
	}
	if v := result.First("result"); info.Result == infotable.TypeJSON && !v.IsNothing() {
		body, err := tablejson.AppendValue(nil, v)
		return answer{body: body}, err
	}
	return table(result)
}

func parameters(info thingworx.ServiceInfo, members map[string]json.RawMessage) (*infotable.Table, error) {
	t := &infotable.Table{Rows: []infotable.Row{{}}}
	for _, p := range info.Params {
		raw, ok := members[p.Name]
		if !ok && p.Required {
			return nil, thingworx.Refuse(thingworx.NotFound, "service %s needs the parameter %s (%s)", info.Name, p.Name, p.Type)
		}
		if !ok {
			continue
		}
		v, err := tablejson.DecodeValue(p.Type, raw)
		if err != nil {
			return nil, fmt.Errorf("service %s, parameter %s: %w", info.Name, p.Name, err)
		}
		t.Fields = append(t.Fields, infotable.Column(p.Name, p.Type))
		t.Rows[0] = append(t.Rows[0], v)
	}
	return t, nil
}

// serviceDefinitions describes one service or all; the JSON is a subset of the platform's.
func (h *Handler) serviceDefinitions(r *request, kind thingworx.EntityKind) (answer, error) {
	if err := only(r, http.MethodGet); err != nil {
		return answer{}, err
	}
	infos, err := h.platform.Services(r.Context(), kind, r.part(1))
	if err != nil {
		return answer{}, err
	}
	if name := r.part(3); name != "" {
		info, err := h.platform.Service(r.Context(), kind, r.part(1), name)
		if err != nil {
			return answer{}, err
		}
		infos = []thingworx.ServiceDefinition{info}
	}
	type field struct {
		Name     string `json:"name"`
		BaseType string `json:"baseType"`
		Required bool   `json:"isRequired,omitempty"`
	}
	type result struct {
		field
		Columns []field `json:"columns,omitempty"` // ours: the platform names a data shape in its place
	}
	type definition struct {
		Name        string                    `json:"name"`
		Description string                    `json:"description"`
		Parameters  map[string]field          `json:"parameterDefinitions"`
		Result      result                    `json:"resultType"`
		Remote      *thingworx.ServiceBinding `json:"remote,omitempty"` // ours
	}
	out := map[string]map[string]definition{"serviceDefinitions": {}}
	for _, info := range infos {
		d := definition{info.Name, info.Description, map[string]field{},
			result{field: field{Name: "result", BaseType: info.Result.String()}}, info.Remote}
		for _, f := range info.Fields {
			d.Result.Columns = append(d.Result.Columns, field{Name: f.Name, BaseType: f.Type.String()})
		}
		for _, p := range info.Params {
			d.Parameters[p.Name] = field{p.Name, p.Type.String(), p.Required}
		}
		out["serviceDefinitions"][info.Name] = d
	}
	return marshal(out)
}
