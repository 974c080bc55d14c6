package devices

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/serve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startHub runs a hub of one partition until the end of the test, and says how its devices connect.
func startHub(t *testing.T, ids ...string) (*iothub.Hub, []Config) {
	t.Helper()
	running, err := serve.Start(context.Background(), serve.Options{Partitions: 1, Host: "plant1.azure-devices.net"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		running.Stop()
		if err := running.Wait(); err != nil {
			t.Errorf("the hub ended with %v", err)
		}
	})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(running.CA)
	var configs []Config
	for _, id := range ids {
		added, err := running.Hub.Registry().Add(iothub.Spec{ID: iothub.ID{Device: id}})
		if err != nil {
			t.Fatal(err)
		}
		credentials, err := iothub.ParseCredentials(running.Hub.DeviceConnectionString(added[0], 0))
		if err != nil {
			t.Fatal(err)
		}
		configs = append(configs, Config{
			Credentials: credentials,
			Address:     net.JoinHostPort("127.0.0.1", strconv.Itoa(running.Info.Ports.MQTT)),
			Roots:       roots,
		})
	}
	return running.Hub, configs
}

func TestAFleetSendsWhatItCounts(t *testing.T) {
	hub, configs := startHub(t, "a", "b", "c")
	fleet := &Fleet{Devices: configs, Interval: 5 * time.Millisecond}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- fleet.Run(ctx) }()
	seen := map[string]int64{}
	for next := int64(0); seen["a"] < 5 || seen["b"] < 5 || seen["c"] < 5; {
		events, after, err := hub.Read(ctx, 0, next, 100)
		if err != nil {
			t.Fatalf("after %v: %v", seen, err)
		}
		next = after
		for _, e := range events {
			checkEvent(t, e, seen)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatalf("the fleet ended with %v", err)
	}
	for id, accepted := range hub.Accepted() {
		// A message under way at the end is in the hub without its acknowledgement having been heard.
		if sent := fleet.Sent()[id]; uint64(sent) != accepted && uint64(sent)+1 != accepted {
			t.Errorf("%s: sent %d, accepted %d", id, sent, accepted)
		}
	}
}

func sequenceOf(t *testing.T, e *iothub.Event) int64 {
	t.Helper()
	var v struct{ Sequence int64 }
	if err := json.Unmarshal(e.Body, &v); err != nil {
		t.Fatal(err)
	}
	return v.Sequence
}

// checkEvent checks one event against what its device must have sent next.
func checkEvent(t *testing.T, e *iothub.Event, seen map[string]int64) {
	t.Helper()
	device := e.From.Device
	seen[device]++
	if want := Telemetry(device, seen[device]); string(e.Body) != string(want) {
		t.Errorf("got %s, want %s", e.Body, want)
	}
	if e.ContentType != "application/json" || e.ContentEncoding != "utf-8" {
		t.Errorf("content type %q, encoding %q", e.ContentType, e.ContentEncoding)
	}
	if _, err := time.Parse(time.RFC3339, e.Properties["iothub-creation-time-utc"]); err != nil {
		t.Errorf("creation time: %v", err)
	}
}

func TestAFleetGoesOnAfterTheHubWasAway(t *testing.T) {
	dir := t.TempDir()
	start := func(ports serve.Ports) *serve.Running {
		running, err := serve.Start(context.Background(), serve.Options{Dir: dir, Partitions: 1, Ports: ports})
		if err != nil {
			t.Fatal(err)
		}
		return running
	}
	stop := func(running *serve.Running) {
		running.Stop()
		if err := running.Wait(); err != nil {
			t.Errorf("the hub ended with %v", err)
		}
	}
	first := start(serve.Ports{})
	added, err := first.Hub.Registry().Add(iothub.Spec{ID: iothub.ID{Device: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	credentials, _ := iothub.ParseCredentials(first.Hub.DeviceConnectionString(added[0], first.Info.Ports.MQTT))
	roots, err := first.Info.Roots()
	if err != nil {
		t.Fatal(err)
	}
	fleet := &Fleet{Devices: []Config{{Credentials: credentials, Roots: roots}}, Interval: 2 * time.Millisecond}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- fleet.Run(ctx) }()
	if _, _, err := first.Hub.Read(ctx, 0, 4, 1); err != nil {
		t.Fatalf("waiting for the fifth message: %v", err)
	}
	stop(first)
	last := int64(first.Hub.Accepted()[added[0].ID])
	second := start(first.Info.Ports)
	defer stop(second)
	next, err := second.Hub.Seek(0, iothub.Earliest())
	if err != nil {
		t.Fatal(err)
	}
	for seen := int64(0); seen <= last+3; {
		events, after, err := second.Hub.Read(ctx, 0, next, 100)
		if err != nil {
			t.Fatalf("after number %d: %v", seen, err)
		}
		next = after
		for _, e := range events {
			// A message whose acknowledgement was lost comes again, also behind later ones: the MQTT library sends
			// what it kept beside what is sent anew. First arrivals are in order, and none is left out.
			got := sequenceOf(t, e)
			if got > seen+1 {
				t.Fatalf("after number %d comes %d", seen, got)
			}
			seen = max(seen, got)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the fleet ended with %v", err)
	}
}

func TestTelemetryIsPlausibleJSON(t *testing.T) {
	states := map[bool]int{}
	for sequence := int64(1); sequence <= 300; sequence++ {
		var v struct {
			Sequence              int64
			Temperature, Pressure float64
			Running               bool
			Label                 string
		}
		if err := json.Unmarshal(Telemetry("pump-1", sequence), &v); err != nil {
			t.Fatal(err)
		}
		if v.Sequence != sequence || v.Temperature < 16 || v.Temperature > 26 || v.Label == "" || v.Running != (v.Pressure > 5) {
			t.Fatalf("implausible: %+v", v)
		}
		states[v.Running]++
	}
	if states[true] != 270 || states[false] != 30 {
		t.Errorf("in 300 messages the pump runs %d and stands %d", states[true], states[false])
	}
	if string(Telemetry("a", 1)) == string(Telemetry("b", 1)) {
		t.Error("two devices send the same values")
	}
}

func TestSendEverySendsOnceOrUntilStopped(t *testing.T) {
	hub, configs := startHub(t, "a")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := SendEvery(ctx, configs[0], []byte(`{"x":1}`), 0, func(int) {}); err != nil {
		t.Fatal(err)
	}
	if n := hub.Accepted()[iothub.ID{Device: "a"}]; n != 1 {
		t.Fatalf("accepted %d", n)
	}
	err := SendEvery(ctx, configs[0], []byte(`{"x":2}`), time.Millisecond, func(count int) {
		if count == 3 {
			cancel()
		}
	})
	if err != nil {
		t.Fatalf("stopped with %v", err)
	}
	if n := hub.Accepted()[iothub.ID{Device: "a"}]; n != 4 {
		t.Fatalf("accepted %d, want 1 and 3", n)
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	_, configs := startHub(t, "a")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	wrongKey, distrust, notBase64 := configs[0], configs[0], configs[0]
	wrongKey.Credentials.Key = "AAAA"
	notBase64.Credentials.Key = "!"
	distrust.Roots = x509.NewCertPool()
	for says, cfg := range map[string]Config{"not authorised; the hub's log": wrongKey, "trust the hub's ca.pem": distrust, "not authorised": notBase64} {
		_, err := Connect(ctx, cfg)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(fmt.Sprint(err), configs[0].Credentials.Key) {
			t.Errorf("got %v, want an error with %q and without the key", err, says)
		}
	}
}
