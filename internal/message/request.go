package message

import "azx/alwayson/infotable"

// Verb says what a request asks of a Thing.
type Verb uint8

// Verbs of requests.
const (
	VerbRead  Verb = iota // the value of a remote property
	VerbWrite             // a new value for a remote property
	VerbCall              // a remote service
)

// String names the verb as logs and metrics do.
func (v Verb) String() string { return [...]string{"read", "write", "call"}[v] }

// Request is what the platform asks of a Thing that the connector stands for: a device's Thing or a hub Thing.
type Request struct {
	Thing  string
	Verb   Verb
	Name   string           // remote (edge) name of the property or service; "module::name" is of a module
	Value  infotable.Value  // of a write
	Params *infotable.Table // of a call: one row with a column per parameter; nil without parameters
}

// Target is a device or one of its modules.
type Target struct {
	Device string
	Module string // "" for the device itself
}

// String is "device" or "device/module".
func (t Target) String() string {
	if t.Module == "" {
		return t.Device
	}
	return t.Device + "/" + t.Module
}
