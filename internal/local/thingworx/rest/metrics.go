package rest

import (
	"bytes"
	"fmt"
	"net/http"
)

// metrics serves GET Metrics: counts in the text form of Prometheus. The path is read, the names are ours.
func (h *Handler) metrics(r *request) (answer, error) {
	if len(r.path) != 1 {
		return answer{}, notHere(r)
	}
	if err := only(r, http.MethodGet); err != nil {
		return answer{}, err
	}
	s := h.platform.Stats()
	var out bytes.Buffer
	for _, m := range []struct {
		name, kind, help string
		value            uint64
	}{
		{"azx_platform_things", "gauge", "Things there are.", uint64(s.Things)},
		{"azx_platform_waiting_devices", "gauge", "Devices without a Thing that are listed.", uint64(s.Waiting)},
		{"azx_platform_requests_total", "counter", "Write requests acknowledged.", s.Requests},
		{"azx_platform_values_total", "counter", "Values acknowledged.", s.Values},
		{"azx_platform_refused_total", "counter", "Requests refused.", s.Refused},
		{"azx_platform_events_total", "counter", "Events taken.", s.Events},
		{"azx_platform_subscriptions_dropped_total", "counter", "Runs of subscriptions for which there was no room.", s.Dropped},
	} {
		fmt.Fprintf(&out, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", m.name, m.help, m.name, m.kind, m.name, m.value)
	}
	return answer{body: out.Bytes(), media: "text/plain; version=0.0.4; charset=utf-8"}, nil
}
