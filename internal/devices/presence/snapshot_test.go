package presence

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"azx/internal/message"
)

// golden is a snapshot of version 1 with a device of each kind: what is stored today has to be read by every later program.
var golden = strings.Join([]string{
	"617a7870010130c0e1ceb5ca3380b8c7b5ca33000801e0d403a0fe0a010504646f6f7200e8bfc7b5ca33d0c7c7b5ca33",
	"e8bfc7b5ca33d0c7c7b5ca33001a2200000000000000000000000000000000000000000000000001d4132452f67ce304",
	"6564676500b093ceb5ca3300b093ceb5ca33b093ceb5ca330101010465646765056d65746572a0c5cdb5ca3300a0c5cd",
	"b5ca33a0c5cdb5ca330001030470756d700080b8c7b5ca330080b8c7b5ca33c0e1ceb5ca330007010465646765066669",
	"6c746572b093ceb5ca3300b093ceb5ca33b093ceb5ca33000101564a87fe",
}, "")

func sample(t *testing.T) *site {
	s := newSite(t)
	s.message(0, "pump", "")
	s.connection(time.Second, "door", "deviceConnected", "01D4132452F67CE2")
	s.connection(2*time.Second, "door", "deviceDisconnected", "01D4132452F67CE3")
	s.clients(100*time.Second, "edge", `{"edge/meter":{"status":"Connected"}}`)
	s.message(110*time.Second, "edge", "filter")
	if _, err := s.table.SetTimeouts(message.Target{Device: "edge"}, Timeouts{Late: minute, Offline: 3 * minute, LastSeen: true}); err != nil {
		t.Fatal(err)
	}
	s.at(2*minute, true)
	return s
}

func TestASnapshotHasTheBytesOfItsVersion(t *testing.T) {
	if got := hex.EncodeToString(sample(t).Snapshot()); got != golden {
		t.Fatalf("got %s", got)
	}
}

func TestASnapshotOfVersionOneIsRead(t *testing.T) {
	b, err := hex.DecodeString(golden)
	if err != nil {
		t.Fatal(err)
	}
	was, s := sample(t), newSite(t)
	s.restart(b, was.next-1)
	for target := range was.table.devices {
		want, _ := was.table.Status(target)
		if got, known := s.table.Status(target); !known || got != want {
			t.Errorf("%s: %+v, want %+v", target, got, want)
		}
	}
	s.at(2*minute, true)
	s.wants() // nothing is told twice
	if again := s.Snapshot(); !bytes.Equal(again, b) {
		t.Errorf("it is written as %x", again)
	}
	s.connection(2*minute, "door", "deviceConnected", "01D4132452F67CE2")
	s.at(2*minute, true)
	s.wants() // the order of connection events has been kept
}

func TestADamagedSnapshotIsRefusedAndTakesNothing(t *testing.T) {
	good := sample(t).Snapshot()
	signed := func(b []byte) []byte {
		end := len(b) - 4
		return binary.LittleEndian.AppendUint32(b[:end:end], checksum(b[:end]))
	}
	changed := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	cases := map[string]struct {
		snapshot []byte
		why      string
	}{
		"empty":              {[]byte{}, "it is none"},
		"another file":       {[]byte("{\"hello\":\"world\"}"), "it is none"},
		"a newer version":    {changed(4, 2), "it has version 2, and this program reads 1"},
		"one byte changed":   {changed(20, good[20]^1), "damaged"},
		"another partition":  {signed(changed(6, '7')), `it is of partition "7"`},
		"behind its end":     {signed(append(bytes.Clone(good), 0)), "damaged"},
		"far too many":       {signed(append(bytes.Clone(good[:5]), 1, '0', 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0)), "damaged"},
		"time-outs of zero":  {signed(append(bytes.Clone(good[:5]), 1, '0', 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)), "damaged"},
		"class out of range": {signed(append(bytes.Clone(good[:5]), 1, '0', 0, 0, 0, 0, 0, 1, 1, 'a', 0, 1, 0, 0, 0, 5, 1, 1, 0, 0, 0, 0)), "damaged"},
	}
	for name, c := range cases {
		s := newSite(t)
		s.Release()
		_, err := s.table.Take("0", c.snapshot, NoMessage)
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v, want %q", name, err, c.why)
		}
		if len(s.table.devices) != 0 {
			t.Errorf("%s: devices were taken", name)
		}
	}
	for cut := range good {
		if _, err := decode("0", good[:cut]); err == nil {
			t.Errorf("%d of %d bytes were taken", cut, len(good))
		}
	}
}

func TestAPartitionIsTakenOnceAndReleasedOnce(t *testing.T) {
	s := sample(t)
	if _, err := s.table.Take("0", nil, NoMessage); err == nil {
		t.Fatal("taken twice")
	}
	s.Release()
	s.Release()
	s.message(3*minute, "late message", "")
	s.Head(100, epoch.Add(time.Hour))
	if s.Snapshot() != nil || len(s.table.devices) != 0 || len(s.table.Advance(epoch.Add(time.Hour))) != 0 {
		t.Fatal("a released partition lives on")
	}
}

// FuzzDecode finds that what is accepted can be worked with and is written as it was read.
func FuzzDecode(f *testing.F) {
	b, err := hex.DecodeString(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:len(b)-4])
	f.Add([]byte("azxp\x01\x010\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		b := binary.LittleEndian.AppendUint32(bytes.Clone(body), checksum(body))
		s, err := decode("0", b)
		if err != nil {
			return
		}
		again, err := decode("0", encode("0", s))
		if err != nil || len(again.devices) != len(s.devices) || len(again.classes) != len(s.classes) {
			t.Fatalf("written and read again: %v", err)
		}
		for i, d := range s.devices {
			if *d != *again.devices[i] {
				t.Fatalf("device %d: %+v, then %+v", i, d, again.devices[i])
			}
		}
		table, err := NewTable(Timeouts{Late: minute, Offline: 2 * minute})
		if err != nil {
			t.Fatal(err)
		}
		p, err := table.Take("0", b, NoMessage)
		if err != nil {
			t.Fatal(err)
		}
		table.Advance(epoch)
		p.Head(1<<62, epoch)
		table.Advance(epoch.Add(time.Hour))
		if _, err := decode("0", p.Snapshot()); err != nil {
			t.Fatalf("what became of it: %v", err)
		}
	})
}
