package history

import (
	"fmt"
	"sync"

	bolt "go.etcd.io/bbolt"

	"azx/internal/local/dbfile"
)

const (
	kind      = "the history of a platform"
	formatNow = "1"
)

// DB is a History in a file. The file does not get smaller: what is removed makes room for what comes. Besides, an entry
// takes 16 bytes of memory.
type DB struct {
	options Options
	file    *dbfile.File
	commits *dbfile.Commits[[]encoded]
	doubt   bool // whether the index may differ from the file: a commit failed; guarded by the turn

	mu    sync.RWMutex // never taken inside a transaction
	index *index       // changed with the turn only, so that who has the turn may read it
}

// Open opens the history in a file that only its owner may read, or makes one. A file that is damaged, of another kind or in
// use is refused by name and left as it is. Bounds may differ from those it was filled with.
func Open(path string, o Options) (*DB, error) {
	f, err := dbfile.Open(path, dbfile.Options{
		Kind:    kind,
		Format:  formatNow,
		Without: "with an empty history",
		NoSync:  o.NoSync,
		Check:   checkAll,
		Make:    makeAll,
	})
	if err != nil {
		return nil, err
	}
	d := &DB{options: o.orDefault(1_000_000, 256<<20), file: f}
	d.commits = dbfile.NewCommits(d.write)
	if err := d.load(); err != nil {
		_ = f.Close() // it says nothing new
		return nil, fmt.Errorf("open history: %w", err)
	}
	return d, nil
}

func buckets() []string { return []string{bucketNames, bucketLog, bucketTotals} }

func makeAll(tx *bolt.Tx) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	return tx.Bucket([]byte(bucketTotals)).Put([]byte(keyTotals), totals{}.record())
}

// checkAll wants every record as it was written, and as many as the totals say.
func checkAll(tx *bolt.Tx) error {
	var counted Size
	for _, name := range buckets() {
		b := tx.Bucket([]byte(name))
		if b == nil {
			return fmt.Errorf("it has no %s", name)
		}
		err := dbfile.Each(b, func(key, record []byte) error {
			if name != bucketLog {
				_, err := opened(key, record, 8)
				return err
			}
			_, size, err := readHead(key, record)
			counted.Entries++
			counted.Bytes += size
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	t, err := totalsIn(tx)
	if err == nil && counted != t.Size {
		err = fmt.Errorf("it has %d entries of %d bytes, and should have %d of %d", counted.Entries, counted.Bytes, t.Entries, t.Bytes)
	}
	return err
}

func totalsIn(tx *bolt.Tx) (totals, error) {
	return readTotals(tx.Bucket([]byte(bucketTotals)).Get([]byte(keyTotals)))
}

// load makes the index from the file, and removes what was forgotten and what is over the bounds. The caller has the turn,
// or nobody else has the history yet.
func (d *DB) load() error {
	x, forgotten := newIndex(), []uint64(nil)
	err := d.file.View(func(tx *bolt.Tx) error {
		err := dbfile.Each(tx.Bucket([]byte(bucketNames)), func(key, record []byte) error {
			thing, property, number, err := readName(key, record)
			x.name(thing, property, number)
			return err
		})
		if err != nil {
			return err
		}
		return dbfile.Each(tx.Bucket([]byte(bucketLog)), func(key, record []byte) error {
			at, _, err := readHead(key, record)
			arrival := readNumber(key)
			if s := x.numbers[at.number]; s != nil {
				s.places = append(s.places, place{at.time, arrival})
			} else {
				forgotten = append(forgotten, arrival)
			}
			return err
		})
	})
	if err != nil {
		return err
	}
	x.sort()
	d.mu.Lock()
	d.index = x
	d.mu.Unlock()
	d.doubt = false
	for len(forgotten) > 0 {
		if forgotten, err = d.removeSome(forgotten); err != nil {
			return err
		}
	}
	return d.trim()
}

// Append is documented at History.
func (d *DB) Append(entries []Entry) error {
	all, err := d.options.encode(entries)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return nil
	}
	if err := d.commits.Add(all); err != nil {
		return fmt.Errorf("append to history: %w", err)
	}
	return nil
}

// Query is documented at History.
func (d *DB) Query(q Query) ([]Entry, error) {
	d.mu.RLock()
	picks := d.index.find(q)
	d.mu.RUnlock()
	found := make([]Entry, 0, len(picks))
	err := d.file.View(func(tx *bolt.Tx) error {
		log := tx.Bucket([]byte(bucketLog))
		for _, p := range picks {
			key := appendNumber(nil, p.arrival)
			record := log.Get(key)
			if record == nil {
				continue // removed since the index was asked
			}
			e, err := readValue(key, record)
			if err != nil {
				return err
			}
			e.Thing, e.Property = q.Thing, p.property
			found = append(found, e)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("query history: %w", err)
	}
	return found, nil
}

// Size is documented at History.
func (d *DB) Size() (Size, error) {
	var t totals
	err := d.file.View(func(tx *bolt.Tx) (err error) {
		t, err = totalsIn(tx)
		return err
	})
	if err != nil {
		return Size{}, fmt.Errorf("size of history: %w", err)
	}
	return t.Size, nil
}

// Close is documented at History.
func (d *DB) Close() error {
	if err := d.commits.Alone(d.file.Close); err != nil {
		return fmt.Errorf("close history: %w", err)
	}
	return nil
}
