package app

import (
	"context"
	"slices"
	"time"

	"azx/internal/delivery"
	"azx/internal/devices"
	"azx/internal/fault"
	"azx/internal/mapping"
	"azx/internal/message"
)

// What an import takes for a sample of what a device has.
const (
	DeclareTwin     = "twin"     // its reported properties
	DeclareMessages = "messages" // what it sent within the last hour
)

// sampled is how far back messages are looked at. Of devices that are heard of behind sampledNames names nothing is noted: a name
// takes about 100 bytes.
const (
	sampled      = time.Hour
	sampledNames = 1_000_000
)

// Declare is devices.Things'.
func (d deviceThings) Declare(ctx context.Context, t devices.Thing, properties []mapping.Property, dry bool) ([]mapping.Property, error) {
	return d.setup.Declare(ctx, t.Name, properties, dry)
}

// TemplateProperties is devices.Things'.
func (d deviceThings) TemplateProperties(ctx context.Context, template string) (map[string]bool, error) {
	return d.setup.TemplateProperties(ctx, template)
}

// samples says what devices have been seen to send or report; nil if nothing is to be declared.
func (c *carrier) samples(ctx context.Context, o ImportOptions) (func(devices.Device) devices.Sample, error) {
	for _, from := range o.Declare {
		if from != DeclareTwin && from != DeclareMessages {
			return nil, fault.Reject("declare properties", "want "+DeclareTwin+" or "+DeclareMessages+", or both", "there is no sample %q", from)
		}
	}
	if len(o.Declare) == 0 {
		return nil, nil
	}
	sent := map[string]devices.Sample{}
	if slices.Contains(o.Declare, DeclareMessages) {
		var err error
		if sent, err = c.sent(ctx, o.Group); err != nil {
			return nil, err
		}
	}
	twin := slices.Contains(o.Declare, DeclareTwin)
	return func(d devices.Device) devices.Sample {
		s := sent[d.ID]
		if twin {
			if s == nil {
				s = devices.Sample{}
			}
			s.Reported(d.Report)
		}
		return s
	}, nil
}

// sent looks at the messages of the last hour, beside whoever reads them.
func (c *carrier) sent(ctx context.Context, group string) (map[string]devices.Sample, error) {
	if group == "" {
		group = defaultGroup
	}
	e, err := c.openLook(ctx, group)
	if err != nil {
		return nil, err
	}
	defer e.close()
	starts, from := map[string]delivery.Start{}, time.Now().Add(-sampled)
	for _, p := range e.partitions {
		starts[p.ID] = delivery.Start{From: from}
	}
	all, names := map[string]devices.Sample{}, 0
	return all, c.read(ctx, e, starts, "", func(m *message.Message) (bool, error) {
		if !m.IsTelemetry() || m.IsHeartbeat() || m.DeviceID == "" {
			return true, nil
		}
		s := all[m.DeviceID]
		if s == nil {
			if names >= sampledNames {
				return true, nil
			}
			s = devices.Sample{}
			all[m.DeviceID] = s
		}
		before := len(s)
		s.Message(m)
		names += len(s) - before
		return true, nil
	})
}

// declare has an import that the platform asks for declare properties. The connector does not go back in the log for it.
func (h *hubImport) declare(from string) error {
	switch from {
	case "":
	case DeclareTwin:
		h.Sample = func(d devices.Device) devices.Sample {
			s := devices.Sample{}
			s.Reported(d.Report)
			return s
		}
	default:
		return fault.Reject("import devices", "want "+DeclareTwin+"; azx import --declare takes messages as well", "declare: there is no sample %q", from)
	}
	return nil
}
