package quarantine

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"azx/internal/fault"
	"azx/internal/folder"
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

func (realDisk) syncFolder(dir string) error { return folder.Sync(dir) }

// take takes the folder for this process, making it if need be.
func take(dir string) (*folder.Lock, error) {
	lock, err := folder.Take(dir, "azx")
	switch {
	case errors.Is(err, folder.ErrInUse):
		return nil, problem("open quarantine "+dir, err, "stop that process, or give this one its own folder")
	case err != nil:
		return nil, problem("open quarantine "+dir, err, "the folder of quarantine.dir must be writable")
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
