package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// listing is what azx quarantine ls --json prints.
type listing struct {
	Records []struct {
		ID       uint64    `json:"id"`
		Reason   string    `json:"reason"`
		State    string    `json:"state"`
		Enqueued time.Time `json:"enqueued"`
	} `json:"records"`
	Total int `json:"total"`
}

func putAside(t *testing.T, stack *process.Stack) (l listing) {
	t.Helper()
	if err := json.Unmarshal([]byte(stack.Run("quarantine", "ls", "-c", "azx-1.yaml", "--json")), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// temperatures are the values of pump-7 in the order in which the platform took them, as "value at".
func temperatures(stack *process.Stack) (all []string) {
	for _, e := range stack.Platform.Ledger(0) {
		if e.Thing == "pump-7" {
			all = append(all, fmt.Sprintf("%s %d", e.Value, e.Time))
		}
	}
	return all
}

// TestMessagesOfTheQuarantineAreWrittenAgainOnceTheThingIsMended is F49: with their own times, never over newer values, and once.
func TestMessagesOfTheQuarantineAreWrittenAgainOnceTheThingIsMended(t *testing.T) {
	t.Parallel()
	stack := process.NewStack(t, azx)
	stack.AddHubThing(hubThing)
	stack.AddDevice("pump-7")
	stack.AddDeviceThing("pump-7", hubThing, "--property", "temperature:NUMBER")
	stack.ConfigureFor(hubThing, "azx-1")
	connector := stack.ConnectAs("azx-1")
	stack.Send("pump-7", `{"temperature":"warm"}`)
	stack.Send("pump-7", `{"temperature":"hot"}`)
	var aside listing
	connector.Until(time.Minute, "both messages are put aside", func() error {
		if aside = putAside(t, stack); aside.Total != 2 {
			return fmt.Errorf("there are %d", aside.Total)
		}
		return nil
	})
	first, at := fmt.Sprint(aside.Records[0].ID), aside.Records[0].Enqueued.UnixMilli()
	verb := func(words ...string) []string {
		return append(append([]string{"quarantine"}, words...), "-c", "azx-1.yaml")
	}
	look(t, stack, 0, verb("show", first), `{"temperature":"warm"}`, "wrong-type", "change what the device sends")
	connector.Until(time.Minute, "the partition is read, so that a replay may write", func() error {
		child := stack.Start(verb("replay", "--all")...)
		if child.Wait(time.Minute) != 5 || !strings.Contains(child.Stderr(), "2 refused (wrong-type)") {
			return errors.New(child.Stderr())
		}
		return nil
	})

	stack.Platform.RemoveProperty("pump-7", "temperature")
	stack.Platform.AddRemoteProperty("pump-7", "temperature", "temperature", "STRING")
	look(t, stack, 0, verb("replay", first), "delivered 1, superseded 0")
	written := temperatures(stack)
	var made int64 // by the device's clock, just before the hub took it
	if len(written) == 1 {
		_, _ = fmt.Sscanf(written[0], `"warm" %d`, &made) // else 0, which is wrong
	}
	if made > at || made < at-1000 {
		t.Fatalf("written %q, want one value of just before %d", written, at)
	}
	stack.Send("pump-7", `{"temperature":"cool"}`)
	connector.Until(time.Minute, "a live value is written", func() error {
		if written = temperatures(stack); len(written) != 2 {
			return fmt.Errorf("%q", written)
		}
		return nil
	})
	look(t, stack, 0, verb("replay", "--all"), "delivered 0, superseded 1")
	look(t, stack, 0, verb("replay", "--all"), "delivered 0, superseded 0")
	look(t, stack, 0, verb("replay", first), "delivered 0, superseded 0")
	if got := temperatures(stack); !slices.Equal(got, written) {
		t.Errorf("written %q, want %q", got, written)
	}
	if aside = putAside(t, stack); aside.Total != 1 || aside.Records[0].State != "superseded" {
		t.Errorf("put aside %+v", aside)
	}
	look(t, stack, 0, verb("ls", "--limit", "0"), "wrong-type: 1, of which 1 superseded")
	look(t, stack, 0, verb("drop", "--superseded"), "dropped 1 message")
	connector.Stop()
	look(t, stack, 0, verb("ls"), "0 messages")
	look(t, stack, 4, verb("replay", "--all"), "no connector runs with this file")
}
