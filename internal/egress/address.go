package egress

import (
	"context"
	"strings"
	"time"

	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

// Names that the connector answers to by itself.
const (
	// ServicePing is answered at once on every Thing: so the connector learns whether a bind is of use. A direct method
	// of that name is not reached.
	ServicePing = "Ping"
	// ServiceSendMessage is on the hub Thing: thingName, payload (a table of one row, or a JSON object) and, optional,
	// properties (likewise).
	ServiceSendMessage = "AzureIotSendMessage"
)

// What a request is about, as metrics name it.
const (
	kindProperty = "property"
	kindTwin     = "twin"
	kindService  = "service"
	kindHub      = "hub"
	kindPing     = "ping"
)

// Names of the twin's parts among the remote properties of a Thing; a module's have its id before them.
const (
	twinDesired  = "twinDesired"
	twinReported = "twinReported"
	twinTags     = "twinTags"
	twinUpdated  = "twinUpdated" // when the hub had the twin that the others show; ours
)

// job is a request on its way.
type job struct {
	message.Request
	start  time.Time
	op     string // names it in errors
	kind   string
	target message.Target
	name   string // remote name without the module
	stale  bool   // it was answered with a twin older than wanted
}

// find says what the request is about and whom it is for.
func (j *job) find(hubThing string) error {
	if j.Verb == message.VerbCall && j.Name == ServicePing {
		j.kind = kindPing
		return nil
	}
	if j.Thing == hubThing {
		j.kind = kindHub
		return nil
	}
	j.kind = kindProperty
	if j.Verb == message.VerbCall {
		j.kind = kindService
	}
	device, ok := message.DeviceID(j.Thing)
	if !ok || device == "" {
		return fault.Reject(j.op, "Things of devices are named after their devices", "no device id gives this Thing name")
	}
	j.target, j.name = message.Target{Device: device}, j.Name
	// A module's id may hold colons and a property's name may not, so the last pair of them is the one that parts them.
	if at := strings.LastIndex(j.Name, mapping.ModuleSeparator); at >= 0 {
		j.target.Module, j.name = j.Name[:at], j.Name[at+len(mapping.ModuleSeparator):]
		if j.target.Module == "" {
			return fault.Reject(j.op, "remote names of modules look like module"+mapping.ModuleSeparator+"name", "the remote name has no module")
		}
	}
	if j.name == "" {
		return fault.Reject(j.op, "see the remote binding on the Thing", "there is no remote name")
	}
	if _, twin := twinParts[j.name]; twin && j.kind == kindProperty {
		j.kind = kindTwin
	}
	return nil
}

const (
	platformWaits = 30 * time.Second // read: the platform's WebSocket subsystem
	mostMargin    = time.Second      // for the way back
)

// within bounds the request's time so that its answer comes before the platform gives up, which waits as long as
// timeout says; 0: as long as usual.
func (j *job) within(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		timeout = platformWaits
	}
	return context.WithDeadline(ctx, j.start.Add(timeout-min(mostMargin, timeout/10)))
}
