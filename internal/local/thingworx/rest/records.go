package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/tablejson"
)

// Pages of the records.
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
	if err := h.platform.Administers(r.Context()); err != nil {
		return answer{}, err
	}
	q := r.URL.Query()
	query := thingworx.Query{Thing: q.Get("thing"), Property: q.Get("property")}
	if text := q.Get("after"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return answer{}, thingworx.Refuse(thingworx.Invalid, "after must be the index of an entry, got %q", text)
		}
		query.After = n
	}
	var err error
	if query.Limit, err = limit(q); err != nil {
		return answer{}, err
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

// limit reads how many entries a page may have.
func limit(q url.Values) (int, error) {
	text := q.Get("limit")
	if text == "" {
		return pageDefault, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > pageMost {
		return 0, thingworx.Refuse(thingworx.Invalid, "limit must be 1 to %d, got %q", pageMost, text)
	}
	return n, nil
}

// Unknown is what GET /azx/unknown-properties answers and PUT takes: what becomes of pushed values for properties that a
// Thing does not have, "strict" or "silent-ignore".
type Unknown struct {
	Mode thingworx.UnknownMode `json:"mode"`
}

func (h *Handler) unknownProperties(r *request) (answer, error) {
	if err := only(r, http.MethodGet, http.MethodPut); err != nil {
		return answer{}, err
	}
	if err := h.platform.Administers(r.Context()); err != nil {
		return answer{}, err
	}
	if r.Method == http.MethodPut {
		members, err := object(r)
		if err != nil {
			return answer{}, err
		}
		var mode thingworx.UnknownMode
		if err := json.Unmarshal(members["mode"], &mode); err != nil {
			return answer{}, thingworx.Refuse(thingworx.Invalid, "mode must be a text")
		}
		if err := h.platform.SetUnknownMode(mode); err != nil {
			return answer{}, err
		}
	}
	return marshal(Unknown{h.platform.UnknownMode()})
}

// Stuck is what GET /azx/stuck-things answers and PUT takes: the Things whose pushes go without an answer.
type Stuck struct {
	Things []string `json:"things"`
}

func (h *Handler) stuckThings(r *request) (answer, error) {
	if err := only(r, http.MethodGet, http.MethodPut); err != nil {
		return answer{}, err
	}
	if err := h.platform.Administers(r.Context()); err != nil {
		return answer{}, err
	}
	if r.Method == http.MethodPut {
		members, err := object(r)
		if err != nil {
			return answer{}, err
		}
		var things []string
		if err := json.Unmarshal(members["things"], &things); err != nil {
			return answer{}, thingworx.Refuse(thingworx.Invalid, "things must be a list of names")
		}
		h.platform.SetStuck(things)
	}
	return marshal(Stuck{h.platform.Stuck()})
}

// FiredEvent is one event in FiredEvents.
type FiredEvent struct {
	Index uint64          `json:"index"` // from 1, in the order in which they were fired
	Thing string          `json:"thing"`
	Event string          `json:"event"`
	Time  int64           `json:"time"` // of its arrival: milliseconds since 1970-01-01 UTC
	Data  json.RawMessage `json:"data"` // an infotable of one row
}

// FiredEvents answers GET /azx/events?thing=&limit=: what is remembered, the newest first.
type FiredEvents struct {
	Events []FiredEvent `json:"events"`
}

func (h *Handler) events(r *request) (answer, error) {
	if err := only(r, http.MethodGet); err != nil {
		return answer{}, err
	}
	if err := h.platform.Administers(r.Context()); err != nil {
		return answer{}, err
	}
	q := r.URL.Query()
	most, err := limit(q)
	if err != nil {
		return answer{}, err
	}
	out := FiredEvents{Events: []FiredEvent{}}
	for _, e := range h.platform.Events(q.Get("thing"), most) {
		data, err := tablejson.AppendTable(nil, e.Data)
		if err != nil {
			return answer{}, fmt.Errorf("event %d: %w", e.Index, err)
		}
		out.Events = append(out.Events, FiredEvent{e.Index, e.Thing, e.Event, e.Time.UnixMilli(), data})
	}
	return marshal(out)
}
