// Package mapping turns readings into writes: it matches keys with the remote properties of a Thing
// and converts JSON text to their base types.
package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
)

// ModuleSeparator stands between a module's id and a property's name in a remote name.
const ModuleSeparator = "::"

// Property is a remote property of a Thing.
type Property struct {
	EdgeName string             // remote name; equals the property's own name unless bound to another
	Type     infotable.BaseType // VARIANT where the base type is not known: the value then has its JSON type
}

// Table holds the remote properties of a Thing. It never changes.
type Table struct {
	types   map[string]infotable.BaseType // by remote name
	gateway string
}

// NewTable returns the table of a Thing whose gatewayThing is gateway ("" when unknown). Properties that
// the platform's base templates define are left out: no device may write those.
func NewTable(properties []Property, gateway string) *Table {
	t := &Table{types: make(map[string]infotable.BaseType, len(properties)), gateway: gateway}
	for _, p := range properties {
		if !baseProperties[p.EdgeName] {
			t.types[p.EdgeName] = p.Type
		}
	}
	return t
}

// baseProperties are the properties of RemoteThing, its shapes and AzureIotThing.
var baseProperties = map[string]bool{
	"name": true, "description": true, "thingTemplate": true, "tags": true, "identifier": true,
	"isConnected": true, "lastConnection": true, "gatewayThing": true,
	"isReporting": true, "reportingLastChange": true, "reportingLastEvaluation": true,
	"twinDesired": true, "twinReported": true, "twinTags": true, "twinUpdated": true,
}

// Gateway returns the gatewayThing of the Thing, "" when unknown.
func (t *Table) Gateway() string { return t.gateway }

// Len returns the number of remote properties.
func (t *Table) Len() int { return len(t.types) }

// Equal tells whether both tables hold the same properties and gateway.
func (t *Table) Equal(other *Table) bool {
	return other != nil && t.gateway == other.gateway && maps.Equal(t.types, other.types)
}

// Fingerprint is equal for equal tables and for those only, so that a cache can share them.
func (t *Table) Fingerprint() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q", t.gateway)
	for _, name := range slices.Sorted(maps.Keys(t.types)) {
		fmt.Fprintf(&b, " %q %d", name, t.types[name])
	}
	return b.String()
}

// Map appends to dst one write for each reading that has a remote property, all with the message's time.
// A null is no value and gives no write. unknown holds the keys without a property. When a value does not
// fit its property, err names the first such key (class Rejected); the others are in writes all the same.
func (t *Table) Map(tel message.Telemetry, dst []message.Write) (writes []message.Write, unknown []string, err error) {
	var prefix string
	if tel.Message != nil && tel.Message.ModuleID != "" {
		prefix = tel.Message.ModuleID + ModuleSeparator
	}
	for _, r := range tel.Readings {
		write, known, failed := t.write(r, prefix, tel.Time)
		switch {
		case failed != nil && err == nil:
			err = failed
		case failed != nil: // the first failure is told
		case !known:
			unknown = append(unknown, prefix+string(r.Key))
		case r.Kind != message.Null:
			dst = append(dst, write)
		}
	}
	return dst, unknown, err
}

func (t *Table) write(r message.Reading, prefix string, at int64) (w message.Write, known bool, err error) {
	if strings.Contains(string(r.Key), ModuleSeparator) {
		return w, true, fault.Reject("map "+quoted(r.Key), "a module's properties are written by its own messages",
			"a key with %q names a property of a module", ModuleSeparator)
	}
	name := prefix + string(r.Key)
	base, known := t.types[name]
	if !known || r.Kind == message.Null {
		return w, known, nil
	}
	value, cause := Convert(r, base)
	if cause != nil {
		return w, true, &fault.Problem{
			Op: "map " + quoted(r.Key), Class: fault.Rejected, Cause: cause,
			Hint: "change what the device sends, or the property's base type",
		}
	}
	return message.Write{Property: name, Value: value, Time: at}, true, nil
}

// quoted shortens what a device sent to something a log line can hold.
func quoted[T string | []byte](s T) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%.*q...", most, string(s))
	}
	return fmt.Sprintf("%q", string(s))
}
