package iothub

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestAFailoverMovesTheEventsAndKeepsTheDevices(t *testing.T) {
	everyLog(t, func(t *testing.T, cfg Config) {
		cfg.Host, cfg.NoSync = "plant1.azure-devices.net", true
		h, post := sender(t, cfg)
		id := ID{Device: "d1"}
		post("0")
		post("1")
		send(t, h, id, CloudMessage{Message: Message{Body: []byte("x")}})
		old, life := h.Names(), h.Endpoint()
		var ended error
		identity, _ := h.Registry().Get(id)
		if _, err := h.Enter(principalOf(identity), func(reason error) { ended = reason }); err != nil {
			t.Fatal(err)
		}

		if err := h.Failover(); err != nil {
			t.Fatal(err)
		}
		names := h.Names()
		if names.Host != old.Host || names.EventHub == old.EventHub || names.Namespace == old.Namespace || life.Err() == nil || h.Endpoint().Err() != nil {
			t.Errorf("names %+v before, %+v after", old, names)
		}
		if c := h.EventHubsConnectionString(); !strings.Contains(c, names.EventHub) || !strings.Contains(c, names.Namespace) {
			t.Error("the connection string has the old names")
		}
		if !errors.Is(ended, errFailedOver) {
			t.Errorf("the device's connection ended with %v", ended)
		}
		if info := mustInfo(t, h, 0); !info.Empty || len(allOf(t, h, 0)) != 0 {
			t.Errorf("events are left: %+v", info)
		}
		if box, err := h.Outbox(id); err != nil || box.Count() != 1 {
			t.Errorf("the message to the device is gone: %v", err)
		}
		if e := post("2"); e.SequenceNumber != 0 || e.Offset != "0" {
			t.Errorf("the first event there has number %d and offset %s", e.SequenceNumber, e.Offset)
		}
		if groups := h.ConsumerGroups(); !slices.Equal(groups, []string{"$Default"}) {
			t.Errorf("consumer groups %q", groups)
		}
		if cfg.Dir != "" {
			if h = reopen(t, h, cfg); h.Names() != names {
				t.Errorf("names after a restart %+v, want %+v", h.Names(), names)
			}
		}
		if got := bodies(allOf(t, h, 0)); got != "2" {
			t.Errorf("events %q, want the one after the failover", got)
		}
	})
}

func TestAFailoverOutlivesARestartBeforeTheNextEvent(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), NoSync: true}
	h, post := sender(t, cfg)
	post("0")
	if err := h.Failover(); err != nil {
		t.Fatal(err)
	}
	h = reopen(t, h, cfg)
	if got := bodies(allOf(t, h, 0)); got != "" {
		t.Errorf("events %q are there again", got)
	}
	if e := sendTo(t, h, "1"); e.SequenceNumber != 0 || bodies(allOf(t, h, 0)) != "1" {
		t.Errorf("the next event has number %d, want the first", e.SequenceNumber)
	}
}

func TestEachFailoverHasNewNamesAndLosesTheFeedback(t *testing.T) {
	for _, host := range []string{"localhost", "plant1.azure-devices.net"} {
		h := newHub(t, Config{Host: host})
		seen := map[string]bool{h.Names().EventHub: true}
		for range 3 {
			h.feedback.add(FeedbackRecord{}, h.Now())
			if err := h.Failover(); err != nil {
				t.Fatal(err)
			}
			if seen[h.Names().EventHub] || len(h.feedback.pending) != 0 {
				t.Errorf("%s comes again, or feedback is left", h.Names().EventHub)
			}
			seen[h.Names().EventHub] = true
		}
	}
}
