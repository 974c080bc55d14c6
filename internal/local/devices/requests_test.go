package devices

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"azx/internal/local/iothub"
)

// running simulates a fleet until the end of the test; the first message of each device has arrived.
func running(t *testing.T, hub *iothub.Hub, fleet *Fleet) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- fleet.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the fleet ended with %v", err)
		}
	})
	limited, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	for next, seen := int64(0), map[string]bool{}; len(seen) < len(fleet.Devices); {
		events, after, err := hub.Read(limited, 0, next, 100)
		if err != nil {
			t.Fatalf("after %v: %v", seen, err)
		}
		next = after
		for _, e := range events {
			seen[e.From.Device] = true
		}
	}
}

func TestASimulatedDeviceAnswersMethods(t *testing.T) {
	hub, configs := startHub(t, "a")
	running(t, hub, &Fleet{Devices: configs, Interval: time.Hour})
	for _, tc := range []struct {
		name, method, payload string
		status                int
		want                  string
	}{
		{"reboot", "reboot", `{"delay":5}`, 200, `{"delay":5,"upSeconds":0,"was":"running"}`},
		{"reboot without a payload", "reboot", `null`, 200, `{"delay":0,"upSeconds":0,"was":"running"}`},
		{"reboot with another payload", "reboot", `"now"`, 400, `reboot takes {\"delay\": seconds}`},
		{"what it does not have", "dance now", `{}`, 404, `no method \"dance now\"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := hub.Invoke(t.Context(), iothub.ID{Device: "a"}, iothub.MethodCall{Name: tc.method, Payload: json.RawMessage(tc.payload),
				ResponseTimeout: 30 * time.Second})
			if err != nil || got.Status != tc.status || !strings.Contains(string(got.Payload), tc.want) {
				t.Errorf("got %d %s, %v", got.Status, got.Payload, err)
			}
		})
	}
}

func TestASimulatedDeviceTellsWhatAMessageSet(t *testing.T) {
	hub, configs := startHub(t, "a")
	running(t, hub, &Fleet{Devices: configs, Interval: time.Hour})
	for _, body := range []string{`not JSON`, `{"sequence":1}`, `[1]`, `{"target":42,"sequence":9}`, `{"target":43}`} {
		if err := hub.SendToDevice(iothub.ID{Device: "a"}, iothub.CloudMessage{Message: iothub.Message{Body: []byte(body)}}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []string
	for next := int64(1); len(got) < 2; {
		events, after, err := hub.Read(ctx, 0, next, 100)
		if err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		next = after
		for _, e := range events {
			got = append(got, string(e.Body))
		}
	}
	if strings.Join(got, " ") != `{"target":42} {"target":43}` {
		t.Errorf("got %v", got)
	}
}

func TestADeviceListensAgainAfterItsConnectionWasLost(t *testing.T) {
	hub, configs := startHub(t, "a")
	running(t, hub, &Fleet{Devices: configs, Interval: time.Hour})
	if !hub.Drop(iothub.ID{Device: "a"}) {
		t.Fatal("the device was not connected")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for { // the hub may not have noticed the loss yet
		got, err := hub.Invoke(ctx, iothub.ID{Device: "a"}, iothub.MethodCall{Name: "reboot", ConnectTimeout: 25 * time.Second, ResponseTimeout: 25 * time.Second})
		if err == nil {
			if got.Status != 200 {
				t.Errorf("got %+v", got)
			}
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}
