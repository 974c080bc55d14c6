package page

import (
	"net/http"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/local/thingworx"
)

// mostActivity is how much of each list the page of activity shows.
const mostActivity = 200

type activityView struct {
	frame
	Level    string // the least that is shown of the log
	Levels   []option
	Logs     []logged
	Events   []event
	Refusals []refusal
}

type logged struct{ Clock, Day, Level, Logger, User, Text string }

type event struct{ Event, Thing, Link, Clock, Data string }

type refusal struct {
	Reason, What, Via, User, Clock string
	Count                          int
}

func (h *Handler) activity(w http.ResponseWriter, r *http.Request) {
	level := r.URL.Query().Get("level")
	v := &activityView{
		frame: frame{Title: "Activity", Tab: "activity", Stream: streamOf("activity", "level", level)},
		Level: level, Logs: h.logsNow(level), Events: h.eventsNow("", mostActivity), Refusals: h.refusalsNow(mostActivity),
	}
	for _, o := range levels() {
		v.Levels = append(v.Levels, option{o, o, o == level})
	}
	h.show(w, r, http.StatusOK, "activity", v)
}

// levels of the application log, the least important first.
func levels() []string { return []string{"trace", "debug", "info", "warn", "error"} }

func (h *Handler) logsNow(level string) []logged {
	least := 0
	for i, l := range levels() {
		if l == level {
			least = i
		}
	}
	shown := levels()[least:]
	var out []logged
	for _, e := range h.platform.Logs(0, 0) {
		if len(out) == mostActivity {
			break
		}
		for _, l := range shown {
			if l == e.Level {
				at := e.Time.UTC()
				out = append(out, logged{at.Format(clockLayout), at.Format(dayLayout), e.Level, e.Logger, e.User, veil(e.Text)})
			}
		}
	}
	return out
}

// eventsNow lists the last events of a Thing, of all with "". It leaves out what the list of waiting devices shows.
func (h *Handler) eventsNow(thing string, most int) []event {
	var out []event
	for _, e := range h.platform.Events(thing, 10*most+200) {
		if thing == "" && e.Event == thingworx.EventThingNotFound {
			continue
		}
		if out = append(out, event{e.Event, e.Thing, linkThing(e.Thing), clock(e.Time), dataOf(e.Data)}); len(out) == most {
			break
		}
	}
	return out
}

// dataOf shows the one row of an event.
func dataOf(t *infotable.Table) string {
	if t.Len() == 0 {
		return ""
	}
	var cells []string
	for i, f := range t.Fields {
		if v := t.Rows[0].Cell(i); !v.IsNothing() {
			cells = append(cells, cut(f.Name, mostCharacters)+" "+cut(textOf(v), mostCharacters))
		}
	}
	return cut(strings.Join(cells, ", "), 4*mostCharacters)
}

func (h *Handler) refusalsNow(most int) []refusal {
	var out []refusal
	for _, r := range h.platform.Refusals() {
		if len(out) == most {
			break
		}
		out = append(out, refusal{
			Reason: cut(veil(r.Reason), 4*mostCharacters), What: cut(r.What, 2*mostCharacters), Via: r.Caller.Via, User: r.Caller.User,
			Clock: clock(r.Last), Count: r.Count,
		})
	}
	return out
}
