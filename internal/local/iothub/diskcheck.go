package iothub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
)

// damageError is a file that does not hold what was written to it.
type damageError struct{ cause error }

func (d damageError) Error() string { return d.cause.Error() }
func (d damageError) Unwrap() error { return d.cause }

func damaged(format string, args ...any) error { return damageError{fmt.Errorf(format, args...)} }

// check reads the whole log before it is opened for writing: the store takes a page as it finds it, and a bad one would
// end the process or, worse, be written on. There is nothing to check in a new folder.
func (l *diskLog) check() error {
	info, err := os.Stat(l.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	db, err := l.openFile(true)
	if err != nil {
		return err
	}
	err = guard(func() error { return db.View(checkAll) })
	return errors.Join(err, db.Close())
}

func checkAll(tx *bolt.Tx) error {
	log := tx.Bucket([]byte(bucketLog))
	if log == nil {
		if key, _ := tx.Cursor().First(); key != nil {
			return damaged("it is not the event log of a hub")
		}
		return nil // made, and nothing written
	}
	if format := string(log.Get([]byte(keyFormat))); format != formatNow {
		return fmt.Errorf("it has format %q, this azx knows %s; use the azx that wrote it", format, formatNow)
	}
	for n := 0; ; n++ {
		b := tx.Bucket(bucketOf(n))
		if b == nil {
			return nil
		}
		if err := checkPartition(b); err != nil {
			return damaged("partition %d: %w", n, err)
		}
	}
}

// checkPartition wants every record as it was written, and each behind the one before.
func checkPartition(b *bolt.Bucket) error {
	next, offset := int64(-1), int64(0)
	c := b.Cursor()
	for key, record := c.First(); key != nil; key, record = c.Next() {
		if len(key) != 8 {
			return fmt.Errorf("%d bytes where a sequence number should be", len(key))
		}
		number := numberOf(key)
		h, err := checkRecord(record)
		switch {
		case err != nil:
			return fmt.Errorf("sequence number %d: %w", number, err)
		case next >= 0 && (number != next || h.offset != offset):
			return fmt.Errorf("sequence number %d at offset %d comes where %d at %d should", number, h.offset, next, offset)
		}
		next, offset = number+1, h.offset+h.size
	}
	return nil
}

// guard runs what reads or writes the store. The store panics about pages it cannot read, and reading behind the end of
// a file that was cut is a memory fault; both become errors.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damaged("%v", p)
		}
	}()
	return f()
}
