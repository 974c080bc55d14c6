package script

import (
	"context"

	"azx/alwayson/infotable"
)

// Host is the platform as scripts see it. Every call has the context of the run: its deadline, whoever calls, and the
// depth of nested services, which [Engine.Run] reads again when the host runs another script with that context.
type Host interface {
	// Entity returns an entity of a collection such as "Things"; false if it is absent or invisible to the caller.
	Entity(ctx context.Context, collection, name string) (Entity, bool)
	// Log takes a line of a script's logger. The level is trace, debug, info, warn or error.
	Log(ctx context.Context, level, logger, text string)
}

// Entity is one entity of the platform. Its methods are called by one script at a time, but an entity may be in the
// hands of several scripts.
type Entity interface {
	// Name returns the entity's name.
	Name() string
	// Collection returns the collection that the entity is in, such as "Things".
	Collection() string
	// Attribute returns name, description, thingTemplate, tags; false for what the entity does not have.
	Attribute(name string) (infotable.Value, bool)
	// Has tells what a name stands for.
	Has(name string) Member
	// Get reads a property.
	Get(ctx context.Context, property string) (infotable.Value, error)
	// Set writes a property. The value has the base type that ServiceInfo states for the property; if it states none,
	// the one that the script's value looks like: every number is a NUMBER, an object JSON or LOCATION.
	Set(ctx context.Context, property string, v infotable.Value) error
	// ServiceInfo returns the parameters and the result of a service; for an event, the fields of its data shape as
	// parameters; for a property, its base type as the result. false: unknown, and values keep the type they look like.
	ServiceInfo(name string) (Signature, bool)
	// Call calls a service. params has one row with the parameters that were given; nil for none.
	Call(ctx context.Context, service string, params *infotable.Table) (infotable.Value, error)
	// Fire fires an event. data has one row; nil for none.
	Fire(ctx context.Context, event string, data *infotable.Table) error
	// Values returns an empty table of the entity's data shape: CreateValues of data shapes and some Things.
	Values() (*infotable.Table, error)
}

// Member is what a name of an entity stands for.
type Member uint8

// The kinds of members.
const (
	None Member = iota
	Property
	Service
	Event
)

// Signature describes what a service takes and gives.
type Signature struct {
	Params       []infotable.Field
	Result       infotable.BaseType
	ResultFields []infotable.Field // of an INFOTABLE with a data shape
}
