package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// replaceFile writes a file so that a crash leaves the old or the new content: a new file is written
// and synced, then takes the name, then the folder is synced so that the name is on disk too.
func replaceFile(path string, data []byte) error {
	temp := path + ".tmp" // one name, so that a crash leaves at most one behind
	if err := writeSynced(temp, data); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncFolder(filepath.Dir(path))
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// acquire takes the folder's lock for this process. The kernel gives it back when the process ends,
// however it ends, so a lock file without a holder is nothing to clean up.
func acquire(dir, holder string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, problem(dir, err, "the folder of checkpoint.file must be writable")
	}
	taken, err := flock(lock)
	if err == nil && !taken {
		err = fmt.Errorf("in use by %s", readHolder(lock))
	}
	if err != nil {
		return nil, errors.Join(problem(dir, err, "stop that process, or give this one its own folder"), lock.Close())
	}
	err = lock.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(lock, "%s (pid %d)\n", oneLine(holder), os.Getpid())
	}
	if err != nil {
		return nil, errors.Join(problem(dir, err, ""), lock.Close())
	}
	return lock, nil
}

func readHolder(lock *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(lock, 0, 512))
	if line := oneLine(string(text)); err == nil && line != "" {
		return line
	}
	return "another process"
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
