// Package dbfile opens the database files of the local stand-ins: a damaged or foreign file is refused by name and left as
// it is, and what concurrent callers write shares a commit.
package dbfile

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"azx/internal/folder"
)

// Options say what a file is.
type Options struct {
	Kind    string // what it is, such as "the state of a platform"; written into it
	Format  string // of its records; a file of another one is refused
	Without string // what a start without it is like, such as "with an empty history"
	NoSync  bool   // whether a commit may be lost in a power cut; the end of the process loses none in either case

	// Check reads every record. It is called for a file that is there, before it is opened for writing, and says what is
	// wrong. It may panic about what it cannot read.
	Check func(tx *bolt.Tx) error
	// Make creates the buckets of a file that has none.
	Make func(tx *bolt.Tx) error
}

// File is an open file. All its methods may be called concurrently.
type File struct {
	db      *bolt.DB
	path    string
	options Options
	broken  atomic.Pointer[error] // why the file is not touched any more
}

// ErrInUse says that the file is open, here or in another process.
var ErrInUse = errors.New("in use by another process; stop it, or use another folder")

// The bucket and its keys that say what a file is.
const (
	bucketFile = "azx file"
	keyKind    = "kind"
	keyFormat  = "format"
)

// damage is a file that does not hold what was written to it.
type damage struct{ cause error }

func (d damage) Error() string { return d.cause.Error() }
func (d damage) Unwrap() error { return d.cause }

// unreadable is a file whose pages the database cannot read.
type unreadable struct{ what string }

func (u unreadable) Error() string { return "it cannot be read: " + u.what }

// Open opens a file that only its owner may read, or makes one. The folder must be there.
func Open(path string, o Options) (*File, error) {
	f := &File{path: path, options: o}
	isNew, err := f.check()
	if err == nil {
		f.db, err = f.open(false)
	}
	if err == nil && isNew {
		err = f.create()
	}
	if err == nil {
		return f, nil
	}
	if f.db != nil {
		err = errors.Join(err, f.db.Close())
	}
	return nil, f.openError(err)
}

// check reads a whole file before it is opened for writing: the database takes a page as it finds it, and a bad one would
// end the process or, worse, be written on.
func (f *File) check() (isNew bool, err error) {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	db, err := f.open(true)
	if err != nil {
		return false, err
	}
	err = guard(func() error {
		return db.View(func(tx *bolt.Tx) error {
			isNew, err = f.checkAll(tx)
			return err
		})
	})
	return isNew, errors.Join(err, db.Close())
}

func (f *File) checkAll(tx *bolt.Tx) (isNew bool, err error) {
	self := tx.Bucket([]byte(bucketFile))
	if self == nil {
		if key, _ := tx.Cursor().First(); key != nil {
			return false, fmt.Errorf("it is not %s", f.options.Kind)
		}
		return true, nil // made, and nothing written
	}
	if kind := string(self.Get([]byte(keyKind))); kind != f.options.Kind {
		return false, fmt.Errorf("it is %s, not %s", kind, f.options.Kind)
	}
	if format := string(self.Get([]byte(keyFormat))); format != f.options.Format {
		return false, fmt.Errorf("it has format %q, this azx knows %q; use the azx that wrote it", format, f.options.Format)
	}
	if err := f.options.Check(tx); err != nil {
		return false, damage{err}
	}
	return false, nil
}

// open opens the file without waiting for another process.
func (f *File) open(readOnly bool) (db *bolt.DB, err error) {
	err = guard(func() error {
		db, err = bolt.Open(f.path, 0o600, &bolt.Options{
			ReadOnly: readOnly,
			Timeout:  time.Millisecond,
			NoSync:   f.options.NoSync,
			// The free pages are found when the file is opened: writing their list with each commit would take longer
			// than the commit itself, after much has been removed.
			NoFreelistSync: true,
			FreelistType:   bolt.FreelistMapType,
			NoStatistics:   true,
		})
		return err
	})
	return db, err
}

func (f *File) create() error {
	err := f.Update(func(tx *bolt.Tx) error {
		self, err := tx.CreateBucketIfNotExists([]byte(bucketFile))
		if err == nil {
			err = self.Put([]byte(keyKind), []byte(f.options.Kind))
		}
		if err == nil {
			err = self.Put([]byte(keyFormat), []byte(f.options.Format))
		}
		if err != nil {
			return err
		}
		return f.options.Make(tx)
	})
	if err != nil || f.options.NoSync {
		return err
	}
	return folder.Sync(filepath.Dir(f.path)) // the file's name is not lost either
}

// openError says what to do about a file that cannot be opened.
func (f *File) openError(err error) error {
	var broken damage
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("open %s: %w", f.path, ErrInUse)
	case errors.As(err, &broken), errors.As(err, new(unreadable)), errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum),
		errors.Is(err, bolterrors.ErrVersionMismatch):
		return fmt.Errorf("open %s: it is damaged: %w; put a copy of it back, or move it away to start %s", f.path, err, f.options.Without)
	}
	return fmt.Errorf("open %s: %w", f.path, err)
}

// View reads in one snapshot.
func (f *File) View(read func(tx *bolt.Tx) error) error {
	return f.touch(func() error { return f.db.View(read) })
}

// Update writes all or nothing. After an error it is nothing, unless the disk failed at the very end: then the next View
// says.
func (f *File) Update(write func(tx *bolt.Tx) error) error {
	return f.touch(func() error { return f.db.Update(write) })
}

// touch runs what reads or writes the file. Once its pages could not be read, the database may hold its locks for good: the
// file is not touched again, and every call says why.
func (f *File) touch(run func() error) error {
	if broken := f.broken.Load(); broken != nil {
		return *broken
	}
	err := guard(run)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", f.path, err)
	if errors.As(err, new(unreadable)) {
		f.broken.Store(&err)
	}
	return err
}

// Close closes the file, once what is being read and written is done. What comes later fails. It may be called twice. A file
// that could not be read any more stays locked until the process ends.
func (f *File) Close() error {
	if f.broken.Load() != nil {
		return nil
	}
	return f.db.Close()
}

// guard runs what reads or writes the file. The database panics about pages it cannot read, and reading behind the end of
// a file that was cut is a memory fault; both become errors.
func guard(run func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = unreadable{fmt.Sprint(p)}
		}
	}()
	return run()
}

// Sum is the checksum of a record: of its key and what is stored under it.
func Sum(key, value []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // the library makes it once
	return crc32.Update(crc32.Checksum(key, table), table, value)
}

// Each calls visit for all records of a bucket. It refuses keys that are not in order, which the database would not find.
func Each(b *bolt.Bucket, visit func(key, value []byte) error) error {
	var last []byte
	c := b.Cursor()
	for key, value := c.First(); key != nil; key, value = c.Next() {
		if last != nil && bytes.Compare(last, key) >= 0 {
			return fmt.Errorf("the keys %x and %x are not in order", last, key)
		}
		if err := visit(key, value); err != nil {
			return err
		}
		last = key
	}
	return nil
}
