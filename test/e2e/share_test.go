package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"golang.org/x/sync/errgroup"

	"azx/test/azurite"
	"azx/test/process"
)

// shared has a connector keep its checkpoints in a container that others read, too, with leases that expire soon.
func shared(connectionString string) func(config map[string]any) {
	return func(config map[string]any) {
		config["checkpoint"] = map[string]any{
			"blob":   map[string]any{"connectionString": connectionString, "container": "checkpoints"},
			"leases": map[string]any{"interval": "1s", "expiry": "5s"},
		}
	}
}

// newContainer makes the container.
func newContainer(t *testing.T, connectionString string) {
	t.Helper()
	client, err := azblob.NewClientFromConnectionString(connectionString, nil)
	if err == nil {
		_, err = client.CreateContainer(context.Background(), "checkpoints", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestThreeConnectorsShareAHubAndLoseNothing has three connectors read the partitions of a hub through one container. One is
// killed, one is stopped for longer than its leases last and goes on then. Every message is on the platform, and the first
// time that it saw each of a device's was in order; after a stop that drained nothing comes again.
func TestThreeConnectorsShareAHubAndLoseNothing(t *testing.T) {
	t.Parallel()
	const devices, each = 24, 1200
	store := azurite.Start(t)
	newContainer(t, store.ConnectionString())
	stack := process.NewStack(t, azx, process.Flags{Hub: []string{"--partitions", "8"}})
	stack.AddHubThing(hubThing)
	var fleet []*device
	for i := range devices {
		id := fmt.Sprintf("press-%02d", i)
		stack.AddDeviceThing(id, hubThing, "--property", "n:INTEGER")
		fleet = append(fleet, connectDevice(t, stack, id))
	}
	var connectors []*process.Child
	for i := range 3 {
		name := fmt.Sprintf("azx-%d", i+1)
		stack.ConfigureFor(hubThing, name, shared(store.ConnectionString()))
		connectors = append(connectors, stack.ConnectAs(name))
	}
	var sending errgroup.Group
	var sent counter
	for _, d := range fleet {
		sending.Go(func() error { return sendNumbers(d, each, &sent) })
	}
	seen := newDeliveries(t, stack.Platform)
	enough := func(n int) {
		t.Helper()
		process.Eventually(t, 3*time.Minute, fmt.Sprint(n, " messages are delivered"), func() error { return seen.atLeast(n) })
	}
	enough(devices * each / 8)
	connectors[0].Freeze()
	connectors[1].Kill()
	enough(devices * each * 3 / 4) // the third has every partition by then
	before := leasesGained(connectors[0])
	connectors[0].Thaw()
	if err := sending.Wait(); err != nil {
		t.Fatal(err)
	}
	enough(devices * each)
	t.Logf("%d of %d messages were written more than once", seen.again, devices*each)
	again := seen.again
	process.Eventually(t, time.Minute, "the one that woke up reads a part again", func() error {
		if leasesGained(connectors[0]) == before {
			return errors.New("it has gained none since it woke up")
		}
		return nil
	})
	for _, c := range []*process.Child{connectors[0], connectors[2]} {
		if code := c.Stop(); code != 0 {
			t.Errorf("a connector ended with exit code %d", code)
		}
	}
	last := stack.ConnectAs("azx-2")
	more := devices * each
	for _, d := range fleet {
		if err := d.send(`{"n":%d}`, each); err != nil {
			t.Fatal(err)
		}
		more++
	}
	enough(more)
	if seen.again != again {
		t.Errorf("%d messages were written again after graceful stops", seen.again-again)
	}
	last.Stop()
}

func leasesGained(c *process.Child) int { return strings.Count(c.Stderr(), "event=lease-gained") }

// TestAContainerThatDoesNotAnswerHoldsUpNothingButCheckpoints freezes the storage account for longer than leases last. Both
// connectors read on meanwhile, say that they may not checkpoint, and one that is told to stop does so in time. Once the
// account answers again the other one takes over; nothing is lost, and first deliveries are in order.
func TestAContainerThatDoesNotAnswerHoldsUpNothingButCheckpoints(t *testing.T) {
	t.Parallel()
	const devices, each = 8, 2500
	store := azurite.Start(t)
	newContainer(t, store.ConnectionString())
	stack := process.NewStack(t, azx)
	stack.AddHubThing(hubThing)
	var fleet []*device
	for i := range devices {
		id := fmt.Sprintf("press-%02d", i)
		stack.AddDeviceThing(id, hubThing, "--property", "n:INTEGER")
		fleet = append(fleet, connectDevice(t, stack, id))
	}
	var connectors []*process.Child
	for _, name := range []string{"azx-1", "azx-2"} {
		stack.ConfigureFor(hubThing, name, shared(store.ConnectionString()))
		connectors = append(connectors, stack.ConnectAs(name))
	}
	var sending errgroup.Group
	var sent counter
	for _, d := range fleet {
		sending.Go(func() error { return sendNumbers(d, each, &sent) })
	}
	seen := newDeliveries(t, stack.Platform)
	enough := func(n int) {
		t.Helper()
		process.Eventually(t, 2*time.Minute, fmt.Sprint(n, " messages are delivered"), func() error { return seen.atLeast(n) })
	}
	enough(devices * each / 10)
	store.Freeze()
	for _, c := range connectors {
		c.Until(time.Minute, "it says that checkpoints cannot be saved", func() error {
			if !strings.Contains(c.Stderr(), "event=checkpoint-failing") {
				return errors.New("it does not")
			}
			return nil
		})
	}
	during := seen.count
	enough(during + devices*each/10)
	begun := time.Now()
	if code := connectors[0].Stop(); time.Since(begun) > 20*time.Second {
		t.Errorf("a stop took %s, exit code %d", time.Since(begun), code)
	}
	store.Thaw()
	if err := sending.Wait(); err != nil {
		t.Fatal(err)
	}
	enough(devices * each)
	t.Logf("%d of %d messages were written more than once", seen.again, devices*each)
	if code := connectors[1].Stop(); code != 0 {
		t.Errorf("the connector ended with exit code %d", code)
	}
}
