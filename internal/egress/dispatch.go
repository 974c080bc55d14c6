package egress

import (
	"context"
	"errors"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/message"
)

// Names that the connector answers to by itself.
const (
	// ServicePing is answered at once on every Thing: so the connector learns whether a bind is of use.
	ServicePing = "Ping"
	// ServiceSendMessage is on the hub Thing: thingName, payload (a table of one row, or JSON), properties (optional).
	ServiceSendMessage = "AzureIotSendMessage"
	// EventOutcome tells a device's Thing what became of a message: messageId, status, description, time.
	EventOutcome = "AzureIotMessageOutcome"
)

// Outcomes of requests that their callers may tell apart; the Problem around them is Transient. A request that was
// not answered in time wraps context.DeadlineExceeded.
var (
	ErrBusy    = errors.New("the connector has too many requests at once")
	ErrStopped = errors.New("the connector is stopping")
)

// StatusError is a direct method that the device answered with a status other than 2xx.
type StatusError struct {
	Status  int
	Payload string // JSON text, cut short if it is long; "" for none
}

// Error names status and payload.
func (e *StatusError) Error() string { return "" }

// Outcome is what became of a cloud-to-device message.
type Outcome struct {
	Device      string
	MessageID   string
	Status      string // "Success", "Expired", "DeliveryCountExceeded", "Rejected" or "Purged"
	Description string
	Time        time.Time
}

// Dispatcher carries requests to devices and modules.
type Dispatcher struct {
	Config
}

// New returns a Dispatcher that takes requests while Run runs.
func New(c Config) (*Dispatcher, error) {
	return &Dispatcher{Config: c.withDefaults()}, CheckWriteVia(c.withDefaults().WriteVia)
}

// Run lets requests in until ctx ends, then gives those in flight DrainTimeout to end.
func (d *Dispatcher) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Handle carries one request and returns its answer: the value of a read, the result of a call, and of a write or of
// AzureIotSendMessage the id of the message that the hub took, NOTHING if it went out another way. Every request ends
// before the platform gives it up; its error is a fault.Problem whose text and hint are for people.
func (d *Dispatcher) Handle(ctx context.Context, r message.Request) (infotable.Value, error) {
	return infotable.Value{}, errors.New("not yet")
}

// Changed hears what the hub tells of changed twins, and returns at once.
func (d *Dispatcher) Changed(m *message.Message) {}

// Outcomes fires an event for each record on the Thing of its device. With an error the records may be handed over
// again: those that were told already are told once only.
func (d *Dispatcher) Outcomes(ctx context.Context, records []Outcome) error { return nil }
