package platform

import (
	"context"
	"sync"
	"testing"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/delivery"
	"azx/internal/message"
)

// traced is a Tracer that remembers.
type traced struct {
	mu       sync.Mutex
	messages []*message.Message
	values   int
	bad      []string // verdicts other than accepted
}

func (t *traced) Wrote(thing string, messages []*message.Message, values int, began time.Time, verdict string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.messages = append(t.messages, messages...)
	t.values += values
	if verdict != "accepted" || thing != "Pump" || began.IsZero() {
		t.bad = append(t.bad, thing+" "+verdict)
	}
}

func TestARequestWithMessagesIsTracedWithAllOfThem(t *testing.T) {
	rows := infotable.New(infotable.Column("edgeName", infotable.TypeString),
		infotable.Column("baseType", infotable.TypeString), infotable.Column("gatewayThing", infotable.TypeThingName)).
		Add(infotable.String("n"), infotable.String("NUMBER"), infotable.String("Hub"))
	tracer := &traced{}
	w, err := NewWriter(WriterConfig{Sockets: []Socket{instant{rows}}, AzxExtension: true, Tracer: tracer})
	if err != nil {
		t.Fatal(err)
	}
	const messages = 20
	for n := range messages { // they wait, and so travel together
		w.Write(&delivery.Queued{Telemetry: telemetryOf(t, "Pump", n), Settle: func(delivery.Outcome) {}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	if err := w.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-ended
	for n, m := range tracer.messages {
		if m.Sequence != int64(n) {
			t.Errorf("message %d is %d", n, m.Sequence)
		}
	}
	if len(tracer.messages) != messages || tracer.values != messages || len(tracer.bad) > 0 {
		t.Errorf("%d messages, %d values, %v", len(tracer.messages), tracer.values, tracer.bad)
	}
}

func TestWithoutATracerNothingIsMadeForIt(t *testing.T) {
	w, err := NewWriter(WriterConfig{Sockets: []Socket{instant{}}})
	if err != nil {
		t.Fatal(err)
	}
	l, items := &hand{lane: w.lanes[0]}, []item{{queued: &delivery.Queued{Telemetry: telemetryOf(t, "Pump", 1)}}}
	allocated := testing.AllocsPerRun(100, func() {
		if began := l.clock(); !began.IsZero() {
			t.Error("the clock is looked at")
		}
		l.trace("Pump", items, time.Time{}, accepted)
	})
	if allocated != 0 {
		t.Errorf("%v allocations", allocated)
	}
}
