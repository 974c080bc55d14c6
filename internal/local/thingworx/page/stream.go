package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Times of a stream.
const (
	tick         = 250 * time.Millisecond
	slowTicks    = 2                // lists are looked at every so many ticks
	beatTicks    = 60               // something is sent at least every so many ticks
	writeTimeout = 10 * time.Second // of one event
)

// update is one event of the stream: HTML by what it replaces. What did not change is absent.
type update struct {
	Things   string            `json:"things,omitempty"`  // the whole list
	Changed  map[string]string `json:"changed,omitempty"` // single Things by name
	Waiting  *string           `json:"waiting,omitempty"`
	Events   *string           `json:"events,omitempty"`
	Refusals *string           `json:"refusals,omitempty"`
	Stats    *string           `json:"stats,omitempty"`
}

// live is one page that is kept up to date.
type live struct {
	*Handler
	query string
	mark  uint64
	names []string          // Things shown
	sent  map[string]string // sections as they were sent last
	stale bool              // the list of Things has to be sent
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
	l := &live{Handler: h, query: r.URL.Query().Get("q"), sent: map[string]string{}}
	l.mark, _ = strconv.ParseUint(r.URL.Query().Get("mark"), 10, 64) // without one everything is new
	shown := h.thingsOf(l.query)
	l.names = shown.names()

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
func (l *live) look(lists bool) (u update, news bool, err error) {
	changed, next, reshaped := l.platform.Changes(l.mark, l.names)
	l.mark = next
	l.stale = l.stale || reshaped
	if l.stale && lists {
		shown := l.thingsOf(l.query)
		l.names, l.stale = shown.names(), false
		u.Things, err = l.render("things", shown)
		return u, true, err
	}
	for i := range changed {
		if u.Changed == nil {
			u.Changed = map[string]string{}
		}
		if u.Changed[changed[i].Name], err = l.render("thing", cardOf(&changed[i])); err != nil {
			return u, false, err
		}
		news = true
	}
	if !lists {
		return u, news, nil
	}
	for _, section := range []struct {
		name string
		into **string
		data any
	}{{"waiting", &u.Waiting, l.waitingNow()}, {"events", &u.Events, l.eventsNow()}, {"refusals", &u.Refusals, l.refusalsNow()}, {"stats", &u.Stats, l.statsNow()}} {
		html, err := l.render(section.name, section.data)
		if err != nil {
			return u, false, err
		}
		if was, sent := l.sent[section.name]; !sent || was != html {
			l.sent[section.name] = html
			*section.into = &html
			news = true
		}
	}
	return u, news, nil
}

func (l *live) render(name string, data any) (string, error) {
	var out bytes.Buffer
	if err := l.templates.ExecuteTemplate(&out, name, data); err != nil {
		return "", fmt.Errorf("render %s: %w", name, err)
	}
	return out.String(), nil
}
