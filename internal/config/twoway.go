package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// How requests reach the connector, and how long methods may take.
const (
	// platformPatience is how long a platform waits for the answer to a request.
	platformPatience = 30 * time.Second
	// longestMethod is how long connecting and answering may take together: the answer has to travel as well.
	longestMethod  = platformPatience - time.Second
	leastResponse  = 5 * time.Second // the hub takes no less
	longestMessage = 48 * time.Hour  // the hub keeps none for longer
)

// Bind says what the connector binds at the platform to get its requests.
type Bind string

// What may be bound.
const (
	BindAuto    Bind = "auto"    // the routing group, and every device if the platform sends nothing to the group
	BindGroup   Bind = "group"   // the routing group only
	BindDevices Bind = "devices" // every device
)

// Tier is the edition of the hub, on which its quotas depend: F1, B1 to B3, S1 to S3. In the file standard and basic
// stand for S1 and B1.
type Tier string

// The editions that have names of their own in the file.
const (
	TierStandard Tier = "S1"
	TierBasic    Tier = "B1"
)

// Basic reports whether the edition has neither cloud-to-device messages nor methods nor twins.
func (t Tier) Basic() bool { return strings.HasPrefix(string(t), "B") }

func parseTier(text string, to *Tier) error {
	switch text {
	case "standard":
		*to = TierStandard
		return nil
	case "basic":
		*to = TierBasic
		return nil
	}
	return oneOf(text, to)
}

// Switch is on or off.
type Switch bool

func parseSwitch(text string, to *Switch) error {
	*to = text == "on"
	if text != "on" && text != "off" {
		return fmt.Errorf("%q is neither", text)
	}
	return nil
}

// Methods are the time-outs of direct methods: the default ones, and those of single services by their edge names
// ("reboot", "module::reboot"). What a service leaves out in the file is the default one's after Load.
type Methods struct {
	ConnectTimeout  time.Duration            `yaml:"connectTimeout"`  // for the device to connect; default 0: it must be connected
	ResponseTimeout time.Duration            `yaml:"responseTimeout"` // for its answer, at least 5 s; default 25 s
	Services        map[string]MethodTimeout `yaml:"services"`
}

// MethodTimeout are the time-outs of one service; both together are under 30 s.
type MethodTimeout struct {
	ConnectTimeout  time.Duration `yaml:"connectTimeout"`
	ResponseTimeout time.Duration `yaml:"responseTimeout"`
}

// checkTwoWay checks how requests reach the hub's devices.
func (d *decoder) checkTwoWay(h *Hub, at string) {
	d.within(at+".units", "hubs[].units", int64(h.Units))
	d.within(at+".writeWindow", "hubs[].writeWindow", int64(h.WriteWindow))
	d.within(at+".twinMaxAge", "hubs[].twinMaxAge", int64(h.TwinMaxAge))
	if d.has(at + ".messageTTL") {
		d.within(at+".messageTTL", "hubs[].messageTTL", int64(h.MessageTTL))
	}
	d.checkWriteVia(at+".writeVia", h.WriteVia)
	d.checkMethods(&h.Methods, at+".methods")
}

func (d *decoder) checkWriteVia(at, via string) {
	const want = "want c2d, desired or method:<name>"
	if via == "c2d" || via == "desired" {
		return
	}
	name, method := strings.CutPrefix(via, "method:")
	switch {
	case !method:
		d.report(at, "not one of the allowed values", want)
	case name == "":
		d.report(at, "names no method", want)
	default:
		d.text(at, name)
	}
}

func (d *decoder) checkMethods(m *Methods, at string) {
	d.checkTimeout(MethodTimeout{m.ConnectTimeout, m.ResponseTimeout}, at)
	for _, name := range slices.Sorted(maps.Keys(m.Services)) {
		service, where := m.Services[name], join(at+".services", printable(name))
		if strings.TrimSpace(name) == "" {
			d.report(where, "names no service", "take the remote name of a service, such as reboot or module::reboot")
		}
		if !d.has(where + ".connectTimeout") {
			service.ConnectTimeout = m.ConnectTimeout
		}
		if !d.has(where + ".responseTimeout") {
			service.ResponseTimeout = m.ResponseTimeout
		}
		m.Services[name] = service
		d.checkTimeout(service, where)
	}
}

// checkTimeout keeps a method within what the hub takes and the platform waits for.
func (d *decoder) checkTimeout(t MethodTimeout, at string) {
	d.within(at+".responseTimeout", "hubs[].methods.responseTimeout", int64(t.ResponseTimeout))
	d.within(at+".connectTimeout", "hubs[].methods.connectTimeout", int64(t.ConnectTimeout))
	if t.ConnectTimeout+t.ResponseTimeout > longestMethod {
		d.report(at, fmt.Sprintf("connectTimeout and responseTimeout are %s together", t.ConnectTimeout+t.ResponseTimeout),
			"want 29s or less: the platform waits 30s")
	}
}
