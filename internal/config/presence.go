package config

import "time"

// longestSilence is the longest time-out.
const longestSilence = 8760 * time.Hour

// Presence says how long a device may be silent. How often one sends is known to nobody but its owner, so there is no default.
type Presence struct {
	// Timeout is how long before it is offline, 2 s to 8760 h; 0 (absent in the file): nobody looks.
	Timeout time.Duration `yaml:"timeout"`
	// Late is how long before it is late, from 1 s and less than Timeout; 0 (absent in the file): a third of it, LateAfter.
	Late     time.Duration `yaml:"late"`
	LastSeen Switch        `yaml:"lastSeen"` // also write when a device was last seen; default off
	// Ping asks edge devices that are late, within a hundredth of the hub's daily quota of messages; default off.
	Ping Switch `yaml:"ping"`
}

// LateAfter is Late, or its default.
func (p Presence) LateAfter() time.Duration {
	if p.Late > 0 {
		return p.Late
	}
	return max(p.Timeout/3, time.Second)
}

// checkPresence checks time-outs against each other, and that there are properties for what is found.
func (d *decoder) checkPresence(h *Hub, at string) {
	p := h.Presence
	switch {
	case p.Timeout == 0 && d.has(at+".timeout"): // the hub Thing's way to say that it is not set
	case p.Timeout == 0:
		if p.Late != 0 || bool(p.LastSeen) || bool(p.Ping) {
			d.report(at+".timeout", "missing", "say how long a device may be silent, such as 15m")
		}
		return
	default:
		d.within(at+".timeout", "hubs[].presence.timeout", int64(p.Timeout))
	}
	if d.has(at + ".late") {
		d.within(at+".late", "hubs[].presence.late", int64(p.Late))
		if p.Late >= p.Timeout {
			d.report(at+".late", "is not less than timeout", "a device is late first, then offline")
		}
	}
	if h.Extensions != ExtensionsAzx {
		d.report(at, "needs this project's packages on the platform, and extensions is "+string(h.Extensions), "leave presence out, or install the packages")
	}
}
