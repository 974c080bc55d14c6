package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"azx/test/azurite"
	"azx/test/process"
)

// silentFor has a connector take a device for offline after a while.
func silentFor(timeout, late string) func(config map[string]any) {
	return func(config map[string]any) {
		config["hubs"].([]any)[0].(map[string]any)["presence"] = map[string]any{"timeout": timeout, "late": late}
	}
}

// absences is how often each Thing's device was told to have gone, and what its presence was, in order.
func absences(stack *process.Stack, thing string) (events int, states []string, err error) {
	fired, err := stack.Platform.Events(thing)
	if err != nil {
		return 0, nil, err
	}
	for _, f := range fired {
		if f.Event == "AzureIotDeviceAbsent" {
			events++
		}
	}
	all, err := stack.Platform.TryLedger(0)
	for _, e := range all {
		if e.Thing == thing && e.Property == "presence" {
			states = append(states, string(e.Value))
		}
	}
	return events, states, err
}

// goneOnce waits until the device of each Thing was told to have gone a number of times, and refuses more.
func goneOnce(t *testing.T, stack *process.Stack, things []string, times int) {
	t.Helper()
	process.Eventually(t, 2*time.Minute, fmt.Sprintf("each device is offline %d times", times), func() error {
		for _, thing := range things {
			n, states, err := absences(stack, thing)
			if err != nil || n < times {
				return fmt.Errorf("%s has gone %d times: %q, %v", thing, n, states, err)
			}
			if n > times {
				t.Fatalf("%s has gone %d times: %q", thing, n, states)
			}
		}
		return nil
	})
}

// TestASilentDeviceIsOfflineOnceAlthoughItsConnectorsAreKilled has devices speak. One of three connectors is killed, later all,
// and all are restarted when the devices have gone: each is told to have gone, once for each time that it fell silent.
func TestASilentDeviceIsOfflineOnceAlthoughItsConnectorsAreKilled(t *testing.T) {
	t.Parallel()
	store := azurite.Start(t)
	newContainer(t, store.ConnectionString())
	stack := process.NewStack(t, azx, process.Flags{Hub: []string{"--partitions", "4"}})
	stack.AddHubThing(hubThing)
	var things []string
	var fleet []*device
	for i := range 12 {
		id := fmt.Sprintf("press-%02d", i)
		things = append(things, id)
		stack.AddDeviceThing(id, hubThing, "--property", "n:INTEGER")
		fleet = append(fleet, connectDevice(t, stack, id))
	}
	names := []string{"azx-1", "azx-2", "azx-3"}
	var connectors []*process.Child
	for _, name := range names {
		stack.ConfigureFor(hubThing, name, shared(store.ConnectionString()), silentFor("16s", "8s"))
		connectors = append(connectors, stack.ConnectAs(name))
	}
	speak := func() {
		t.Helper()
		for _, d := range fleet {
			if err := d.send(`{"n":1}`); err != nil {
				t.Fatal(err)
			}
		}
		for _, thing := range things {
			reads(t, stack.Platform, thing, "presence", `"online"`)
		}
	}
	speak()
	connectors[0].Kill()
	goneOnce(t, stack, things, 1)
	speak()
	connectors = restartAll(stack, names, connectors[1:], (*process.Child).Kill)
	goneOnce(t, stack, things, 2)
	restartAll(stack, names, connectors, func(c *process.Child) { c.Stop() })
	if err := fleet[0].send(`{"n":1}`); err != nil {
		t.Fatal(err)
	}
	goneOnce(t, stack, things[:1], 3) // by then all others were silent before new eyes for as long
	goneOnce(t, stack, things[1:], 2)
}

// restartAll ends connectors, and starts those of the names.
func restartAll(stack *process.Stack, names []string, running []*process.Child, end func(*process.Child)) (all []*process.Child) {
	for _, c := range running {
		end(c)
	}
	for _, name := range names {
		all = append(all, stack.ConnectAs(name))
	}
	return all
}

// TestPresenceOfADeviceIsOnlineThenLateThenOfflineWithItsEvidence has a device speak and drop its connection.
func TestPresenceOfADeviceIsOnlineThenLateThenOfflineWithItsEvidence(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.AddHubThing(hubThing)
	stack.AddDeviceThing("press", hubThing, "--property", "n:INTEGER")
	stack.ConfigureFor(hubThing, "azx-1", silentFor("6s", "3s"))
	stack.ConnectAs("azx-1")
	if err := connectDevice(t, stack, "press").send(`{"n":1}`); err != nil {
		t.Fatal(err)
	}
	goneOnce(t, stack, []string{"press"}, 1)
	if _, states, err := absences(stack, "press"); err != nil || !slices.Equal(states, []string{`"online"`, `"late"`, `"offline"`}) {
		t.Errorf("presence was %q, %v", states, err)
	}
	reads(t, stack.Platform, "press", "presenceEvidence", `"message"`)
	seen, err := stack.Platform.ReadProperty("press", "lastSeen")
	if err != nil {
		t.Fatal(err)
	}
	reads(t, stack.Platform, "press", "presenceEvidenceTime", string(seen))
}
