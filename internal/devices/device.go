package devices

import (
	"context"
	"encoding/json"
	"iter"

	"azx/internal/mapping"
)

// Device is a device as its hub knows it. The parts of its twin are JSON as the hub wrote it.
type Device struct {
	ID      string
	Edge    bool
	Tags    json.RawMessage
	Desired json.RawMessage // with $metadata and $version
	Report  json.RawMessage // the reported properties, likewise
	Bad     error           // why the source could not read it; nil if it could
}

// Page is some devices of a source, in its order.
type Page struct {
	Devices []Device
	Next    string // where the page behind begins
}

// Source gives a hub's devices.
type Source interface {
	// Pages gives the pages from a place on, which is Next of the page before, or "" for the beginning. A page is good until the next
	// one is asked for. An error ends it.
	Pages(ctx context.Context, from string) iter.Seq2[Page, error]
	// Total is about how many devices there are; 0 if nobody knows.
	Total() int
}

// Thing is what an import makes of a device.
type Thing struct {
	Name     string
	Template string
	Hub      string // its gatewayThing
	Device   Device
}

// Found is a Thing that is there.
type Found struct {
	Name string // as the platform writes it
	Hub  string // its gatewayThing; "" if it has none
}

// Things is the platform as far as an import needs it. An error of class fault.Rejected is about that Thing; any other
// one is about the platform.
type Things interface {
	// Find gives the Things that are there of these names, by the name that was asked for. Case does not count.
	Find(ctx context.Context, names []string) (map[string]Found, error)
	// Create makes a Thing with its gatewayThing, twin and tags. One that is there, since its making was cut off, is finished.
	Create(ctx context.Context, t Thing) error
	// Update writes gatewayThing, twin and tags of a Thing that is there. It keeps its template.
	Update(ctx context.Context, t Thing) error
	// Declare gives a Thing that is there remote properties, but none that it has; with dry it changes nothing. It returns those
	// that were declared, or would be.
	Declare(ctx context.Context, t Thing, properties []mapping.Property, dry bool) ([]mapping.Property, error)
	// TemplateProperties gives the names of the properties that Things have from a template.
	TemplateProperties(ctx context.Context, template string) (map[string]bool, error)
}

// State keeps how far an import is, so that one that was killed goes on.
type State interface {
	// Load gives what was saved last; found is false if nothing was.
	Load() (at Place, found bool, err error)
	// Save keeps a place; when it returns, a kill does not lose it.
	Save(at Place) error
}
