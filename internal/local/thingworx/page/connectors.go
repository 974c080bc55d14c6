package page

import (
	"context"
	"net/http"
	"strings"
	"time"

	"azx/internal/local/thingworx"
)

// Names of the Connection Services package that the page knows.
const (
	thingAvailability   = "ProtocolAdapterServices"
	serviceAvailability = "GetProtocolAdaptersWithAvailability"
)

// silence is how long a connector may tell nothing until its health does not count: as the package decides it.
const silence = 30 * time.Second

type connectorsView struct {
	frame
	Ways         ways
	Availability string // address of the service that lists connectors; "" without the package
}

// connector is one that has a Thing.
type connector struct {
	Name, Link, Group, Health, Told string
	Instance, Version, Serves       string
	Active, Known, Bound            bool // Known: its health was told at least once
	Silent                          bool // it was told too long ago to count
	Calls                           []link
}

func (h *Handler) connectors(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	v := &connectorsView{frame: frame{Title: "Connectors", Tab: "connectors", Stream: streamOf("connectors")}, Ways: h.waysNow(ctx)}
	if _, err := h.platform.Service(ctx, thingworx.EntityThing, thingAvailability, serviceAvailability); err == nil {
		v.Availability = linkThing(thingAvailability, "services", serviceAvailability)
	}
	h.show(w, r, http.StatusOK, "connectors", v)
}

// connectorOf shows the Thing of a connector with the health that it tells.
func (h *Handler) connectorOf(ctx context.Context, v *thingworx.ThingView) connector {
	c := connector{Name: v.Name, Link: linkThing(v.Name), Bound: v.Connected, Calls: h.connectorCalls(ctx, v.Name),
		Instance: textAt(v, "instanceId"), Version: textAt(v, "version"), Serves: namesIn(textAt(v, "hubThings")),
		Group: textAt(v, "availabilityGroup"), Health: textAt(v, "healthState")}
	c.Known = c.Health != ""
	active, _ := v.Property("active")
	c.Active, _ = active.Value.Boolean()
	told, _ := v.Property("healthStateUpdated")
	if ms, ok := told.Value.Millis(); ok {
		at := time.UnixMilli(ms).UTC()
		c.Told, c.Silent = at.Format(fullLayout), time.Since(at) > silence
	}
	return c
}

// connectorCalls are what is usually asked of a connector.
func (h *Handler) connectorCalls(ctx context.Context, name string) []link {
	var out []link
	for _, service := range []string{"GetPerformanceMetrics", "GetSystemStatus", "GetBoundEntities", "GetLogEntries", "SetLogLevel"} {
		if s, err := h.platform.Service(ctx, thingworx.EntityThing, name, service); err == nil {
			out = append(out, link{service, linkThing(name, "services", service), s.Description})
		}
	}
	return out
}

// textAt is a property's value as text, "" for none.
func textAt(v *thingworx.ThingView, property string) string {
	p, ok := v.Property(property)
	if !ok || p.Value.IsNothing() {
		return ""
	}
	return cut(textOf(p.Value), mostCharacters)
}

// namesIn makes a JSON list of names readable.
func namesIn(list string) string {
	return strings.NewReplacer(`["`, "", `"]`, "", `","`, ", ", "[]", "").Replace(list)
}
