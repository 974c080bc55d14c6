// Package store keeps the state of the local platform: records by bucket and key, saved all or nothing.
package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Record is something kept under a key. What the value means is its owner's business.
type Record struct {
	Bucket string // without a zero byte
	Key    string
	Value  []byte // nil: the record is deleted, or was never there
}

// Store keeps records. Its methods may be called concurrently.
type Store interface {
	// Load calls each for every record, sorted by bucket and key, until it returns an error, which Load returns. What is
	// saved meanwhile may come or not. The value is each's own; an empty one comes as it was saved, not nil.
	Load(each func(Record) error) error
	// Save writes records in their order, all or nothing. When it returns they outlive the process, and, unless the store
	// was opened with NoSync, a power cut. Saves from several goroutines share a commit. It keeps nothing of records. An
	// error that wraps ErrRecord came before anything was written; after another one the disk has the last word.
	Save(records []Record) error
	// Close ends the use of the store, once the saves under way are done. It may be called twice.
	Close() error
}

// ErrRecord says that a record cannot be saved as it is; the error's text says which and why.
var ErrRecord = errors.New("not a record")

// Bounds of a record.
const (
	MaxKey   = 16 << 10 // bytes of bucket and key
	MaxValue = 64 << 20 // bytes of a value
)

// keyOf is what a record is found by: in the order of buckets, then keys.
func keyOf(bucket, key string) string { return bucket + "\x00" + key }

func recordOf(key string, value []byte) Record {
	bucket, rest, _ := strings.Cut(key, "\x00")
	return Record{bucket, rest, value}
}

func check(records []Record) error {
	for i, r := range records {
		var why string
		switch {
		case r.Bucket == "" || r.Key == "":
			why = "bucket and key must have a name"
		case strings.Contains(r.Bucket, "\x00"):
			why = "a bucket may have no zero byte in its name"
		case len(r.Bucket)+len(r.Key) > MaxKey:
			why = fmt.Sprintf("%d bytes of bucket and key, at most %d", len(r.Bucket)+len(r.Key), MaxKey)
		case len(r.Value) > MaxValue:
			why = fmt.Sprintf("%d bytes, at most %d", len(r.Value), MaxValue)
		default:
			continue
		}
		return fmt.Errorf("save record %d, %.40q of %.40q: %w: %s", i, r.Key, r.Bucket, ErrRecord, why)
	}
	return nil
}

// memory is a Store without a file.
type memory struct {
	mu      sync.Mutex
	records map[string][]byte
	closed  bool
}

// Memory returns a store that keeps its records until the process ends. After Close it can be loaded still, as if it were
// opened again, and saves fail.
func Memory() Store { return &memory{records: map[string][]byte{}} }

func (m *memory) Load(each func(Record) error) error {
	m.mu.Lock()
	all := maps.Clone(m.records)
	m.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if err := each(recordOf(key, copied(all[key]))); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Save(records []Record) error {
	if err := check(records); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	for _, r := range records {
		if r.Value == nil {
			delete(m.records, keyOf(r.Bucket, r.Key))
		} else {
			m.records[keyOf(r.Bucket, r.Key)] = copied(r.Value)
		}
	}
	return nil
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

var errClosed = errors.New("save: the store is closed")

// copied gives a copy that is not nil.
func copied(value []byte) []byte { return append(make([]byte, 0, len(value)), value...) }
