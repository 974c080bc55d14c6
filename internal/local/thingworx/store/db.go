package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"azx/internal/local/dbfile"
)

// Names in the file.
const (
	kind          = "the state of a platform"
	formatNow     = "1"
	bucketRecords = "records" // by keyOf: checksum of key and value (4 bytes, big-endian), then the value
)

// loadBytes is what Load reads at once, and the record that goes beyond.
const loadBytes = 1 << 20

// Options of a store in a file.
type Options struct {
	// NoSync leaves it to the operating system when a save is on the disk: a power cut may lose the last ones, or damage
	// the file.
	NoSync bool
}

// DB is a Store in a file.
type DB struct {
	file    *dbfile.File
	commits *dbfile.Commits[[]Record]
}

// Open opens the store in a file that only its owner may read, or makes one. A file that is damaged, of another kind or in
// use is refused by name and left as it is.
func Open(path string, o Options) (*DB, error) {
	f, err := dbfile.Open(path, dbfile.Options{
		Kind:    kind,
		Format:  formatNow,
		Without: "with an empty platform",
		NoSync:  o.NoSync,
		Check:   checkAll,
		Make: func(tx *bolt.Tx) error {
			_, err := tx.CreateBucket([]byte(bucketRecords))
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	d := &DB{file: f}
	d.commits = dbfile.NewCommits(d.write)
	return d, nil
}

func checkAll(tx *bolt.Tx) error {
	b := tx.Bucket([]byte(bucketRecords))
	if b == nil {
		return errors.New("it has no records")
	}
	return dbfile.Each(b, func(key, stored []byte) error {
		_, err := read(key, stored)
		return err
	})
}

// read gives the value of what is stored; it refers to it.
func read(key, stored []byte) ([]byte, error) {
	if len(stored) < 4 || binary.BigEndian.Uint32(stored) != dbfile.Sum(key, stored[4:]) {
		r := recordOf(string(key), nil)
		return nil, fmt.Errorf("record %.40q of %.40q is not as it was written", r.Key, r.Bucket)
	}
	return stored[4:], nil
}

// Load is documented at Store.
func (d *DB) Load(each func(Record) error) error {
	for after := []byte(nil); ; {
		records, last, err := d.page(after)
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		if len(records) == 0 {
			return nil
		}
		for _, r := range records {
			if err := each(r); err != nil { // outside of a transaction: it may save
				return err
			}
		}
		after = last
	}
}

// page reads the records behind a key, and tells the last one's.
func (d *DB) page(after []byte) (records []Record, last []byte, err error) {
	err = d.file.View(func(tx *bolt.Tx) error {
		c, size := tx.Bucket([]byte(bucketRecords)).Cursor(), 0
		key, stored := c.Seek(after)
		if after != nil && string(key) == string(after) {
			key, stored = c.Next()
		}
		for ; key != nil && size < loadBytes; key, stored = c.Next() {
			value, err := read(key, stored)
			if err != nil {
				return err
			}
			records = append(records, recordOf(string(key), copied(value)))
			last = append(last[:0], key...)
			size += len(key) + len(stored)
		}
		return nil
	})
	return records, last, err
}

// Save is documented at Store.
func (d *DB) Save(records []Record) error {
	if err := check(records); err != nil {
		return err
	}
	if len(records) == 0 {
		return nil
	}
	if err := d.commits.Add(records); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return nil
}

func (d *DB) write(saves [][]Record) error {
	return d.file.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketRecords))
		for _, records := range saves {
			for _, r := range records {
				if err := put(b, r); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func put(b *bolt.Bucket, r Record) error {
	key := []byte(keyOf(r.Bucket, r.Key))
	if r.Value == nil {
		return b.Delete(key)
	}
	stored := make([]byte, 4, 4+len(r.Value))
	stored = append(stored, r.Value...)
	binary.BigEndian.PutUint32(stored, dbfile.Sum(key, r.Value))
	return b.Put(key, stored)
}

// Close is documented at Store.
func (d *DB) Close() error {
	if err := d.commits.Alone(d.file.Close); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
