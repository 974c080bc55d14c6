package presence

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"azx/internal/message"
)

var devices = []string{"a", "b", "c"}

// entry is an event of the modelled hub's log.
type entry struct {
	at     time.Duration
	device string
	kind   Kind
	alive  bool
	number int
}

func (e entry) message(sequence int) *message.Message {
	m := &message.Message{Sequence: int64(sequence), Enqueued: epoch.Add(e.at), DeviceID: e.device, Body: []byte("{}")}
	if e.kind == Connection {
		m.Source, m.Properties = sourceConnection, map[string]string{"opType": "deviceDisconnected"}
		if e.alive {
			m.Properties["opType"] = "deviceConnected"
		}
		m.Body = fmt.Appendf(nil, `{"sequenceNumber":"%064x"}`, e.number)
	}
	return m
}

// lineage is what connectors that hand a partition over know one after the other, in the plainest form: the numbers of
// all messages they saw, in the order in which they did.
type lineage struct {
	seen           []int
	horizon, since time.Duration
	gap            bool
	last           int
	told           map[string]State
	offline        map[string]time.Duration // the sign of life before the absence that was told last
}

func (l lineage) clone() lineage {
	l.seen, l.told, l.offline = slices.Clone(l.seen), maps.Clone(l.told), maps.Clone(l.offline)
	return l
}

func (l *lineage) reach(at time.Duration) {
	l.horizon = max(l.horizon, at)
	if l.gap {
		l.gap, l.since = false, l.horizon
	}
}

// world is a hub, and a connector with its model.
type world struct {
	*rapid.T
	log          []entry
	now          time.Duration
	partition    *Partition
	next         int  // message that is read
	first        bool // nothing was read since it was taken
	model, saved lineage
	snapshot     []byte
	number       int // of the newest connection event
}

func (w *world) take(snapshot []byte, from int) {
	table, err := NewTable(Timeouts{Late: minute, Offline: 2 * minute})
	if err != nil {
		w.Fatal(err)
	}
	if w.partition, err = table.Take("0", snapshot, int64(from)); err != nil {
		w.Fatal(err)
	}
	w.next, w.first = from+1, true
	w.model.gap = w.model.gap || snapshot == nil || from > w.model.last
	w.model.last = max(w.model.last, from)
}

func (w *world) send(e entry) {
	w.now += time.Millisecond // no two are of the same moment
	e.at, e.device = w.now, rapid.SampledFrom(devices).Draw(w.T, "device")
	w.log = append(w.log, e)
}

func (w *world) sendConnection() {
	w.number++
	number := max(1, w.number-rapid.IntRange(0, 3).Draw(w.T, "out of order"))
	w.send(entry{kind: Connection, alive: rapid.Bool().Draw(w.T, "connected"), number: number})
}

func (w *world) read(most int) {
	for ; w.next < len(w.log) && most > 0; most-- {
		if err := w.partition.Saw(w.log[w.next].message(w.next)); err != nil {
			w.Fatal(err)
		}
		w.model.gap = w.model.gap || w.first && w.next > w.model.last+1
		w.first = false
		w.model.last = max(w.model.last, w.next)
		w.model.seen = append(w.model.seen, w.next)
		w.model.reach(w.log[w.next].at)
		w.next++
	}
}

func (w *world) head() {
	last := len(w.log) - 1
	w.partition.Head(int64(last), epoch.Add(w.now))
	if w.model.last >= last {
		w.model.reach(w.now)
	}
}

func (w *world) save() { w.snapshot, w.saved = w.partition.Snapshot(), w.model.clone() }

// crash has another connector go on with what was saved, from a checkpoint that is behind or ahead of that, or with
// messages lost.
func (w *world) crash() {
	if w.snapshot == nil {
		w.save()
	}
	w.model = w.saved.clone()
	w.take(w.snapshot, rapid.IntRange(-1, w.next-1).Draw(w.T, "checkpoint"))
	w.next = min(len(w.log), w.next+rapid.SampledFrom([]int{0, 0, 0, 5}).Draw(w.T, "lost"))
}

