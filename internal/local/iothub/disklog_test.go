package iothub

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// reopen closes a hub and opens its folder again.
func reopen(t *testing.T, h *Hub, cfg Config) *Hub {
	t.Helper()
	mustClose(t, h)
	return newHub(t, cfg)
}

// allOf reads a partition from its oldest event on.
func allOf(t *testing.T, h *Hub, partition int) (all []*Event) {
	t.Helper()
	for next := int64(0); ; {
		events, after, _, err := h.Poll(partition, next, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			return all
		}
		all, next = append(all, events...), after
	}
}

func TestEveryEventOutlivesAStopAsItWas(t *testing.T) {
	now := noon.Add(123456789)
	cfg := Config{Dir: t.TempDir(), Partitions: 2, Clock: func() time.Time { return now }}
	h := newHub(t, cfg)
	module := mustAdd(t, h, ID{Device: "d1"})
	for i, m := range []Message{
		{Body: []byte("plain")},
		{Body: []byte{}, Properties: map[string]string{"": "empty name", "ü": "\x00\xff", "iothub-creation-time-utc": "x"}},
		{Body: []byte{0, 255}, MessageID: "m", CorrelationID: "c", UserID: "u", To: "t", ContentType: "application/json",
			ContentEncoding: "utf-8", OutputName: "o", Subject: "s", DataSchema: "ds", InterfaceID: "if"},
		{Body: make([]byte, MaxMessageSize)},
	} {
		now = now.Add(time.Duration(i) * time.Second)
		if _, err := h.Accept(principalOf(module), m); err != nil {
			t.Fatal(err)
		}
	}
	at := h.PartitionOf("d1")
	before, infoBefore := allOf(t, h, at), mustInfo(t, h, at)
	h = reopen(t, h, cfg)
	after := allOf(t, h, at)
	if len(before) != 4 || len(after) != 4 {
		t.Fatalf("%d events before, %d after", len(before), len(after))
	}
	for i := range before {
		if !reflect.DeepEqual(sameZone(before[i]), sameZone(after[i])) {
			t.Errorf("event %d was %+v, is %+v", i, before[i], after[i])
		}
	}
	if info := mustInfo(t, h, at); info != infoBefore {
		t.Errorf("the partition was %+v, is %+v", infoBefore, info)
	}
	if e := allOf(t, h, 1-at); len(e) != 0 {
		t.Errorf("the other partition has %d events", len(e))
	}
}

// sameZone makes events comparable: with times in UTC, and no map in place of an empty one.
func sameZone(e *Event) Event {
	c := *e
	c.HubTime, c.EnqueuedTime = c.HubTime.UTC(), c.EnqueuedTime.UTC()
	if len(c.Properties) == 0 {
		c.Properties = nil
	}
	return c
}

