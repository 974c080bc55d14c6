package page

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Times of a stream.
const (
	tick         = 250 * time.Millisecond
	slowTicks    = 2                // parts are looked at every so many ticks
	beatTicks    = 60               // something is sent at least every so many ticks
	writeTimeout = 10 * time.Second // of one event
)

// update is one event of the stream: HTML by what it replaces. What did not change is absent.
type update struct {
	Things  string            `json:"things,omitempty"`  // the whole list of cards
	Changed map[string]string `json:"changed,omitempty"` // single cards by their Things' names
	Parts   map[string]string `json:"parts,omitempty"`   // by the ids of their elements
}

// part is a piece of a view that is kept up to date.
type part struct {
	id       string // of the element
	template string
	look     func(ctx context.Context) any
}

// partsOf are those of a view, by the parameters of its stream. All have the counts.
func (h *Handler) partsOf(q url.Values) []part {
	thing, property := q.Get("thing"), q.Get("property")
	parts := []part{{"stats", "stats", func(context.Context) any { return h.statsNow() }}}
	add := func(id string, look func(ctx context.Context) any) { parts = append(parts, part{id, id, look}) }
	badge := func(ctx context.Context) any {
		v, _ := h.platform.Thing(ctx, thing) // of one that is gone nothing is said
		return thingHead(&v, "")
	}
	switch q.Get("of") {
	case "overview":
		add("ways", func(ctx context.Context) any { return h.waysNow(ctx) })
		add("waiting", func(context.Context) any { return h.waitingNow() })
		add("events", func(context.Context) any { return h.eventsNow("", mostEvents) })
		add("refusals", func(context.Context) any { return h.refusalsNow(mostRefusals) })
	case "thing":
		add("badge", badge)
		add("values", func(ctx context.Context) any { own, _ := h.valuesOf(ctx, thing); return own })
		parts = append(parts, part{"inherited", "values", func(ctx context.Context) any { _, more := h.valuesOf(ctx, thing); return more }})
	case "property":
		add("badge", badge)
		add("value", func(ctx context.Context) any { return h.valueOf(ctx, thing, property) })
	case "events":
		add("badge", badge)
		parts = append(parts, part{"events", "thingevents", func(context.Context) any { return h.eventsNow(thing, mostActivity) }})
	case "connectors":
		parts = append(parts, part{"connectors", "connectorlist", func(ctx context.Context) any { return h.waysNow(ctx) }})
	case "activity":
		add("logs", func(context.Context) any { return h.logsNow(q.Get("level")) })
		add("events", func(context.Context) any { return h.eventsNow("", mostActivity) })
		add("refusals", func(context.Context) any { return h.refusalsNow(mostActivity) })
	}
	return parts
}

// live is one page that is kept up to date.
type live struct {
	*Handler
	ctx    context.Context // of the request
	parts  []part
	sent   map[string]string // parts as they were sent last
	cards  bool              // it shows cards
	filter string            // of their names
	mark   uint64
	names  []string // Things whose cards are shown
	stale  bool     // the list of cards has to be sent
}

// stream keeps one page up to date until it is closed or the platform stops.
func (h *Handler) stream(w http.ResponseWriter, r *http.Request) {
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		http.Error(w, fmt.Sprintf("%d pages are live already", maxStreams), http.StatusServiceUnavailable)
		return
	}
	l := h.newLive(r)
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // a server without deadlines has none to lift
	w.Header().Set("Content-Type", "text/event-stream")
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for n := 0; ; n++ {
		event, err := l.event(n)
		if err != nil {
			h.log.Error("page not updated", "error", err)
			return
		}
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err = w.Write(event); err == nil {
			err = control.Flush()
		}
		if err != nil {
			return // the page was closed
		}
		select {
		case <-r.Context().Done():
			return
		case <-ticks.C:
		}
	}
}

func (h *Handler) newLive(r *http.Request) *live {
	q := r.URL.Query()
	l := &live{Handler: h, ctx: r.Context(), parts: h.partsOf(q), sent: map[string]string{}, filter: q.Get("q")}
	if l.cards = q.Get("of") == "overview"; l.cards {
		l.mark, _ = strconv.ParseUint(q.Get("mark"), 10, 64) // without one everything is new
		shown := h.thingsOf(l.ctx, l.filter)
		l.names = shown.names()
	}
	return l
}

// event returns what to send at tick n, which may be nothing.
func (l *live) event(n int) ([]byte, error) {
	u, news, err := l.look(n%slowTicks == 0)
	switch {
	case err != nil:
		return nil, err
	case !news && n%beatTicks == 0:
		return []byte(": still here\n\n"), nil
	case !news:
		return nil, nil
	}
	raw, err := json.Marshal(u) // one line: JSON escapes line ends
	if err != nil {
		return nil, fmt.Errorf("encode update: %w", err)
	}
	return fmt.Appendf(nil, "data: %s\n\n", raw), nil
}

// look collects what changed since the last look.
func (l *live) look(parts bool) (u update, news bool, err error) {
	if l.cards {
		if news, err = l.lookAtCards(&u, parts); err != nil {
			return u, false, err
		}
	}
	if !parts {
		return u, news, nil
	}
	for _, p := range l.parts {
		html, err := l.render(p.template, p.look(l.ctx))
		if err != nil {
			return u, false, err
		}
		if was, sent := l.sent[p.id]; sent && was == html {
			continue
		}
		if u.Parts == nil {
			u.Parts = map[string]string{}
		}
		l.sent[p.id], u.Parts[p.id], news = html, html, true
	}
	return u, news, nil
}

// lookAtCards takes the whole list when Things came or went, else the cards that changed.
func (l *live) lookAtCards(u *update, lists bool) (news bool, err error) {
	changed, next, reshaped := l.platform.Changes(l.mark, l.names)
	l.mark = next
	l.stale = l.stale || reshaped
	if l.stale && lists {
		shown := l.thingsOf(l.ctx, l.filter)
		l.names, l.stale = shown.names(), false
		u.Things, err = l.render("things", shown)
		return true, err
	}
	for i := range changed {
		if u.Changed == nil {
			u.Changed = map[string]string{}
		}
		if u.Changed[changed[i].Name], err = l.render("thing", l.cardOf(l.ctx, &changed[i])); err != nil {
			return false, err
		}
	}
	return len(changed) > 0, nil
}

func (l *live) render(name string, data any) (string, error) {
	var out bytes.Buffer
	if err := l.templates.ExecuteTemplate(&out, name, data); err != nil {
		return "", fmt.Errorf("render %s: %w", name, err)
	}
	return out.String(), nil
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }
