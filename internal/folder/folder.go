// Package folder takes a folder for one process, and replaces files in it so that a crash leaves the old or
// the new content.
package folder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// ErrInUse says that another process has the folder; the error's text names it.
var ErrInUse = errors.New("in use")

// lockName is the file that is locked; it names who has the folder.
const lockName = "lock"

// Lock is a folder taken for this process. The kernel gives it back when the process ends, however it ends.
type Lock struct{ file *os.File }

// Take makes the folder if need be and takes it; holder is the name by which other processes are told who has
// it. The error wraps ErrInUse if another process has it.
func Take(dir, holder string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	taken, err := flock(f)
	if err == nil && !taken {
		err = fmt.Errorf("%w by %s", ErrInUse, holderOf(f))
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = fmt.Fprintf(f, "%s (pid %d)\n", oneLine(holder), os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Lock{f}, nil
}

// Close gives the folder back.
func (l *Lock) Close() error { return l.file.Close() }

func holderOf(f *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 512))
	if line := oneLine(string(text)); err == nil && line != "" {
		return line
	}
	return "another process"
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Replace writes a file that only its owner may read: a new file is written and synced, then takes the name,
// then the folder is synced so that the name is on disk too.
func Replace(path string, content []byte) error {
	temp := path + ".tmp" // one name, so that a crash leaves at most one behind
	if err := writeSynced(temp, content); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return Sync(filepath.Dir(path))
}

func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
