package quarantine

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"azx/internal/fault"
)

// disk is what the journal needs of a file system to write; tests put a failing one in its place.
type disk interface {
	// open opens a file for appending, and makes it if it does not exist.
	open(path string) (file, error)
	// syncFolder makes names in a folder durable.
	syncFolder(dir string) error
}

type file interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

type realDisk struct{}

func (realDisk) open(path string) (file, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

func (realDisk) syncFolder(dir string) error { return syncFolder(dir) }

// acquire makes the folder if need be and takes it for this process until the file is closed or the
// process ends.
func acquire(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, problem("open quarantine "+dir, err, "the folder of quarantine.dir must be writable")
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, problem("open quarantine "+dir, err, "the folder of quarantine.dir must be writable")
	}
	taken, err := flock(lock)
	if err == nil && !taken {
		err = errors.New("another process uses it")
	}
	if err != nil {
		err = problem("open quarantine "+dir, err, "stop that process, or give this one its own folder")
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// segmentFiles lists the segments of a folder, oldest first: their names sort by their first id.
func segmentFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), segmentSuffix) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}

func problem(op string, cause error, hint string) error {
	return &fault.Problem{Op: op, Class: fault.Fatal, Cause: cause, Hint: hint}
}
