package presence

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"azx/internal/message"
)

const many = 100_000

// crowd is a partition with many devices, and a message of each.
func crowd(tb testing.TB) (*Partition, []message.Message) {
	table, err := NewTable(Timeouts{Late: minute, Offline: 2 * minute})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := table.Take("0", nil, NoMessage)
	if err != nil {
		tb.Fatal(err)
	}
	messages := make([]message.Message, many)
	for i := range messages {
		messages[i] = message.Message{Enqueued: epoch, DeviceID: fmt.Sprintf("plant-7-line-%02d-pump-%06d", i%50, i), Body: []byte("{}")}
		if err := p.Saw(&messages[i]); err != nil {
			tb.Fatal(err)
		}
	}
	for len(table.Advance(epoch)) == MaxChanges {
	}
	return p, messages
}

// BenchmarkSaw is what presence costs a message of a known device, in a random order of 100,000.
func BenchmarkSaw(b *testing.B) {
	p, messages := crowd(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m := &messages[i*7919%many]
		m.Enqueued = m.Enqueued.Add(time.Microsecond)
		if p.Saw(m) != nil {
			b.Fatal("refused")
		}
	}
}

// BenchmarkAdvance is a round a second over 100,000 devices of which each falls due once a minute.
func BenchmarkAdvance(b *testing.B) {
	p, messages := crowd(b)
	b.ReportAllocs()
	now := epoch
	for i := 0; b.Loop(); i++ {
		now = now.Add(time.Second)
		for j := range many / 60 {
			m := &messages[(i*many/60+j)%many]
			m.Enqueued = now
			if p.Saw(m) != nil {
				b.Fatal("refused")
			}
		}
		p.table.Advance(now)
	}
}

// BenchmarkSnapshot is one of 100,000 devices.
func BenchmarkSnapshot(b *testing.B) {
	p, _ := crowd(b)
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(p.Snapshot())))
	}
}

func TestAMessageOfAKnownDeviceAllocatesNothing(t *testing.T) {
	s := newSite(t)
	m := &message.Message{Enqueued: epoch, DeviceID: "edge", ModuleID: "meter", Body: []byte("{}")}
	s.event(m)
	s.at(0, true)
	if n := testing.AllocsPerRun(100, func() {
		m.Enqueued = m.Enqueued.Add(time.Second)
		s.event(m)
		s.table.Advance(m.Enqueued)
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestAHundredThousandDevicesTakeAQuarterOfAKilobyteEach(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	p, messages := crowd(t)
	messages = nil
	each := int64(heap()-before) / many
	t.Logf("%d bytes a device, %d of a snapshot", each, len(p.Snapshot())/many)
	if each > 280 {
		t.Fatalf("%d bytes a device", each)
	}
	runtime.KeepAlive(messages)
}
