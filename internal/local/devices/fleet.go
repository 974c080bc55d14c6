package devices

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/supervise"
)

// Fleet is a number of simulated devices that send telemetry at an interval, answer the direct method reboot, and tell
// as telemetry what cloud-to-device messages set.
type Fleet struct {
	// Devices to simulate.
	Devices []Config
	// Interval between the messages of one device; default 1 s.
	Interval time.Duration
	// Log gets what goes wrong; default nothing.
	Log *slog.Logger

	mu   sync.Mutex
	sent map[iothub.ID]int64
}

// Run sends until ctx ends, and returns nil then. A device that cannot connect tries again; what it cannot send waits.
// Each message is waited for before the next one of that device, so messages of a device arrive in order.
func (f *Fleet) Run(ctx context.Context) error {
	if f.Interval <= 0 {
		f.Interval = time.Second
	}
	if f.Log == nil {
		f.Log = slog.New(slog.DiscardHandler)
	}
	group := supervise.New(ctx)
	for i, cfg := range f.Devices {
		// Devices start spread over one interval, so that load is even.
		delay := f.Interval * time.Duration(i) / time.Duration(len(f.Devices))
		group.Go("device "+cfg.Credentials.ID.String(), func(ctx context.Context) error { return f.simulate(ctx, cfg, delay) })
	}
	return group.Wait()
}

// Sent counts the acknowledged messages by device. The bodies carry the sequence numbers 1 to that count.
func (f *Fleet) Sent() map[iothub.ID]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.sent)
}

func (f *Fleet) simulate(ctx context.Context, cfg Config, delay time.Duration) error {
	if sleep(ctx, delay) != nil {
		return nil
	}
	d, err := f.connect(ctx, cfg)
	if err != nil {
		return nil // only the end of ctx
	}
	defer d.Close()
	ticker := time.NewTicker(f.Interval)
	defer ticker.Stop()
	for sequence := int64(1); ; {
		err := d.Send(ctx, Telemetry(d.id.Device, sequence))
		switch {
		case ctx.Err() != nil && err != nil:
			return nil
		case err != nil:
			f.Log.Warn("simulated device", "error", err)
		default:
			f.count(d.id)
			sequence++
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// connect tries until it succeeds or ctx ends.
func (f *Fleet) connect(ctx context.Context, cfg Config) (*Device, error) {
	m := newMachine(cfg.Clock)
	cfg.Method, cfg.Message = m.method, m.message
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		d, err := Connect(ctx, cfg)
		if err == nil {
			return d, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		f.Log.Warn("simulated device", "error", err)
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

func (f *Fleet) count(id iothub.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sent == nil {
		f.sent = map[iothub.ID]int64{}
	}
	f.sent[id]++
}

// SendEvery sends body once, or at an interval until ctx ends when interval is not 0. After each acknowledged message
// it calls sent with the count so far.
func SendEvery(ctx context.Context, cfg Config, body []byte, interval time.Duration, sent func(count int)) error {
	d, err := Connect(ctx, cfg)
	if err != nil {
		return err
	}
	defer d.Close()
	for count := 1; ; count++ {
		if err := d.Send(ctx, body); err != nil {
			if interval > 0 && errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}
		sent(count)
		if interval <= 0 || sleep(ctx, interval) != nil {
			return nil
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
