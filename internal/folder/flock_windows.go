package folder

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/windows"
)

// flock takes the exclusive lock of a file without waiting; taken is false if another process has it.
// The byte that is locked lies beyond the content, which others may thus read.
func flock(f *os.File) (taken bool, err error) {
	err = windows.LockFileEx(windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0,
		&windows.Overlapped{OffsetHigh: math.MaxInt32})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// Sync does nothing: Windows journals names itself and syncs no folder.
func Sync(string) error { return nil }
