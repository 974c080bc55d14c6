package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/checkpoint"
	"azx/internal/config"
	"azx/internal/delivery"
	"azx/internal/devices/presence"
	"azx/internal/hub"
	"azx/internal/ingress"
	"azx/internal/message"
	"azx/internal/observe"
)

// errAllRead ends a log.
var errAllRead = errors.New("all was read")

// readLog is a partition's log, read a part at a time.
type readLog struct {
	rest []*message.Message
	part int
}

func (l *readLog) Receive(ctx context.Context) ([]*message.Message, error) {
	if len(l.rest) == 0 {
		return nil, errAllRead
	}
	n := min(l.part, len(l.rest))
	var got []*message.Message
	got, l.rest = l.rest[:n], l.rest[n:]
	return got, ctx.Err()
}

func (l *readLog) Close() error { return nil }

// taking is a platform that takes whatever comes, at once.
type taking struct{}

func (taking) Hurry()                   {}
func (taking) Write(q *delivery.Queued) { q.Settle(delivery.Outcome{Kind: delivery.Accepted}) }

// newPump is a pump as a connector has it, with or without somebody who asks whether devices are alive.
func newPump(watched ingress.Presence) *ingress.Pump {
	meter := observe.NewMetrics()
	return &ingress.Pump{Tracker: delivery.NewTracker(), Budget: ingress.NewBudget(math.MaxInt32), Writer: taking{}, Meter: meter,
		Translator: &ingress.Translator{Names: &ingress.Names{}, Meter: meter}, Presence: watched}
}

// pump has the watch's partition read messages, numbered as they come.
func (w *watching) pump(log ...*message.Message) {
	w.t.Helper()
	for _, m := range log {
		w.last++
		m.Hub, m.Partition, m.Sequence = "Hub", "0", w.last
	}
	if err := newPump(w.p).Run(w.t.Context(), &readLog{log, 10}); !errors.Is(err, errAllRead) {
		w.t.Fatal(err)
	}
}

func sent(device string, at time.Time) *message.Message {
	return &message.Message{DeviceID: device, Source: message.SourceTelemetry, Enqueued: at, Body: []byte(`{"n":1}`)}
}

// connection is what the hub says of a device's connection.
func connection(device, what string, number int) *message.Message {
	return &message.Message{DeviceID: device, Source: "deviceConnectionStateEvents", Enqueued: time.Now(),
		Properties: map[string]string{"opType": what}, Body: fmt.Appendf(nil, `{"sequenceNumber":"%064X"}`, number)}
}

func TestConnectionEventsOutOfOrderDoNotFlipTheStateOfAThing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		things := &presentThings{gateway: "Hub"}
		w := startWatch(t, checkpoint.NewMemory(), things, -1)
		w.pump(connection("d", "deviceConnected", 7))
		w.pass(2 * time.Second)
		w.pump(connection("d", "deviceDisconnected", 6), connection("d", "deviceDisconnected", 7))
		w.pass(2 * time.Second)
		expectTold(t, things, "d presence=online", "d "+eventPresent)
		w.pump(connection("d", "deviceDisconnected", 9))
		w.pass(2 * time.Second)
		w.pump(connection("d", "deviceConnected", 8))
		w.pass(2 * time.Second)
		expectTold(t, things, "d presence=online", "d "+eventPresent, "d presence=late")
		w.end()
	})
}

func TestTheClientsThatEdgeHubReportsAreToldForModulesOfItsDeviceAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		things := &presentThings{gateway: "Hub"}
		w := startWatch(t, checkpoint.NewMemory(), things, -1)
		clients := func(of string) *message.Message {
			return &message.Message{DeviceID: "edge", ModuleID: "$edgeHub", Source: message.SourceTwinChanges, Enqueued: time.Now(),
				Body: fmt.Appendf(nil, `{"properties":{"reported":{"clients":%s}}}`, of)}
		}
		w.pump(sent("edge", time.Now()))
		w.pass(2 * time.Second)
		w.pump(clients(`{"edge/meter":{"status":"Connected"},"other/meter":{"status":"Connected"},"other":{"status":"Disconnected"}}`))
		w.pass(2 * time.Second)
		w.pump(clients(`{"edge/meter":{"status":"Disconnected"},"other/meter":{"status":"Disconnected"}}`))
		w.pass(2 * time.Second)
		w.end()
		expectTold(t, things, "edge presence=online", "edge "+eventPresent, "edge meter::presence=online", "edge meter::presence=late")
	})
}

