package config

import (
	"fmt"
	"net/url"
	"time"
)

// longestRetention is the most that a hub can be set to (read: quotas page).
const longestRetention = 7 * 24 * time.Hour

// checkTracing checks the address of the collector.
func (d *decoder) checkTracing(t Tracing) {
	const at = "tracing.otlp"
	if !d.has(at) {
		return
	}
	const example = "such as http://127.0.0.1:4318"
	u, err := url.Parse(t.OTLP)
	switch {
	case err != nil:
		d.report(at, "not a URL", example)
	case u.Scheme != "http" && u.Scheme != "https":
		d.report(at, fmt.Sprintf("the scheme is %q", u.Scheme), "OTLP goes over http:// or https:// here; for gRPC run a collector beside the connector")
	case u.Hostname() == "":
		d.report(at, "has no host", example)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		d.report(at, "has more than scheme, host and path", "a collector that wants credentials needs another one in front of it, on this machine")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		d.warn(at, "the names of Things travel unencrypted", "use https://")
	}
}
