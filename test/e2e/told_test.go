package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"azx/extension"
	"azx/test/process"
)

// TestEachEventOfTheConnectorsIsFiredByItsRealCause brings about what each of the nine events tells.
func TestEachEventOfTheConnectorsIsFiredByItsRealCause(t *testing.T) {
	t.Parallel()
	stack := newPlant(t)
	platform := stack.Platform
	stack.AddDeviceThing("pump-7", hubThing, "--property", "target:INTEGER", "--service", "Echo(n:INTEGER):JSON:echo")
	stack.ConfigureFor(hubThing, "azx-1", fromPlatform)
	connector := stack.ConnectAs("azx-1")
	device, stranger := connectDevice(t, stack, "pump-7"), connectDevice(t, stack, "stranger")
	device.repliesTo(func(_ []byte, reply func(int, []byte)) { reply(500, []byte(`{"why":"no oil"}`)) })

	told := map[string]func() []string{
		"ProtocolError": func() []string {
			sends(t, device, `{"target":`)
			return []string{`"ThingName":"pump-7"`, "undecodable"}
		},
		"WritePropertyError": func() []string {
			sends(t, device, `{"target":"hot"}`)
			return []string{`"ThingName":"pump-7"`, `"name":"target"`}
		},
		"ThingNotFoundError": func() []string { sends(t, stranger, `{"target":1}`); return []string{`"edgeIdentifier":"stranger"`} },
		"UserError": func() []string {
			_, err := platform.TryCall("Things/"+hubThing, "AzureIotSendMessage", map[string]any{"thingName": "pump-7", "payload": 5})
			says(t, err, "it is no object")
			return []string{`"ThingName":"Plant"`, "it is no object"}
		},
		"EdgeError": func() []string {
			_, err := platform.TryCall("Things/pump-7", "Echo", map[string]any{"n": 1})
			says(t, err, "500")
			return []string{`"ThingName":"pump-7"`, "500"}
		},
		"FileNotFoundError": func() []string {
			_, err := platform.TryCall("Things/pump-7", "BrowseFileSystem", map[string]any{"path": "/logs/today.txt"})
			says(t, err, "no files")
			return []string{`"fileRepositoryName":"pump-7"`, `"filePath":"/logs/"`, `"fileName":"today.txt"`}
		},
		"ClearCacheEntry": func() []string {
			platform.Call("Things/ConnectionServicesHub", "ClearCacheEntry", map[string]any{"cacheName": "twins", "cacheKey": "pump-7"})
			return []string{`"cacheName":"twins"`, `"cacheKey":"pump-7"`, "azx-1"}
		},
		"AuthenticationError": func() []string {
			setKey(t, stack, "d3Jvbmcga2V5IG9mIGEgdGVzdA==")
			return []string{`"ThingName":"Plant"`, "try the new connection strings"}
		},
	}
	if got, want := append(slices.Collect(maps.Keys(told)), "InternalError"), eventsOfConnectors(t); len(got) != len(want) || !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Fatalf("tried are %q, and the package has %q", got, want)
	}
	// What the quarantine does not take is told before all else: from then on its file is open.
	folder := filepath.Join(stack.Dir, "azx-1", "quarantine", "dead")
	if err := os.Rename(folder, folder+"-away"); err != nil {
		t.Fatal(err)
	}
	sends(t, device, `{"target":"lost?"}`)
	fired(t, platform, "InternalError", `"ThingName":"azx-1"`, "quarantine")
	if err := os.Rename(folder+"-away", folder); err != nil {
		t.Fatal(err)
	}
	fired(t, platform, "WritePropertyError", `"ThingName":"pump-7"`) // it was not lost
	for _, event := range slices.Sorted(maps.Keys(told)) {
		id := fired(t, platform, event, told[event]()...).Row("id")
		if len(id) != 36 {
			t.Errorf("%s has the id %q", event, id)
		}
	}
	t.Run("too many of a kind are held back", func(t *testing.T) { floods(t, connector, device) })
}

// eventsOfConnectors are those that the package has for connectors, sorted.
func eventsOfConnectors(t *testing.T) (names []string) {
	t.Helper()
	packages, err := extension.Packages()
	if err != nil {
		t.Fatal(err)
	}
	for of, m := range packages[0].Set.AllMembers() {
		for _, e := range m.Events {
			if of == "ThingTemplates/ConnectionServicesHub" {
				names = append(names, e.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func sends(t *testing.T, d *device, body string) {
	t.Helper()
	if err := d.send("%s", body); err != nil {
		t.Fatal(err)
	}
}

// setKey puts a key of the policy service into the connection string on the hub Thing.
func setKey(t *testing.T, stack *process.Stack, key string) {
	t.Helper()
	before, _, found := strings.Cut(stack.Hub.ServiceConnectionString, "SharedAccessKey=")
	if !found {
		t.Fatal("the connection string has no key")
	}
	setTable(stack.Platform, hubThing, "ConnectionSettings", map[string]any{"connectionString": before + "SharedAccessKey=" + key})
}

// floods sends 1,000 messages that are no JSON: 64 events at once and 10 a second, and all messages in quarantine.
func floods(t *testing.T, connector *process.Child, d *device) {
	const bad, burst, rate = 1000, 64, 10
	count := func(result string) float64 {
		return metrics(t, connector)[`azx_platform_events_total{event="ProtocolError",result="`+result+`"}`]
	}
	before, began := count("sent"), time.Now()
	ahead := make(chan func() error, 100)
	go func() {
		defer close(ahead)
		for range bad {
			token := d.client.Publish(d.topic+"/messages/events/", 1, false, "nope")
			ahead <- func() error { return d.settled(token) }
		}
	}()
	for settled := range ahead {
		if err := settled(); err != nil {
			t.Fatal(err)
		}
	}
	process.Eventually(t, time.Minute, "each message is told or held back", func() error {
		if n := count("sent") - before + count("held back"); n != bad {
			return fmt.Errorf("%v of them", n)
		}
		return nil
	})
	took := time.Since(began)
	sent, most := count("sent")-before, burst+rate*(took.Seconds()+1)
	if sent < burst/2 || sent > most {
		t.Errorf("%v events within %s, want about %d and at most %.0f", sent, took, burst, most)
	}
	t.Logf("%v of %d are told, within %s", sent, bad, took.Round(time.Millisecond))
}
