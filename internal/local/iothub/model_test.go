package iothub

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTheLogOnDiskIsTheLogInMemory has both do the same and compares what readers see; only the one on disk is closed and
// opened now and then.
func TestTheLogOnDiskIsTheLogInMemory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		retention := Retention{
			Bytes:  rapid.Int64Range(0, 12).Draw(rt, "kilobytes") * 1000,
			Events: rapid.IntRange(0, 12).Draw(rt, "events"),
			Age:    time.Duration(rapid.IntRange(0, 12).Draw(rt, "minutes")) * time.Minute,
		}
		open := func() *diskLog {
			l, err := openDiskLog(dir, 1, 0, retention)
			if err != nil {
				rt.Fatal(err)
			}
			l.db.NoSync = true // nothing here needs it, and it takes most of the time
			return l
		}
		log := open()
		defer func() { _ = log.close() }()
		pair := logPair{rt, newMemoryPartition(retention), log.partitions[0], noon}
		rt.Repeat(map[string]func(*rapid.T){
			"append": pair.append,
			"poll":   pair.poll,
			"seek":   pair.seek,
			"pass time": func(rt *rapid.T) {
				pair.now = pair.now.Add(time.Duration(rapid.IntRange(0, 300).Draw(rt, "s")) * time.Second)
			},
			"forget what is recent": func(*rapid.T) {
				pair.disk.mu.Lock()
				defer pair.disk.mu.Unlock()
				pair.disk.recent, pair.disk.bytes = nil, 0
			},
			"reopen": func(rt *rapid.T) {
				if err := log.close(); err != nil {
					rt.Fatal(err)
				}
				log = open()
				pair.disk = log.partitions[0]
			},
			"": pair.compare,
		})
	})
}

// logPair is a partition in memory and one on disk that shall not be told apart.
type logPair struct {
	*rapid.T
	memory *memoryPartition
	disk   *diskPartition
	now    time.Time
}

func (l *logPair) append(rt *rapid.T) {
	var last *batch
	for range rapid.IntRange(1, 4).Draw(rt, "together") {
		body := make([]byte, rapid.IntRange(0, 3000).Draw(rt, "size"))
		l.memory.append(&Event{Message: Message{Body: body}, HubTime: l.now}, l.now)
		last = l.disk.append(&Event{Message: Message{Body: body}, HubTime: l.now}, l.now)
	}
	if err := last.wait(); err != nil {
		rt.Fatal(err)
	}
}

func (l *logPair) poll(rt *rapid.T) {
	next := l.memory.first + rapid.Int64Range(-3, 15).Draw(rt, "from")
	limit := rapid.IntRange(0, 6).Draw(rt, "limit")
	want, wantAfter, _, _ := l.memory.poll(next, limit, l.now)
	var got []*Event
	after := next
	for first := true; first || len(got) < len(want); first = false { // the file may give fewer at once
		events, behind, grown, err := l.disk.poll(after, max(limit, 1)-len(got), l.now)
		if err != nil || grown == nil && len(events) == 0 {
			rt.Fatalf("polling from %d: %d events, channel %v, %v", after, len(events), grown, err)
		}
		if got, after = append(got, events...), behind; len(events) == 0 {
			break
		}
	}
	if describe(got) != describe(want) || after != wantAfter {
		rt.Fatalf("from %d up to %d events: got %s and go on with %d, want %s and %d", next, limit, describe(got), after, describe(want), wantAfter)
	}
}

func describe(events []*Event) string {
	text := ""
	for _, e := range events {
		text += fmt.Sprintf("[%d at %s %s: %d]", e.SequenceNumber, e.Offset, e.EnqueuedTime.UTC(), len(e.Body))
	}
	return text
}

func (l *logPair) seek(rt *rapid.T) {
	near := AfterOffset(l.memory.lastOffset)
	if events := l.memory.events; len(events) > 0 {
		e := events[rapid.IntRange(0, len(events)-1).Draw(rt, "event")].event
		near = rapid.SampledFrom([]Position{AtOffset(e.Offset), AfterOffset(e.Offset), AfterEnqueuedTime(e.EnqueuedTime),
			AfterEnqueuedTime(e.EnqueuedTime.Add(-time.Second))}).Draw(rt, "near it")
	}
	n := rapid.Int64Range(-2, 20).Draw(rt, "number")
	position := rapid.SampledFrom([]Position{near, Earliest(), Latest(), AtSequence(l.memory.first + n), AfterOffset(fmt.Sprint(n * 3000))}).Draw(rt, "position")
	want, wantErr := l.memory.seek(position, l.now)
	got, err := l.disk.seek(position, l.now)
	if got != want || (err == nil) != (wantErr == nil) {
		rt.Fatalf("%s: got %d, %v; want %d, %v", position, got, err, want, wantErr)
	}
}

func (l *logPair) compare(rt *rapid.T) {
	want, _ := l.memory.info(l.now)
	got, err := l.disk.info(l.now)
	want.LastEnqueuedTime, got.LastEnqueuedTime = want.LastEnqueuedTime.UTC(), got.LastEnqueuedTime.UTC()
	if got != want || err != nil {
		rt.Fatalf("got %+v, %v; want %+v", got, err, want)
	}
}
