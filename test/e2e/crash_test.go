package e2e

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"azx/test/process"
)

// TestAConnectorKilledInTheMiddleLosesNothing has 20 devices send 10,000 messages and kills the connector
// twice: while it works off what waited for it, with a platform that does not answer, and while messages come
// in. In the end the platform has acknowledged every message of every device, and the first time that it saw
// each of them was in the order the device sent them.
func TestAConnectorKilledInTheMiddleLosesNothing(t *testing.T) {
	t.Parallel()
	const devices, each = 20, 500
	stack := process.NewStack(t, azx)
	var fleet []*device
	for i := range devices {
		id := fmt.Sprintf("press-%02d", i)
		stack.AddThing(id, "n:INTEGER")
		fleet = append(fleet, connectDevice(t, stack, id))
	}
	stack.Configure()

	var sending errgroup.Group
	var sent counter
	for _, d := range fleet {
		sending.Go(func() error { return sendNumbers(d, each, &sent) })
	}
	seen := newDeliveries(t, stack.Platform)
	process.Eventually(t, time.Minute, "a backlog", func() error { return sent.atLeast(2000) })

	connector := stack.Start("run", "-c", "azx.yaml")
	connector.Until(2*time.Minute, "some of it is delivered", func() error { return seen.atLeast(500) })
	stack.PlatformProcess.Freeze()
	// The devices need 2 seconds for these: a connector that checkpoints what was not acknowledged does it now.
	connector.Until(time.Minute, "more is sent", func() error { return sent.atLeast(7000) })
	connector.Kill()
	stack.PlatformProcess.Thaw()
	t.Logf("killed with %d messages delivered of %d sent so far", seen.count, sent.Load())

	connector = stack.Start("run", "-c", "azx.yaml")
	connector.Until(2*time.Minute, "most is delivered", func() error { return seen.atLeast(5000) })
	connector.Kill()
	t.Logf("killed with %d messages delivered of %d sent so far", seen.count, sent.Load())
	if seen.count >= devices*each {
		t.Fatal("that was not in the middle of the work")
	}

	connector = stack.Connect()
	if err := sending.Wait(); err != nil {
		t.Fatal(err)
	}
	connector.Until(2*time.Minute, "every message is delivered", func() error { return seen.atLeast(devices * each) })
	t.Logf("%d of %d messages were written more than once", seen.again, devices*each)
	if code := connector.Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
}

// counter counts what was sent.
type counter struct{ atomic.Int64 }

func (c *counter) atLeast(enough int) error {
	if n := c.Load(); n < int64(enough) {
		return fmt.Errorf("%d of %d sent", n, enough)
	}
	return nil
}

// sendNumbers sends {"n": 0}, {"n": 1} and so on, about a hundred a second.
func sendNumbers(d *device, count int, sent *counter) error {
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for n := range count {
		<-pace.C
		if err := d.send(`{"n":%d}`, n); err != nil {
			return fmt.Errorf("message %d of %s: %w", n, d.id, err)
		}
		sent.Add(1)
	}
	return nil
}

// deliveries follows the platform's ledger and checks that what each Thing gets for the first time
// is the successor of what it got before.
type deliveries struct {
	t        *testing.T
	platform *process.Platform
	after    uint64
	next     map[string]int // by Thing: the number that has not come yet
	count    int            // numbers delivered
	again    int            // repeats
}

func newDeliveries(t *testing.T, platform *process.Platform) *deliveries {
	return &deliveries{t: t, platform: platform, next: map[string]int{}}
}

// atLeast reads what is new in the ledger and tells whether enough numbers were delivered.
func (d *deliveries) atLeast(enough int) error {
	for _, e := range d.platform.Ledger(d.after) {
		d.after = e.Index
		if e.Property != "n" {
			continue
		}
		var n int
		if err := json.Unmarshal(e.Value, &n); err != nil {
			d.t.Fatalf("ledger entry %d: %v", e.Index, err)
		}
		switch next := d.next[e.Thing]; {
		case n == next:
			d.next[e.Thing]++
			d.count++
		case n < next:
			d.again++
		default:
			d.t.Fatalf("%s got message %d before message %d", e.Thing, n, next)
		}
	}
	if d.count < enough {
		return fmt.Errorf("%d of %d delivered", d.count, enough)
	}
	return nil
}