func TestABacklogOfTenTimeoutsCallsNoDeviceOfflineThatKeptSendingAndOneThatStoppedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		things, store := &presentThings{gateway: "Hub"}, checkpoint.NewMemory()
		w := startWatch(t, store, things, -1)
		w.pump(sent("kept", time.Now()), sent("stopped", time.Now()))
		w.pass(5 * time.Second)
		w.end()
		w.p.Release(t.Context(), false)
		away := time.Now()
		<-time.After(300 * time.Second)
		again := startWatch(t, store, things, w.last)
		again.heads(time.Now(), []hub.Partition{{ID: "0", Last: w.last + 60}})
		<-time.After(2 * time.Second)
		for i := range 60 {
			again.pump(sent("kept", away.Add(time.Duration(i*5)*time.Second)))
			<-time.After(100 * time.Millisecond) // a state is judged several times within the backlog
		}
		again.pump(sent("kept", time.Now()))
		again.pass(5 * time.Second)
		again.end()
		var kept, stopped []string
		for _, said := range things.all() {
			if device, what, _ := strings.Cut(said, " "); device == "kept" {
				kept = append(kept, what)
			} else {
				stopped = append(stopped, what)
			}
		}
		if slices.Contains(kept, "presence=offline") || slices.Contains(kept, eventAbsent) || !slices.Contains(kept[2:], "presence=online") {
			t.Errorf("told of the one that kept sending: %q", kept)
		}
		if i := slices.Index(stopped, eventAbsent); i < 0 || i != len(stopped)-1 {
			t.Errorf("told of the one that stopped: %q", stopped)
		}
	})
}

// manyDevices is a watch of 100,000 devices, and a log in which they send, in another order than they came.
func manyDevices(tb testing.TB) (*followed, []*message.Message) {
	s := config.Presence{Timeout: 15 * time.Minute}
	table, err := presence.NewTable(presence.Timeouts{Late: s.LateAfter(), Offline: s.Timeout})
	if err != nil {
		tb.Fatal(err)
	}
	w := &watch{hub: "Hub", table: table, store: checkpoint.NewMemory(), taken: map[string]*followed{}}
	p := w.Take(tb.Context(), "0", -1).(*followed)
	log, now := make([]*message.Message, 100_000), time.Now()
	for i := range log {
		n := i * 7919 % len(log)
		log[n] = sent(fmt.Sprintf("plant-7-line-%02d-pump-%06d", i%50, i), now)
		p.Saw(log[n])
	}
	for len(table.Advance(now)) == presence.MaxChanges {
	}
	return p, log
}

// BenchmarkPump is a message's way through the pump, of 100,000 devices in a random order. What presence costs is the
// difference of the two.
func BenchmarkPump(b *testing.B) {
	p, log := manyDevices(b)
	for _, c := range []struct {
		name    string
		watched ingress.Presence
	}{{"without presence", nil}, {"with presence", p}} {
		b.Run(c.name, func(b *testing.B) {
			pump := newPump(c.watched)
			b.ReportAllocs()
			for done := 0; done < b.N; done += len(log) {
				rest := log[:min(len(log), b.N-done)]
				if err := pump.Run(b.Context(), &readLog{rest, 300}); !errors.Is(err, errAllRead) {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestPresenceCostsAMessageInThePumpNoAllocation(t *testing.T) {
	p, log := manyDevices(t)
	allocations := func(watched ingress.Presence) float64 {
		pump := newPump(watched)
		return testing.AllocsPerRun(3, func() {
			if err := pump.Run(t.Context(), &readLog{log[:10_000], 300}); !errors.Is(err, errAllRead) {
				t.Fatal(err)
			}
		})
	}
	if without, with := allocations(nil), allocations(p); with > without+100 { // of 10,000 messages
		t.Errorf("10,000 messages take %v allocations, and %v without presence", with, without)
	}
}
