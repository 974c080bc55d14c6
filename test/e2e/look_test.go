package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// look runs a verb that must end with code, and wants words in what it prints.
func look(t *testing.T, stack *process.Stack, code int, args []string, words ...string) string {
	t.Helper()
	child := stack.Start(args...)
	if got := child.Wait(2 * time.Minute); got != code {
		t.Errorf("azx %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, child.Stdout(), child.Stderr())
	}
	printed := child.Stdout() + child.Stderr()
	for _, w := range words {
		if !strings.Contains(printed, w) {
			t.Errorf("azx %s: no %q in\n%s", strings.Join(args, " "), w, printed)
		}
	}
	return printed
}

// TestADryRunShowsWhatTheConnectorThenWrites compares the two.
func TestADryRunShowsWhatTheConnectorThenWrites(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.AddHubThing(hubThing)
	for _, id := range []string{"pump-7", "stranger"} {
		stack.AddDevice(id)
	}
	stack.AddDeviceThing("pump-7", hubThing, "--property", "temperature:NUMBER", "--property", "state:STRING")
	for _, body := range []string{`{"temperature":21.5,"state":"on","unknown":1}`, `{"temperature":"warm"}`, `[1]`, `{"other":1}`} {
		stack.Send("pump-7", body)
	}
	stack.Send("stranger", `{"temperature":1}`)
	stack.ConfigureFor(hubThing, "azx-1")
	dryRun := []string{"dry-run", "-c", "azx-1.yaml"}

	printed := look(t, stack, 0, dryRun,
		"write pump-7.temperature = 21.5 (NUMBER) at ", "write pump-7.state = ", "quarantined: wrong-type", "quarantined: undecodable", "skipped: no-property", "quarantined: no-thing",
		"5 messages: 1 would be written, 1 skipped, 3 put aside; nothing was written, and no checkpoint moved")
	if strings.Contains(printed, "pump-7.unknown") {
		t.Errorf("it would write what the Thing does not have:\n%s", printed)
	}
	look(t, stack, 0, dryRun, "5 messages: 1 would be written") // again: nothing has moved
	look(t, stack, 0, append(dryRun, "--device", "stranger"), "1 message: 0 would be written")
	look(t, stack, 0, append(dryRun, "--messages", "2"), "2 messages", "there are more")
	if got := stack.Platform.Ledger(0); len(got) > 0 {
		t.Fatalf("the dry run wrote %v", got)
	}
	if entries, err := os.ReadDir(filepath.Join(stack.Dir, "azx-1")); err == nil {
		t.Errorf("the dry run left %v", entries)
	}

	connector := stack.ConnectAs("azx-1")
	connector.Until(time.Minute, "what was shown is written", func() error {
		written := 0
		for _, e := range stack.Platform.Ledger(0) {
			if e.Thing == "pump-7" {
				written++
			}
		}
		if written != 2 {
			return fmt.Errorf("%d values", written)
		}
		return nil
	})
	look(t, stack, 4, append(dryRun, "--start", "earliest"), "look through another one: --consumer-group '$Default'")
	connector.Stop()
	look(t, stack, 0, dryRun, "0 messages")
}

// TestMessagesAreWatchedInTheConnectorAndBesideIt watches each stage.
func TestMessagesAreWatchedInTheConnectorAndBesideIt(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.AddHubThing(hubThing)
	stack.AddDevice("pump-7")
	stack.AddDeviceThing("pump-7", hubThing, "--property", "temperature:NUMBER")
	stack.ConfigureFor(hubThing, "azx-1")
	for _, args := range [][]string{{"tail", "-c", "azx-1.yaml", "--stage", "written"}, {"tail", "-c", "azx-1.yaml", "--standalone"}} {
		look(t, stack, map[bool]int{true: 3, false: 4}[args[len(args)-1] == "--standalone"], args, "azx dry-run")
	}
	// passes watches until a message has been seen: one that is sent before the view is open is not.
	passes := func(words []string, flags ...string) {
		t.Helper()
		child := stack.Start(append([]string{"tail", "-c", "azx-1.yaml", "--device", "pump-7", "--messages", "1"}, flags...)...)
		child.Until(time.Minute, "a message is seen", func() error {
			stack.Send("pump-7", `{"temperature":22.5}`)
			if !child.Ended() {
				return errors.New("not yet")
			}
			return nil
		})
		if code := child.Wait(time.Minute); code != 0 {
			t.Errorf("%v: exit code %d: %s", flags, code, child.Stderr())
		}
		for _, w := range words {
			if !strings.Contains(child.Stdout()+child.Stderr(), w) {
				t.Errorf("%v: no %q in\n%s%s", flags, w, child.Stdout(), child.Stderr())
			}
		}
	}
	passes([]string{"no connector runs with this file", `{"temperature":22.5}`}, "--stage", "received")
	passes([]string{"temperature: 22.5"}, "--stage", "decoded", "--standalone")

	connector := stack.ConnectAs("azx-1")
	passes([]string{`bytes: {"temperature":22.5}`}, "--stage", "received")
	passes([]string{"  temperature: 22.5"}, "--stage", "decoded")
	passes([]string{"write pump-7.temperature = 22.5 (NUMBER) at "})
	passes([]string{`"writes":[{"property":"temperature","type":"NUMBER","value":"22.5"`}, "--json")
	look(t, stack, 4, []string{"tail", "-c", "azx-1.yaml", "--stage", "received", "--standalone", "--for", "30s"}, "--consumer-group '$Default'")

	// A checkpoint stays where it is while the connector has the folder.
	look(t, stack, 0, []string{"checkpoint", "show", "-c", "azx-1.yaml"}, "in use by azx-1 (pid ")
	look(t, stack, 3, []string{"checkpoint", "clear", "0", "-c", "azx-1.yaml"}, "in use by azx-1 (pid ", "stop that process")
	connector.Stop()
	shown := look(t, stack, 0, []string{"checkpoint", "show", "-c", "azx-1.yaml"}, "(current)")
	if strings.Contains(shown, "in use") {
		t.Errorf("after the end: %s", shown)
	}
	connector = stack.ConnectAs("azx-1") // what is left behind by the first one is no hindrance
	passes([]string{"write pump-7.temperature"})
	connector.Stop()
}
