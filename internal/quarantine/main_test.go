package quarantine

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDisk = errors.New("no space left on device")

// faultyDisk fails as its fields say; zero fields fail nothing.
type faultyDisk struct {
	realDisk
	room       int  // bytes that can still be written, if limited
	limited    bool // writes beyond room are cut short, as on a full disk
	failSync   bool
	failCut    bool // Truncate fails
	failFolder bool
	syncs      int
}

func (d *faultyDisk) open(path string) (file, error) {
	f, err := d.realDisk.open(path)
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, d}, nil
}

func (d *faultyDisk) syncFolder(dir string) error {
	if d.failFolder {
		return errDisk
	}
	return d.realDisk.syncFolder(dir)
}

// quickDisk syncs nothing: for tests of what is written, not of when it is safe.
type quickDisk struct{ realDisk }

func (d quickDisk) open(path string) (file, error) {
	f, err := d.realDisk.open(path)
	if err != nil {
		return nil, err
	}
	return quickFile{f}, nil
}

func (quickDisk) syncFolder(string) error { return nil }

type quickFile struct{ file }

func (quickFile) Sync() error { return nil }

type faultyFile struct {
	file
	disk *faultyDisk
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if !f.disk.limited || len(p) <= f.disk.room {
		f.disk.room -= len(p)
		return f.file.Write(p)
	}
	n, err := f.file.Write(p[:f.disk.room])
	f.disk.room -= n
	return n, errors.Join(err, errDisk)
}

func (f *faultyFile) Sync() error {
	f.disk.syncs++
	if f.disk.failSync {
		return errDisk
	}
	return f.file.Sync()
}

func (f *faultyFile) Truncate(n int64) error {
	if f.disk.failCut {
		return errDisk
	}
	return f.file.Truncate(n)
}

// letter is the record of the n-th message of a device.
func letter(device string, n int) Record {
	return Record{
		Time:   time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC),
		Reason: "rejected", Stage: "write", Error: "write plant: no such property", Hint: "add it",
		Thing: device, Hub: "Plant1Hub", Partition: "3", Sequence: int64(n), Offset: fmt.Sprint(n * 100),
		Enqueued: time.Date(2026, 11, 22, 19, 59, 0, n, time.UTC),
		Device:   device, Module: "m", Source: "Telemetry",
		ContentType: "application/json", ContentEncoding: "utf-8",
		Properties: map[string]string{"a": "1"}, System: map[string]string{"message-id": "x\x00\u00e9"},
		Body: []byte{0, 1, '\n', '"', 0xff, byte(n)},
	}
}

// sequences are the sequence numbers of records: what they are told apart by in these tests.
func sequences(records []Record) []int64 {
	var n []int64
	for _, r := range records {
		n = append(n, r.Sequence)
	}
	return n
}

// stored lists the dead letters of a folder, without damage.
func stored(t *testing.T, dir string) []Record {
	t.Helper()
	var records []Record
	for r, err := range List(dir) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return records
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := segmentFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
