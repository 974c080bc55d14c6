package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/serve"
	"azx/test/process"
	"azx/test/rig"
)

const importKills = 5

// TestF47AnImportKilledFiveTimesEndsAsACleanOne imports the devices of one hub into two platforms: at once, and killed at random
// moments while the hub throttles its queries.
func TestF47AnImportKilledFiveTimesEndsAsACleanOne(t *testing.T) {
	t.Parallel()
	t.Logf("seed %d", *seed)
	chance := rand.New(rand.NewPCG(*seed, 0))
	n := scale(3000, 100_000)
	hub := manyDevices(t, n)
	clean, killed := importInto(t, hub), importInto(t, hub)
	args := []string{"import", "-c", "azx.yaml", "--registry-connection-string-file", "owner", "--rule", "tags.kind:pump=PumpThing"}

	whole := clean.Start(args...)
	if code := whole.Wait(scale(2*time.Minute, 30*time.Minute)); code != 0 {
		t.Fatalf("exit code %d: %s", code, whole.Stderr())
	}
	args = append(args, "--state", "import.json")
	made := madeThings{stack: killed}
	for kill := range importKills {
		throttle(t, hub.Hub)
		child := killed.Start(args...)
		until := (kill*n + chance.IntN(n)) / (importKills + 1)
		process.Eventually(t, scale(time.Minute, 10*time.Minute), fmt.Sprintf("%d Things are made", until), func() error {
			if now := made.count(t); now <= until && !child.Ended() {
				return fmt.Errorf("%d are", now)
			}
			return nil
		})
		if child.Ended() {
			t.Fatalf("kill %d: it ended with %d: %s", kill, child.ExitCode(), child.Stderr())
		}
		child.Kill()
	}
	last := killed.Start(args...)
	if code := last.Wait(scale(2*time.Minute, 30*time.Minute)); code != 0 {
		t.Fatalf("exit code %d: %s", code, last.Stderr())
	}
	if report := fmt.Sprintf("\n%d devices: %d created, 0 updated, 0 left, 0 failed\n", n, n); !strings.HasSuffix(last.Stderr(), report) {
		t.Errorf("the report is %q", last.Stderr())
	}
	sameThings(t, clean, killed, n)
}

// manyDevices runs a hub in the test. One device in ten has tags.
func manyDevices(t *testing.T, n int) *serve.Running {
	t.Helper()
	running, err := serve.Start(t.Context(), serve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		running.Stop()
		if err := running.Wait(); err != nil {
			t.Errorf("hub: %v", err)
		}
	})
	specs := make([]iothub.Spec, n)
	for k := range specs {
		specs[k] = iothub.Spec{ID: iothub.ID{Device: deviceName(k)}}
	}
	if _, err := running.Hub.Registry().Add(specs...); err != nil {
		t.Fatal(err)
	}
	for k := 0; k < n; k += 10 {
		update := iothub.TwinUpdate{Tags: map[string]any{"kind": "pump", "number": k}, Desired: map[string]any{"rate": k % 7}}
		if _, err := running.Hub.PatchTwin(specs[k].ID, "", update); err != nil {
			t.Fatal(err)
		}
	}
	return running
}

func deviceName(k int) string { return fmt.Sprintf("dev-%06d", k) }

// importInto starts a platform with a hub Thing and a template, and writes the file of a connector between it and the hub.
func importInto(t *testing.T, hub *serve.Running) *process.Stack {
	t.Helper()
	stack := process.NewPlatform(t, azx)
	info := hub.Info
	info.CA = "ca.pem"
	text, err := json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	stack.WriteFile("hub/ca.pem", hub.CA)
	stack.WriteFile("hub/hub.json", text)
	stack.WriteFile("owner", []byte(info.OwnerConnectionString))
	stack.ReadHub()
	stack.AddHubThing(rig.HubThing)
	stack.Platform.Call("Resources/EntityServices", "CreateThingTemplate", map[string]any{"name": "PumpThing", "thingTemplateName": "AzureIotThing"})
	stack.Configure(func(config map[string]any) { // no quota slows the import itself down
		one := config["hubs"].([]any)[0].(map[string]any)
		one["thing"], one["tier"], one["units"] = rig.HubThing, "S3", 200
	})
	return stack
}

// throttle has the hub refuse two of the next queries.
func throttle(t *testing.T, hub *iothub.Hub) {
	t.Helper()
	refusal := iothub.Fault{Operation: iothub.OpQuery, Times: 2, Status: 429, RetryAfterSeconds: 1}
	if err := hub.SetFaults(refusal); err != nil {
		t.Fatal(err)
	}
}

// madeThings counts the Things of a platform that have got their gatewayThing.
type madeThings struct {
	stack *process.Stack
	after uint64
	n     int
}

func (m *madeThings) count(t *testing.T) int {
	t.Helper()
	for _, e := range m.stack.Platform.Ledger(m.after) {
		m.after = e.Index
		if e.Property == "gatewayThing" {
			m.n++
		}
	}
	return m.n
}

// sameThings compares the Things of devices, with all properties of their template, and which of them have the rule's template.
func sameThings(t *testing.T, want, got *process.Stack, n int) {
	t.Helper()
	for template, least := range map[string]int{"AzureIotThing": n, "PumpThing": n / 10} {
		found := 0
		for prefix := range 10 {
			of := map[string]any{"nameMask": fmt.Sprintf("dev-*%d", prefix), "maxItems": n}
			a := want.Platform.Call("ThingTemplates/"+template, "QueryImplementingThingsWithData", of)
			b := got.Platform.Call("ThingTemplates/"+template, "QueryImplementingThingsWithData", of)
			if !bytes.Equal(a, b) {
				t.Errorf("Things of %s whose names end with %d differ: %d and %d bytes", template, prefix, len(a), len(b))
			}
			found += bytes.Count(a, []byte(`"gatewayThing":"`+rig.HubThing+`"`))
		}
		if found != least {
			t.Errorf("%d Things of %s have the hub Thing, want %d", found, template, least)
		}
	}
}