// heard returns the last sign of life of a device and the last of absence that the connectors know of, negative if there is none.
func (w *world) heard(device string) (alive, gone time.Duration) {
	alive, gone = -1, -1
	var number int
	for _, n := range w.model.seen {
		e := w.log[n]
		switch {
		case e.device != device:
		case e.kind == Connection && e.number <= number: // it came late
		case e.alive:
			alive, number = max(alive, e.at), max(number, e.number)
		default:
			gone, number = max(gone, e.at), e.number
		}
	}
	return alive, gone
}

// state is what has to be believed of a device.
func (w *world) state(alive, gone time.Duration) State {
	m := w.model
	silent := m.horizon - max(alive, m.since)
	if alive < 0 {
		silent = m.horizon - max(gone, m.since)
	}
	switch {
	case w.now-m.horizon > 2*minute:
		return Unknown
	case silent >= 2*minute:
		return Offline
	case silent >= minute, gone > alive && gone >= m.since:
		return Late
	case gone > alive, m.horizon-alive >= minute:
		return Unknown
	}
	return Online
}

// advance checks all that is told, and all that is believed.
func (w *world) advance() {
	for _, c := range w.partition.table.Advance(epoch.Add(w.now)) {
		device := c.Target.Device
		if c.From != w.model.told[device] || c.State == c.From {
			w.Fatalf("%s: %s>%s is told after %s", device, c.From, c.State, w.model.told[device])
		}
		w.model.told[device] = c.State
		if c.State == Offline {
			w.offline(device, c.Again)
		}
	}
	for _, device := range devices {
		alive, gone := w.heard(device)
		status, known := w.partition.table.Status(message.Target{Device: device})
		if known != (alive >= 0 || gone >= 0) {
			w.Fatalf("%s: known is %t", device, known)
		}
		if want := w.state(alive, gone); known && (status.State != want || w.model.told[device] != want) {
			w.Fatalf("%s is %s, told %s, want %s: alive %s, gone %s, %+v", device, status.State, w.model.told[device], want, alive, gone, w.model)
		}
	}
}

// offline checks that a device is offline in truth, whatever was missed, and that each absence is told once.
func (w *world) offline(device string, again bool) {
	for _, e := range w.log {
		if e.device == device && e.kind == Message && e.at > w.model.horizon-2*minute && e.at <= w.model.horizon {
			w.Fatalf("%s is offline at %s and sent a message at %s", device, w.model.horizon, e.at)
		}
	}
	alive, _ := w.heard(device)
	if before, told := w.model.offline[device]; again != (told && before == alive) {
		w.Fatalf("%s is told offline, again %t, with its last sign of life at %s and before at %s", device, again, alive, before)
	}
	w.model.offline[device] = alive
}

func TestWhatIsBelievedFollowsFromWhatWasSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{T: t, model: lineage{last: -1, told: map[string]State{}, offline: map[string]time.Duration{}}}
		w.take(nil, -1)
		t.Repeat(map[string]func(*rapid.T){
			"message":  func(*rapid.T) { w.send(entry{kind: Message, alive: true}) },
			"event":    func(*rapid.T) { w.sendConnection() },
			"read":     func(t *rapid.T) { w.read(rapid.IntRange(1, 5).Draw(t, "most")) },
			"catch up": func(*rapid.T) { w.read(len(w.log)); w.head() },
			"head":     func(*rapid.T) { w.head() },
			"wait":     func(t *rapid.T) { w.now += time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second },
			"away":     func(*rapid.T) { w.now += 20 * minute },
			"save":     func(*rapid.T) { w.save() },
			"crash":    func(*rapid.T) { w.crash() },
			"":         func(*rapid.T) { w.advance() },
		})
	})
}