func mustInfo(t *testing.T, h *Hub, partition int) PartitionInfo {
	t.Helper()
	info, err := h.PartitionInfo(partition)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestNumbersAndOffsetsGoOnAfterAStop(t *testing.T) {
	now := noon
	cfg := Config{Dir: t.TempDir(), Retention: Retention{Age: time.Hour}, Clock: func() time.Time { return now }}
	h, send := sender(t, cfg)
	send("a")
	last := send("b")

	t.Run("when events are kept", func(t *testing.T) {
		h = reopen(t, h, cfg)
		next, err := h.Seek(0, AfterOffset(last.Offset))
		if err != nil || next != 2 {
			t.Fatalf("a checkpoint from before leads to %d, %v; want 2", next, err)
		}
		e := sendTo(t, h, "c")
		if offset := fmt.Sprint(2 * (eventOverhead + 1)); e.SequenceNumber != 2 || e.Offset != offset {
			t.Fatalf("the next event has number %d and offset %s, want 2 and %s", e.SequenceNumber, e.Offset, offset)
		}
	})
	t.Run("when all events have outlived the retention", func(t *testing.T) {
		now = now.Add(2 * time.Hour)
		h = reopen(t, h, cfg)
		want := PartitionInfo{BeginSequence: 3, LastSequence: 2, LastOffset: fmt.Sprint(2 * (eventOverhead + 1)), LastEnqueuedTime: noon, Empty: true}
		if info := mustInfo(t, h, 0); info != want {
			t.Fatalf("the partition is %+v, want %+v", info, want)
		}
		if e := sendTo(t, h, "d"); e.SequenceNumber != 3 || e.Offset != fmt.Sprint(3*(eventOverhead+1)) {
			t.Fatalf("the next event has number %d and offset %s", e.SequenceNumber, e.Offset)
		}
	})
	t.Run("in a leap when the file of the events is gone", func(t *testing.T) {
		mustClose(t, h)
		if err := os.Remove(filepath.Join(cfg.Dir, logFile)); err != nil {
			t.Fatal(err)
		}
		h = newHub(t, cfg)
		if !h.EventsLost() {
			t.Error("the hub does not say that events are lost")
		}
		if e := sendTo(t, h, "e"); e.SequenceNumber != (2 * time.Hour).Microseconds() {
			t.Errorf("the next event has number %d", e.SequenceNumber)
		}
		next, err := h.Seek(0, AfterOffset(last.Offset))
		if info := mustInfo(t, h, 0); err != nil || next != info.BeginSequence {
			t.Errorf("a checkpoint from before leads to %d, %v; the log begins at %d", next, err, info.BeginSequence)
		}
		h = reopen(t, h, cfg)
		if h.EventsLost() {
			t.Error("the hub says so again at its next start")
		}
		if e := sendTo(t, h, "f"); e.SequenceNumber != (2*time.Hour).Microseconds()+1 {
			t.Errorf("the event after the next start has number %d", e.SequenceNumber)
		}
	})
}

// sendTo sends a body as device d1.
func sendTo(t *testing.T, h *Hub, body string) *Event {
	t.Helper()
	identity, err := h.Registry().Get(ID{Device: "d1"})
	if err != nil {
		t.Fatal(err)
	}
	e, err := h.Accept(principalOf(identity), Message{Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAReaderThatLagsReadsFromTheFile(t *testing.T) {
	h, send := sender(t, Config{Dir: t.TempDir()})
	body := strings.Repeat("x", 60_000)
	const sent = 120 // more than recentBytes
	for i := range sent {
		send(fmt.Sprintf("%d %s", i, body))
	}
	p := h.disk.partitions[0]
	if n := len(p.recent); n == 0 || n >= sent || p.bytes > recentBytes {
		t.Fatalf("%d of %d events are in memory, %d bytes", n, sent, p.bytes)
	}
	for i, e := range allOf(t, h, 0) {
		if e.SequenceNumber != int64(i) || !strings.HasPrefix(string(e.Body), fmt.Sprint(i, " ")) {
			t.Fatalf("event %d has number %d and body %.10q", i, e.SequenceNumber, e.Body)
		}
	}
	events, next, _, err := h.Poll(0, 0, 1000)
	if err != nil || len(events) > loadBytes/60_000+1 || next != int64(len(events)) {
		t.Errorf("one poll reads %d events, to go on with %d, %v", len(events), next, err)
	}
	if events, _, _, err = h.Poll(0, 3, 2); err != nil || len(events) != 2 || events[0].SequenceNumber != 3 {
		t.Errorf("a poll of two reads %d, %v", len(events), err)
	}
}

func TestWhatIsNotKeptLeavesTheFileInSteps(t *testing.T) {
	now := noon
	h, send := sender(t, Config{Dir: t.TempDir(), Retention: Retention{Age: time.Hour}, Clock: func() time.Time { return now }})
	for i := range 300 {
		send(fmt.Sprint(i))
	}
	now = now.Add(2 * time.Hour)
	for left := 300; left > 1; {
		send("later")
		n := 0
		err := h.disk.view(func(tx *bolt.Tx) error {
			n = tx.Bucket(bucketOf(0)).Inspect().KeyN
			return nil
		})
		if err != nil || n >= left || left-n > trimAtLeast+2 {
			t.Fatalf("%d events in the file after %d, %v", n, left, err)
		}
		left = n
		if now = now.Add(2 * time.Hour); mustInfo(t, h, 0).Empty != true {
			t.Fatal("an event is kept for too long")
		}
	}
}

func TestManySendersAreWrittenTogetherAndLoseNothing(t *testing.T) {
	const senders, each = 16, 100
	cfg := Config{Dir: t.TempDir(), Partitions: 3, Clock: time.Now}
	h := newHub(t, cfg)
	var all sync.WaitGroup
	var mu sync.Mutex
	acknowledged := map[string]*Event{}
	for i := range senders {
		p := principalOf(mustAdd(t, h, ID{Device: fmt.Sprint("d", i)}))
		all.Go(func() {
			for n := range each {
				body := fmt.Sprintf("%s %d", p.ID, n)
				e, err := h.Accept(p, Message{Body: []byte(body)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acknowledged[body] = e
				mu.Unlock()
			}
		})
	}
	all.Wait()
	h = reopen(t, h, cfg)
	found := 0
	for partition := range 3 {
		last := map[ID]int{}
		for i, e := range allOf(t, h, partition) {
			was := acknowledged[string(e.Body)]
			if was == nil || was.SequenceNumber != e.SequenceNumber || was.Offset != e.Offset || e.SequenceNumber != int64(i) {
				t.Fatalf("partition %d: event %d is %+v, was acknowledged as %+v", partition, i, e, was)
			}
			var n int
			fmt.Sscanf(strings.Fields(string(e.Body))[1], "%d", &n)
			if n != last[e.From] {
				t.Fatalf("%q comes where number %d should", e.Body, last[e.From])
			}
			last[e.From]++
			found++
		}
	}
	if found != senders*each {
		t.Fatalf("%d of %d events are there", found, senders*each)
	}
}

func TestATicketThatIsNotTheFirstIsSettledWithIt(t *testing.T) {
	h := newHub(t, Config{Dir: t.TempDir(), Partitions: 1})
	p := principalOf(mustAdd(t, h, ID{Device: "d1"}))
	var tickets []*Ticket
	for range 3 {
		ticket, err := h.Submit(p, Message{Body: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	if n := len(allOf(t, h, 0)); n != 0 {
		t.Errorf("readers see %d events that are not written", n)
	}
	if _, err := tickets[2].Wait(); err != nil {
		t.Fatal(err)
	}
	if n := len(allOf(t, h, 0)); n != 3 {
		t.Errorf("readers see %d events, want those before too", n)
	}
	for i, ticket := range tickets[:2] {
		if e, err := ticket.Wait(); err != nil || e.SequenceNumber != int64(i) {
			t.Errorf("ticket %d: %+v, %v", i, e, err)
		}
	}
	if n := h.Accepted()[p.ID]; n != 3 {
		t.Errorf("counted %d", n)
	}
}

func TestSubmittedMessagesAreWrittenWhenTheyBecomeMany(t *testing.T) {
	h := newHub(t, Config{Dir: t.TempDir(), Partitions: 1})
	p := principalOf(mustAdd(t, h, ID{Device: "d1"}))
	var tickets []*Ticket
	for range batchBytes/MaxMessageSize + 1 {
		ticket, err := h.Submit(p, Message{Body: make([]byte, MaxMessageSize)})
		if err != nil {
			t.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	if n := len(allOf(t, h, 0)); n == 0 {
		t.Error("all of them wait in memory")
	}
	for _, ticket := range tickets {
		if _, err := ticket.Wait(); err != nil {
			t.Error(err)
		}
	}
}

func TestAMessageThatCannotBeWrittenIsRefusedAndItsNumberGivenAgain(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	h, send := sender(t, cfg)
	send("a")
	h.disk.db.MaxSize = 1 // as if the disk were full
	p := principalOf(h.Registry().List()[0])
	refused := 0
	for range 600 { // the file has some room
		if _, err := h.Accept(p, Message{Body: make([]byte, MaxMessageSize)}); err != nil {
			if !strings.Contains(err.Error(), "write to the event log") {
				t.Fatal(err)
			}
			refused++
			break
		}
	}
	if refused == 0 {
		t.Fatal("everything was written")
	}
	kept := mustInfo(t, h, 0).LastSequence
	if n := h.Accepted()[p.ID]; n != uint64(kept+1) {
		t.Errorf("counted %d accepted, %d are in the log", n, kept+1)
	}
	h.disk.db.MaxSize = 0
	if e := send("b"); e.SequenceNumber != kept+1 {
		t.Errorf("number %d, want %d", e.SequenceNumber, kept+1)
	}
	h = reopen(t, h, cfg)
	if e := sendTo(t, h, "c"); e.SequenceNumber != kept+2 {
		t.Errorf("after a restart number %d, want %d", e.SequenceNumber, kept+2)
	}
}

func TestARefusedBatchThatReachedTheFileIsTakenBack(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	h, send := sender(t, cfg)
	send("a")
	p := h.disk.partitions[0]
	for _, body := range []string{"x", "y"} { // what a failed sync may leave
		p.stage(appended{to: p, event: &Event{Message: Message{Body: []byte(body)}, HubTime: noon}, head: head{size: eventOverhead + 1, enqueued: noon}})
	}
	if err := h.disk.store([]*diskPartition{p}); err != nil {
		t.Fatal(err)
	}
	p.staged, p.unsure = nil, true
	send("b")
	if got := bodies(allOf(t, reopen(t, h, cfg), 0)); got != "a b" {
		t.Fatalf("the log has %q", got)
	}
}

func TestASecondOpenIsRefusedWithTheProcessThatWasFirst(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	h, send := sender(t, cfg)
	_, err := Open(cfg)
	if err == nil || !strings.Contains(err.Error(), "another hub is running in "+cfg.Dir) || !strings.Contains(err.Error(), fmt.Sprintf("process %d;", os.Getpid())) {
		t.Fatalf("got %v", err)
	}
	send("the first goes on")
	mustClose(t, h)
	mustClose(t, newHub(t, cfg))
	if err := h.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if _, err := h.Accept(principalOf(h.Registry().List()[0]), Message{}); !errors.Is(err, bolt.ErrDatabaseNotOpen) {
		t.Errorf("sending to a closed hub: %v", err)
	}
	if _, _, _, err := h.Poll(0, 0, 1); err != nil {
		t.Errorf("what is in memory is read from a closed hub: %v", err)
	}
}

func TestTheNumberOfPartitionsStays(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), Partitions: 3}
	h := newHub(t, cfg)
	mustClose(t, h)
	cfg.Partitions = 0
	h = newHub(t, cfg)
	if n := h.Partitions(); n != 3 {
		t.Errorf("opened with %d partitions", n)
	}
	mustClose(t, h)
	cfg.Partitions = 4
	if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), "it has 3 partitions") {
		t.Errorf("opened with another number: %v", err)
	}
	cfg.Partitions = 3
	newHub(t, cfg)
}

func TestADamagedEventLogIsNamedAndLeftAsItIs(t *testing.T) {
	whole := t.TempDir()
	h, send := sender(t, Config{Dir: whole})
	for i := range 200 {
		send(fmt.Sprintf("event %d %s", i, strings.Repeat("x", 1000)))
	}
	mustClose(t, h)
	sound, err := os.ReadFile(filepath.Join(whole, logFile))
	if err != nil {
		t.Fatal(err)
	}
	state, err := os.ReadFile(filepath.Join(whole, stateFile))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for name, damage := range map[string]func([]byte) []byte{
		"cut in the middle":       func(b []byte) []byte { return b[:len(sound)/2] },
		"cut in its first page":   func(b []byte) []byte { return b[:100] },
		"cut behind its head":     func(b []byte) []byte { return b[:2*os.Getpagesize()] },
		"of zeros":                func(b []byte) []byte { clear(b); return b },
		"of another kind":         func([]byte) []byte { return []byte("this is no event log, whoever put it there") },
		"with a body changed":     func(b []byte) []byte { return change(b, "event 150 ", "event 051 ") },
		"with zeros in all pages": func(b []byte) []byte { return zeroed(b, 2) },
		"with a page of noise": func(b []byte) []byte {
			at := strings.Index(string(b), "event 100 ") &^ (os.Getpagesize() - 1)
			for i := range os.Getpagesize() {
				b[at+i] = byte(random.Uint32())
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			damaged := damage([]byte(string(sound)))
			path := filepath.Join(dir, logFile)
			for file, content := range map[string][]byte{path: damaged, filepath.Join(dir, stateFile): state} {
				if err := os.WriteFile(file, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			h, err := Open(Config{Dir: dir})
			if err == nil {
				mustClose(t, h)
				t.Fatal("opened")
			}
			for _, want := range []string{path, "move it away"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if left, err := os.ReadFile(path); err != nil || string(left) != string(damaged) {
				t.Errorf("the file was changed: %v", err)
			}
			if err := os.Rename(path, path+".damaged"); err != nil {
				t.Fatal(err)
			}
			again := newHub(t, Config{Dir: dir, Clock: func() time.Time { return noon.Add(time.Second) }})
			if info := mustInfo(t, again, 0); info.BeginSequence != time.Second.Microseconds() || !again.EventsLost() || len(again.Registry().List()) != 1 {
				t.Errorf("after moving it away: %+v", info)
			}
		})
	}
}

func change(b []byte, from, to string) []byte {
	return []byte(strings.ReplaceAll(string(b), from, to))
}

// zeroed clears all pages from one on.
func zeroed(b []byte, from int) []byte {
	clear(b[from*os.Getpagesize():])
	return b
}

func TestAnEventThatIsDamagedWhileTheHubRunsIsAnErrorOfItsReader(t *testing.T) {
	h, send := sender(t, Config{Dir: t.TempDir()})
	for range 3 {
		send("x")
	}
	p := h.disk.partitions[0]
	p.recent, p.bytes = nil, 0 // as if many more had come
	err := h.disk.update(func(tx *bolt.Tx) error { return tx.Bucket(p.bucket).Put(keyOf(1), []byte("short")) })
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := h.Poll(0, 0, 10); !errors.Is(err, errRecord) || !strings.Contains(err.Error(), logFile) {
		t.Errorf("polling: %v", err)
	}
	if _, err := h.Seek(0, AfterOffset("0")); !errors.Is(err, errRecord) {
		t.Errorf("seeking: %v", err)
	}
}
