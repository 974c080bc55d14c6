package iothub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"azx/internal/folder"
)

const (
	// logFile is the name of the event log in the hub's folder.
	logFile = "events.db"
	// holderFile names the process that has the log open.
	holderFile = "events.pid"

	// batchBytes is what events may take that wait to be written together.
	batchBytes = 8 << 20
	// trimAtLeast is how many old events of a partition a batch may remove, and besides as many as it adds, twice.
	trimAtLeast = 64
)

// Names in the store.
const (
	bucketLog    = "log"    // of the whole: keys are the following
	keyFormat    = "format" // of the records: formatNow
	bucketPrefix = "partition "
	formatNow    = "1"
)

// diskLog keeps the events of all partitions in one file. A batch of events is one transaction, and it is on the disk,
// synced, before its events are seen or acknowledged: what was acknowledged outlives the process and a power cut.
type diskLog struct {
	db         *bolt.DB
	path       string
	commits    *committer
	partitions []*diskPartition

	closed bool // guarded by the turn
}

// appended is an event on its way into the file.
type appended struct {
	to    *diskPartition
	event *Event
	head  head // its size and time; the offset comes when it is written
}

// openDiskLog opens the event log in dir, or makes one of that many partitions (0: 4). Numbers of a new one start at base.
func openDiskLog(dir string, partitions int, base int64, retention Retention) (*diskLog, error) {
	l := &diskLog{path: filepath.Join(dir, logFile)}
	if err := l.check(); err != nil {
		return nil, l.openError(err)
	}
	var err error
	if l.db, err = l.openFile(false); err != nil {
		return nil, l.openError(err)
	}
	if err = folder.Replace(filepath.Join(dir, holderFile), []byte(strconv.Itoa(os.Getpid())+"\n")); err == nil {
		err = l.load(partitions, base, retention)
	}
	if err != nil {
		return nil, errors.Join(l.openError(err), l.db.Close())
	}
	l.commits = newCommitter(batchBytes, l.write)
	return l, nil
}

// openFile opens the file without waiting for another process.
func (l *diskLog) openFile(readOnly bool) (db *bolt.DB, err error) {
	err = guard(func() error {
		db, err = bolt.Open(l.path, 0o600, &bolt.Options{
			ReadOnly: readOnly,
			Timeout:  time.Millisecond,
			// The free pages are found when the file is opened: writing their list with each batch would take longer
			// than the batch itself, after many events have been removed.
			NoFreelistSync: true,
			FreelistType:   bolt.FreelistMapType,
			NoStatistics:   true,
		})
		return err
	})
	return db, err
}

// openError says what to do about a log that cannot be opened.
func (l *diskLog) openError(err error) error {
	var damage damageError
	switch {
	case errors.Is(err, bolt.ErrTimeout):
		dir := filepath.Dir(l.path)
		holder, _ := os.ReadFile(filepath.Join(dir, holderFile)) // without it there is no number to tell
		if pid := strings.TrimSpace(string(holder)); pid != "" {
			return fmt.Errorf("open hub: another hub is running in %s, process %s; stop it, or use another folder", dir, pid)
		}
		return fmt.Errorf("open hub: another hub is running in %s; stop it, or use another folder", dir)
	case errors.As(err, &damage), errors.Is(err, bolt.ErrInvalid), errors.Is(err, bolt.ErrChecksum), errors.Is(err, bolt.ErrVersionMismatch):
		return fmt.Errorf("open hub: %s is damaged: %w; put a copy of it back, or move it away to start with an empty event log "+
			"(devices, keys and consumer groups stay)", l.path, err)
	}
	return fmt.Errorf("open hub: %s: %w", l.path, err)
}

// load makes the partitions from what the file holds.
func (l *diskLog) load(wanted int, base int64, retention Retention) error {
	has := 0
	err := l.view(func(tx *bolt.Tx) error {
		for tx.Bucket(bucketOf(has)) != nil {
			has++
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case has == 0:
		if has = wanted; has == 0 {
			has = defaultPartitions
		}
		if err := l.create(has); err != nil {
			return err
		}
	case wanted != 0 && wanted != has:
		return fmt.Errorf("it has %d partitions, and a hub cannot change their number; open it with %d, or use another folder", has, has)
	}
	for n := range has {
		p := &diskPartition{log: l, bucket: bucketOf(n), retention: retention.orDefault(), grown: make(chan struct{})}
		if err := p.load(base); err != nil {
			return err
		}
		l.partitions = append(l.partitions, p)
	}
	return nil
}

func (l *diskLog) create(partitions int) error {
	return l.update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte(bucketLog))
		if err == nil {
			err = b.Put([]byte(keyFormat), []byte(formatNow))
		}
		for n := 0; n < partitions && err == nil; n++ {
			_, err = tx.CreateBucket(bucketOf(n))
		}
		return err
	})
}

// lose drops all events; numbers and offsets begin anew.
func (l *diskLog) lose() error {
	l.commits.turn <- struct{}{}
	defer func() { <-l.commits.turn }()
	err := l.update(func(tx *bolt.Tx) error {
		for _, p := range l.partitions {
			if err := tx.DeleteBucket(p.bucket); err != nil {
				return err
			}
			if _, err := tx.CreateBucket(p.bucket); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("empty the event log: %w", err)
	}
	for _, p := range l.partitions {
		p.clear()
	}
	return nil
}

// close ends the use of the file. What waits to be written fails.
func (l *diskLog) close() error {
	l.commits.turn <- struct{}{} // until a batch that is being written is
	defer func() { <-l.commits.turn }()
	if l.closed {
		return nil // the folder may be another's already
	}
	l.closed = true
	removeErr := os.Remove(filepath.Join(filepath.Dir(l.path), holderFile))
	if errors.Is(removeErr, fs.ErrNotExist) {
		removeErr = nil
	}
	if err := errors.Join(removeErr, l.db.Close()); err != nil {
		return fmt.Errorf("close hub: %w", err)
	}
	return nil
}

// write stores a batch in one transaction and then shows it to the readers. The caller has the turn.
func (l *diskLog) write(events []appended) error {
	var touched []*diskPartition
	for _, a := range events {
		if len(a.to.staged) == 0 {
			touched = append(touched, a.to)
		}
		a.to.stage(a)
	}
	err := l.store(touched)
	for _, p := range touched {
		if err == nil {
			p.publish()
		}
		p.staged, p.unsure = nil, err != nil
	}
	if err != nil {
		return fmt.Errorf("write to the event log: %w", err)
	}
	return nil
}

func (l *diskLog) store(touched []*diskPartition) error {
	until := make([]int64, len(touched))
	for i, p := range touched {
		var err error
		if until[i], err = p.removable(); err != nil {
			return err
		}
	}
	err := l.update(func(tx *bolt.Tx) error {
		for i, p := range touched {
			if err := p.store(tx, until[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, p := range touched {
		p.stored = until[i]
	}
	return nil
}

func (l *diskLog) view(f func(*bolt.Tx) error) error {
	return guard(func() error { return l.db.View(f) })
}

func (l *diskLog) update(f func(*bolt.Tx) error) error {
	return guard(func() error { return l.db.Update(f) })
}

func bucketOf(partition int) []byte { return []byte(bucketPrefix + strconv.Itoa(partition)) }

func keyOf(number int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(number)) }

func numberOf(key []byte) int64 { return int64(binary.BigEndian.Uint64(key)) }
