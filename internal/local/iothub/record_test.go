package iothub

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"
	"time"
)

// The layout of a record is a promise to files that are there: it never changes without a new format number.
func TestARecordIsTheseBytes(t *testing.T) {
	e := &Event{
		Message: Message{Body: []byte("body"), Properties: map[string]string{"b": "2", "a": "1"}, ContentType: "text/plain"},
		From:    ID{Device: "d", Module: "m"}, GenerationID: "g", AuthMethod: "{}", Source: "Telemetry", HubTime: time.Unix(1, 2),
	}
	const want = "b8599cfd" + "0000000000000064" + "00000000000000c8" + "00000000b2d05e03" + "000000003b9aca02" +
		"10" + "0164" + "016d" + "0167" + "027b7d" + "0954656c656d65747279" + "00000000" + "0a746578742f706c61696e" + "000000000000" +
		"02" + "01610131" + "01620132" + "626f6479"
	got := appendRecord(nil, e, head{offset: 100, size: 200, enqueued: time.Unix(3, 3)})
	if text := hex.EncodeToString(got); text != want {
		t.Fatalf("got\n%s, want\n%s", text, want)
	}
	back, err := readRecord(got, 7)
	e.SequenceNumber, e.Offset, e.EnqueuedTime, e.HubTime = 7, "100", time.Unix(3, 3).UTC(), e.HubTime.UTC()
	if err != nil || !reflect.DeepEqual(back, e) {
		t.Fatalf("read %+v, %v; want %+v", back, err, e)
	}
}

func TestARecordFromBeforeAFieldWasAddedIsRead(t *testing.T) {
	e := &Event{From: ID{Device: "d"}, HubTime: noon, Message: Message{Body: []byte("body"), MessageID: "m"}}
	record := appendRecord(nil, e, head{offset: 1, enqueued: noon})
	last := recordHead + 1 + 2 + 4 + 2 + 9 // count, d, four empty ones, m, nine empty ones
	record = append(record[:last], record[last+1:]...)
	record[recordHead]--
	binary.BigEndian.PutUint32(record, crc32c(record[4:]))
	back, err := readRecord(record, 0)
	if err != nil || back.From.Device != "d" || back.MessageID != "m" || string(back.Body) != "body" {
		t.Fatalf("read %+v, %v", back, err)
	}
	record[recordHead] = 100
	binary.BigEndian.PutUint32(record, crc32c(record[4:]))
	if _, err := readRecord(record, 0); !errors.Is(err, errRecord) {
		t.Fatalf("with more fields than there are: %v", err)
	}
}

func TestARecordThatWasChangedIsNoEvent(t *testing.T) {
	record := appendRecord(nil, &Event{Message: Message{Body: []byte("body")}, HubTime: noon}, head{enqueued: noon})
	for i := range record {
		changed := bytes.Clone(record)
		changed[i] ^= 0x10
		if _, err := readRecord(changed, 0); !errors.Is(err, errRecord) {
			t.Errorf("with byte %d changed: %v", i, err)
		}
		if _, err := readRecord(record[:i], 0); !errors.Is(err, errRecord) {
			t.Errorf("with %d bytes: %v", i, err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(appendRecord(nil, &Event{HubTime: noon, Message: Message{Body: []byte("b"), Properties: map[string]string{"k": "v"}}}, head{enqueued: noon})[4:])
	f.Fuzz(func(t *testing.T, content []byte) {
		record := binary.BigEndian.AppendUint32(nil, crc32c(content)) // what is behind a checksum that is right
		record = append(record, content...)
		e, err := readRecord(record, 1)
		if err != nil {
			return
		}
		h, err := readHead(record)
		if err != nil {
			t.Fatal(err)
		}
		again, err := readRecord(appendRecord(nil, e, h), 1)
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("read %+v, written and read again %+v, %v", e, again, err)
		}
	})
}
