package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// sent is a line that device.js and module.js print for each message the hub acknowledged.
type sent struct {
	Body map[string]any `json:"body"`
	Time time.Time      `json:"time"` // iothub-creation-time-utc
}

// arriveWithin is how long a message may take from the SDK's acknowledgement to the Thing.
const arriveWithin = 30 * time.Second

// TestDeviceMessagesArriveTypedWithTheirTime sends with Microsoft's device client over MQTT and reads
// every base type back over REST.
func TestDeviceMessagesArriveTypedWithTheirTime(t *testing.T) {
	t.Parallel()
	at := newSite(t)
	thing, device := at.device("sdk-device", "AZX_DEVICE_CONNECTION_STRING")
	at.thing(thing, "sequence:INTEGER", "temperature:NUMBER", "running:BOOLEAN", "label:STRING",
		"seen:DATETIME", "place:LOCATION", "detail:JSON")
	at.connect(thing)

	messages := send(t, at, "device.js", "AZX_DEVICE="+device, "AZX_COUNT=25")
	if len(messages) != 25 {
		t.Fatalf("the hub acknowledged %d of 25 messages", len(messages))
	}
	last := messages[len(messages)-1]
	for _, p := range []struct {
		property, baseType string
		want               any
	}{
		{"sequence", "INTEGER", last.Body["sequence"]},
		{"temperature", "NUMBER", last.Body["temperature"]},
		{"running", "BOOLEAN", last.Body["running"]},
		{"label", "STRING", last.Body["label"]},
		{"seen", "DATETIME", milliseconds(t, last.Body["seen"])},
		{"place", "LOCATION", withUnits(last.Body["place"])},
		{"detail", "JSON", last.Body["detail"]},
	} {
		t.Run(p.baseType+" arrives as it was sent", func(t *testing.T) {
			arrives(t, at.platform, thing, p.property, p.baseType, p.want, last.Time)
		})
	}
}

// TestModuleMessagesArriveOnTheDevicesThing sends with Microsoft's module client over MQTT: on an
// output and directly.
func TestModuleMessagesArriveOnTheDevicesThing(t *testing.T) {
	t.Parallel()
	at := newSite(t)
	thing, module := at.module("edge-1", "press", "AZX_MODULE_CONNECTION_STRING")
	at.thing(thing, "press_temperature:NUMBER:press::temperature")
	at.connect(thing)

	messages := send(t, at, "module.js", "AZX_MODULE="+module)
	if len(messages) != 2 {
		t.Fatalf("the hub acknowledged %d of 2 messages", len(messages))
	}
	last := messages[len(messages)-1]
	arrives(t, at.platform, thing, "press_temperature", "NUMBER", last.Body["temperature"], last.Time)
}

// send runs a Node program to its end and returns what the hub acknowledged.
func send(t *testing.T, at *site, program string, env ...string) []sent {
	t.Helper()
	env = append(append(os.Environ(), "NODE_EXTRA_CA_CERTS="+at.stack.Hub.CA), env...)
	child := process.Start(t, process.Command{Name: "node", Args: []string{program}, Env: env})
	if code := child.Wait(time.Minute); code != 0 {
		t.Fatalf("node %s: exit code %d\n%s", program, code, child.Stderr())
	}
	var all []sent
	for line := range strings.Lines(child.Stdout()) {
		var s sent
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("node %s printed %q: %v", program, line, err)
		}
		all = append(all, s)
	}
	return all
}

// arrives waits until a property has the value and the time, and its base type.
func arrives(t *testing.T, platform *process.Platform, thing, property, baseType string, want any, at time.Time) {
	t.Helper()
	process.Eventually(t, arriveWithin, property+" of "+thing+" arrives", func() error {
		got, err := platform.Property(thing, property)
		if err != nil {
			return err
		}
		var value any
		if err := json.Unmarshal(got.Value, &value); err != nil {
			return fmt.Errorf("value %s: %w", got.Value, err)
		}
		if !reflect.DeepEqual(value, want) || !got.Time.Equal(at) || got.Type != baseType || got.Quality != "GOOD" {
			return fmt.Errorf("is %s %v at %v, %s; want %s %v at %v, GOOD", got.Type, value, got.Time, got.Quality, baseType, want, at)
		}
		return nil
	})
}

// milliseconds turns the text of an instant into what REST gives for a DATETIME.
func milliseconds(t *testing.T, text any) float64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, fmt.Sprint(text))
	if err != nil {
		t.Fatal(err)
	}
	return float64(at.UnixMilli())
}

// withUnits is a location as REST gives it: the platform names the reference system.
func withUnits(place any) map[string]any {
	location := maps.Clone(place.(map[string]any))
	location["units"] = "WGS84"
	return location
}
