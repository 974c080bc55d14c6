// Package mapping turns messages into values: it matches the members of a body with the remote properties of a Thing
// and converts JSON text to their base types.
package mapping

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"azx/alwayson/infotable"
	"azx/internal/decode"
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

// Table holds the remote properties of a Thing. What it says never changes.
type Table struct {
	columns []column
	index   map[string]int // of columns, by remote name
	gateway string

	// follows remembers which column came behind each, and behind none, the last time: messages name their properties in
	// the same order, so that most are found without index. It is only a guess, shared by all who use the table.
	follows []atomic.Int32
}

// column is a remote property.
type column struct {
	name  string
	plain string // the name, if JSON may write it as it is
	base  infotable.BaseType
	sep   int // where the last ModuleSeparator begins in name, -1 if it has none
}

// NewTable returns the table of a Thing whose gatewayThing is gateway ("" when unknown). Properties that
// the platform's base templates define are left out: no device may write those.
func NewTable(properties []Property, gateway string) *Table {
	t := &Table{index: make(map[string]int, len(properties)), gateway: gateway}
	for _, p := range properties {
		if baseProperties[p.EdgeName] {
			continue
		}
		at, known := t.index[p.EdgeName]
		if !known {
			at = len(t.columns)
			t.index[p.EdgeName] = at
			c := column{name: p.EdgeName, sep: strings.LastIndex(p.EdgeName, ModuleSeparator)}
			if decode.IsPlain(c.name) {
				c.plain = c.name
			}
			t.columns = append(t.columns, c)
		}
		t.columns[at].base = p.Type
	}
	t.follows = make([]atomic.Int32, len(t.columns)+1)
	return t
}

// baseProperties are the properties of RemoteThing, its shapes and AzureIotThing.
var baseProperties = map[string]bool{
	"name": true, "description": true, "thingTemplate": true, "tags": true, "identifier": true,
	"isConnected": true, "lastConnection": true, "gatewayThing": true,
	"isReporting": true, "reportingLastChange": true, "reportingLastEvaluation": true,
	"twinDesired": true, "twinReported": true, "twinTags": true, "twinUpdated": true,
}

// IsBase tells whether the platform's base templates define a property of that name, which no device may write.
func IsBase(name string) bool { return baseProperties[name] }

// Gateway returns the gatewayThing of the Thing, "" when unknown.
func (t *Table) Gateway() string { return t.gateway }

// Len returns the number of remote properties.
func (t *Table) Len() int { return len(t.columns) }

// Equal tells whether both tables hold the same properties and gateway.
func (t *Table) Equal(other *Table) bool {
	if other == nil || t.gateway != other.gateway || len(t.columns) != len(other.columns) {
		return false
	}
	for _, c := range t.columns {
		if at, ok := other.index[c.name]; !ok || other.columns[at].base != c.base {
			return false
		}
	}
	return true
}

// Fingerprint is equal for equal tables and for those only, so that a cache can share them.
func (t *Table) Fingerprint() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q", t.gateway)
	for _, name := range slices.Sorted(maps.Keys(t.index)) {
		fmt.Fprintf(&b, " %q %d", name, t.columns[t.index[name]].base)
	}
	return b.String()
}

// Encode appends the values of the members of a message's body that have a remote property, all with the message's time. A null
// is no value. unknown counts the members without a property. If a value does not fit its property, unfit names the first such
// member (class Rejected); the others are appended all the same. err says that the body cannot be read (see decode.Open): then
// nothing is appended.
func (t *Table) Encode(tel message.Telemetry, dst *Values) (unknown int, unfit, err error) {
	members, err := decode.Open(tel.Message)
	if err != nil {
		return 0, nil, err
	}
	var prefix string
	if tel.Message.ModuleID != "" {
		prefix = tel.Message.ModuleID + ModuleSeparator
	}
	from, before := dst.Len(), 0 // before is one more than the index of the column before
	for {
		at, guess := t.guess(before, prefix)
		r, known, ok := members.Next(guess)
		if !ok {
			break
		}
		if !known {
			at, known = t.find(prefix, r.Key, before)
		}
		switch {
		case known && t.columns[at].sep < len(prefix):
			before = at + 1
		case known || strings.Contains(string(r.Key), ModuleSeparator):
			unfit = cmp.Or(unfit, ofModule(r.Key))
			continue
		default:
			unknown++
			continue
		}
		if cause := dst.encode(r, &t.columns[at], tel.Time); cause != nil {
			unfit = cmp.Or(unfit, misfit(r.Key, cause))
		}
	}
	if err := members.Err(); err != nil {
		dst.Cut(from)
		return 0, nil, err
	}
	return unknown, unfit, nil
}

// guess returns the column that is likely to come next, and the name by which a message with this prefix would name it; "" if
// there is none.
func (t *Table) guess(before int, prefix string) (at int, name string) {
	if at = int(t.follows[before].Load()); at == len(t.columns) {
		return at, ""
	}
	if name = t.columns[at].plain; prefix != "" {
		var of bool
		if name, of = strings.CutPrefix(name, prefix); !of {
			name = ""
		}
	}
	return at, name
}

// find returns the index of the column with a name, looked for first where it was the last time.
func (t *Table) find(prefix string, key []byte, before int) (at int, known bool) {
	var room [128]byte
	name := key
	if prefix != "" {
		name = append(append(room[:0], prefix...), key...)
	}
	likely := &t.follows[before]
	if at = int(likely.Load()); at < len(t.columns) && t.columns[at].name == string(name) {
		return at, true
	}
	if at, known = t.index[string(name)]; known {
		likely.Store(int32(at))
	}
	return at, known
}

func ofModule(key []byte) error {
	return fault.Reject("map "+quoted(key), "a module's properties are written by its own messages",
		"a key with %q names a property of a module", ModuleSeparator)
}

func misfit(key []byte, cause error) error {
	return &fault.Problem{
		Op: "map " + quoted(key), Class: fault.Rejected, Cause: cause,
		Hint: "change what the device sends, or the property's base type",
	}
}

// quoted shortens what a device sent to something a log line can hold.
func quoted[T string | []byte](s T) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%.*q...", most, string(s))
	}
	return fmt.Sprintf("%q", string(s))
}
