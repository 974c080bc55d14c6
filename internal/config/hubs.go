package config

import (
	"fmt"
	"strings"

	"azx/internal/secret"
)

// mostHubs is how many hubs one connector serves.
const mostHubs = 32

// checkHubs checks each hub, and that there are no two of what one connector can serve once only.
func (d *decoder) checkHubs(cfg *Config) {
	hubs := cfg.Hubs
	switch {
	case len(hubs) == 0:
		d.report("hubs", "missing", "name at least one hub with its thing")
	case len(hubs) > mostHubs:
		d.report("hubs", fmt.Sprintf("has %d hubs", len(hubs)), fmt.Sprintf("want %d or fewer: run several connectors", mostHubs))
		return
	}
	for i := range hubs {
		at := fmt.Sprintf("hubs[%d]", i)
		d.checkHostName(cfg, &hubs[i], at)
		d.checkHub(&hubs[i], at)
	}
	things, groups, logs := map[string]int{}, map[string]int{}, map[string]int{}
	for i := range hubs {
		h, at := &hubs[i], fmt.Sprintf("hubs[%d]", i)
		d.once(things, h.Thing, i, at+".thing", "is that of hubs[%d], too", "each hub has a hub Thing of its own")
		d.once(groups, h.RoutingGroup, i, at+".routingGroup", "is that of hubs[%d], too", "each hub has a routing group of its own")
		d.once(logs, h.log(), i, at, "leads to the same hub and consumer group as hubs[%d]", "give one of them another consumerGroup, or remove it")
		if i > 0 && h.Extensions != hubs[0].Extensions {
			d.report(at+".extensions", fmt.Sprintf("is %s, and that of hubs[0] is %s", h.Extensions, hubs[0].Extensions),
				"all hubs of a file are on one platform, which has the same packages for all")
		}
	}
}

// once reports a value that a hub before has; "" is none.
func (d *decoder) once(seen map[string]int, value string, i int, at, what, hint string) {
	if first, twice := seen[value]; twice {
		d.report(at, fmt.Sprintf(what, first), hint)
	} else if value != "" {
		seen[value] = i
	}
}

// log names what is read of a hub, as far as the file says; "" if it does not.
func (h *Hub) log() string {
	for _, s := range []secret.Source{h.ConnectionString, h.EventHubsConnectionString} {
		if s.Vaults() != nil { // it is not asked yet
			continue
		}
		text, err := s.Value()
		parts, ok := splitConnection(text)
		if !s.IsSet() || err != nil || !ok {
			continue
		}
		if host := parts["HostName"] + parts["Endpoint"]; host != "" {
			return strings.ToLower(host + "/" + parts["EntityPath"] + "/" + h.ConsumerGroup)
		}
	}
	return ""
}
