package folder

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Existing returns the folder in which a folder is made: itself if it is there.
func Existing(dir string) (at string, err error) {
	for at = filepath.Clean(dir); ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case err == nil && !info.IsDir():
			return at, &fs.PathError{Op: "open", Path: at, Err: errors.New("not a folder")}
		case err == nil:
			return at, nil
		case !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at):
			return at, err
		}
	}
}

// Probe returns nil if files can be made in a folder, or in the one in which it would be made. It makes a file there, and
// removes it. at is the folder that was tried.
func Probe(dir string) (at string, err error) {
	if at, err = Existing(dir); err == nil {
		err = try(at)
	}
	return at, err
}

func try(dir string) error {
	f, err := os.CreateTemp(dir, ".azx-probe-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Holder tells who has a folder, as it named itself to Take; "" if nobody has.
func Holder(dir string) (string, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	}
	defer f.Close()
	taken, err := flock(f) // for a moment; whoever takes the folder in it would be told that it is in use
	if err != nil || taken {
		return "", err
	}
	return holderOf(f), nil
}
