package platform

import (
	"context"
	"log/slog"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/mapping"
	"azx/internal/message"
)

// ThingsConfig sets up Things. Zero fields mean their defaults.
type ThingsConfig struct {
	// Writer has the lanes that pushes travel through, and remembers acknowledged values; required.
	Writer *Writer
	// AzxExtension says that device Things may have the services of our template.
	AzxExtension bool
	// MaxThings is how many Things' declarations are kept; default 10,000.
	MaxThings int
	// Keep is how long a declaration is used before it is asked for again; default 10 min.
	Keep time.Duration
	// AskAgain is the least time between two questions about a Thing that an unknown name gives cause for; default 5 s.
	AskAgain time.Duration
	// Timeout is how long an answer of the platform may take; default 30 s.
	Timeout time.Duration
	Log     *slog.Logger // may be nil
}

// Things is what egress knows of Things and does to them.
type Things struct {
	cfg ThingsConfig
}

// NewThings checks cfg and returns Things, which need no goroutine of their own.
func NewThings(cfg ThingsConfig) (*Things, error) { return &Things{cfg: cfg}, nil }

// Service returns the declaration of a remote service; a VARIANT result if the platform does not tell.
func (t *Things) Service(ctx context.Context, thing, edgeName string) (mapping.Service, error) {
	panic("not yet")
}

// Property returns the declaration of a remote property; false if the Thing has none of that edge name.
func (t *Things) Property(ctx context.Context, thing, edgeName string) (mapping.Property, bool, error) {
	panic("not yet")
}

// WriteVia returns how writes to the Thing travel; "" if the Thing leaves it to the configuration.
func (t *Things) WriteVia(ctx context.Context, thing string) (string, error) { panic("not yet") }

// Last returns the last value of a remote property that the platform acknowledged, and its time in ms since
// 1970-01-01 UTC; false if none is remembered.
func (t *Things) Last(thing, edgeName string) (v infotable.Value, at int64, ok bool) {
	panic("not yet")
}

// Push writes values to remote properties of a Thing, after what its lane is sending, and returns once the platform
// has acknowledged them. It is tried once.
func (t *Things) Push(ctx context.Context, thing string, writes []message.Write) error {
	panic("not yet")
}

// Fire fires an event of a Thing with one row of data. It is tried once.
func (t *Things) Fire(ctx context.Context, thing, event string, data *infotable.Table) error {
	panic("not yet")
}

// Forget drops what is known of a Thing, as NotifyPropertyUpdate asks for.
func (t *Things) Forget(thing string) {}
