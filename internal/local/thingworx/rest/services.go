package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/tablejson"
)

// services serves <Collection>/<Entity>/{Services,ServiceDefinitions}.
func (h *Handler) services(r *request, kind thingworx.EntityKind) (answer, error) {
	switch {
	case len(r.path) == 4 && equal(r.part(2), "Services"):
		return h.call(r, kind)
	case len(r.path) == 3 && equal(r.part(2), "ServiceDefinitions"), len(r.path) == 4 && equal(r.part(2), "ServiceDefinitions"):
		return h.serviceDefinitions(r, kind)
	default:
		return answer{}, notHere(r)
	}
}

// call runs a service. The body is {"parameter": value}. A JSON result comes as it is, any other as an infotable,
// NOTHING as an empty body (read).
func (h *Handler) call(r *request, kind thingworx.EntityKind) (answer, error) {
	if err := only(r, http.MethodPost); err != nil {
		return answer{}, err
	}
	entity, name := r.part(1), r.part(3)
	info, err := h.platform.Service(kind, entity, name)
	if err != nil {
		return answer{}, err
	}
	members, err := object(r)
	if err != nil {
		return answer{}, err
	}
	params, err := parameters(info, members)
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
		return answer{body}, err
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
	infos, err := h.platform.Services(kind, r.part(1))
	if err != nil {
		return answer{}, err
	}
	if name := r.part(3); name != "" {
		info, err := h.platform.Service(kind, r.part(1), name)
		if err != nil {
			return answer{}, err
		}
		infos = []thingworx.ServiceInfo{info}
	}
	type field struct {
		Name     string `json:"name"`
		BaseType string `json:"baseType"`
		Required bool   `json:"isRequired,omitempty"`
	}
	type definition struct {
		Name        string           `json:"name"`
		Description string           `json:"description"`
		Parameters  map[string]field `json:"parameterDefinitions"`
		Result      field            `json:"resultType"`
	}
	out := map[string]map[string]definition{"serviceDefinitions": {}}
	for _, info := range infos {
		d := definition{info.Name, info.Description, map[string]field{}, field{Name: "result", BaseType: info.Result.String()}}
		for _, p := range info.Params {
			d.Parameters[p.Name] = field{p.Name, p.Type.String(), p.Required}
		}
		out["serviceDefinitions"][info.Name] = d
	}
	return marshal(out)
}

// Pages of the ledger.
const (
	pageDefault = 1000
	pageMost    = 10_000
)

// LedgerEntry is one acknowledged value in a LedgerPage.
type LedgerEntry struct {
	Index    uint64          `json:"index"` // from 1, in the order of acknowledgement
	Thing    string          `json:"thing"`
	Property string          `json:"property"`
	BaseType string          `json:"baseType"`
	Value    json.RawMessage `json:"value"`
	Time     int64           `json:"time"`     // of the value: milliseconds since 1970-01-01 UTC
	Received int64           `json:"received"` // by the platform: milliseconds since 1970-01-01 UTC
}

// LedgerPage answers GET /azx/ledger?thing=&property=&after=&limit=. Ask again with after=Next until Entries is empty.
type LedgerPage struct {
	First   uint64        `json:"first"` // index of the oldest entry that is kept
	Last    uint64        `json:"last"`  // index of the newest entry there is
	Next    uint64        `json:"next"`  // value of "after" for the next page
	Entries []LedgerEntry `json:"entries"`
}

func (h *Handler) ledger(r *request) (answer, error) {
	if err := only(r, http.MethodGet); err != nil {
		return answer{}, err
	}
	q := r.URL.Query()
	query := thingworx.Query{Thing: q.Get("thing"), Property: q.Get("property"), Limit: pageDefault}
	if text := q.Get("after"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return answer{}, thingworx.Refuse(thingworx.Invalid, "after must be the index of an entry, got %q", text)
		}
		query.After = n
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > pageMost {
			return answer{}, thingworx.Refuse(thingworx.Invalid, "limit must be 1 to %d, got %q", pageMost, text)
		}
		query.Limit = n
	}
	ledger := h.platform.Ledger()
	page := LedgerPage{Next: query.After, Entries: []LedgerEntry{}}
	page.First, page.Last = ledger.Bounds()
	entries := ledger.Read(query)
	page.Entries = slices.Grow(page.Entries, len(entries))
	for _, e := range entries {
		value, err := tablejson.AppendValue(nil, e.Value)
		if err != nil {
			return answer{}, fmt.Errorf("ledger entry %d: %w", e.Index, err)
		}
		page.Entries = append(page.Entries, LedgerEntry{
			e.Index, e.Thing, e.Property, e.Value.Type().String(), value, e.Time, e.Received,
		})
		page.Next = e.Index
	}
	return marshal(page)
}
