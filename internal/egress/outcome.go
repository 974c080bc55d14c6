package egress

import (
	"context"
	"fmt"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/fault"
	"azx/internal/message"
)

// EventOutcome is the event of a device's Thing that tells what became of a message: messageId, status, description
// (all STRING) and time (DATETIME).
const EventOutcome = "AzureIotMessageOutcome"

// Outcome is what became of a cloud-to-device message, as the hub's feedback has it.
type Outcome struct {
	Device      string
	MessageID   string
	Status      string // "Success", "Expired", "DeliveryCountExceeded", "Rejected" or "Purged"
	Description string
	Time        time.Time
}

// Outcomes fires an event for each record on the Thing of its device. With an error the platform is away: the records
// shall be handed over again later, and those that were told already are not told again. A Thing that does not take
// the event is passed over.
func (d *Dispatcher) Outcomes(ctx context.Context, records []Outcome) error {
	for _, o := range records {
		if d.told.has(o) {
			continue
		}
		thing := message.ThingName(o.Device)
		err := d.fire(ctx, thing, o)
		if err != nil && fault.ClassOf(err) != fault.Rejected {
			return fmt.Errorf("tell %s what became of a message: %w", short(thing, mostName), err)
		}
		if err != nil {
			d.Log.Debug("a Thing does not take what became of its message", "event", "outcome-refused", "thing", thing, "error", err)
		}
		d.told.add(o)
		d.Meter.Outcome(o.Status)
	}
	return nil
}

func (d *Dispatcher) fire(ctx context.Context, thing string, o Outcome) error {
	ctx, cancel := context.WithTimeout(ctx, pushWithin)
	defer cancel()
	return d.Things.Fire(ctx, thing, EventOutcome, o.table())
}

func (o Outcome) table() *infotable.Table {
	return infotable.OneRow(
		infotable.Cell{Name: "messageId", Value: infotable.String(o.MessageID)},
		infotable.Cell{Name: "status", Value: infotable.String(o.Status)},
		infotable.Cell{Name: "description", Value: infotable.String(o.Description)},
		infotable.Cell{Name: "time", Value: infotable.DateTime(o.Time.UnixMilli())},
	)
}
