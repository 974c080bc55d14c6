package devices

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"azx/internal/fault"
	"azx/internal/folder"
)

// maxFile bounds what is read of a file: a continuation and a hundred reasons are less.
const maxFile = 1 << 20

// File is a State in a small file.
type File string

// Load is documented at State.
func (f File) Load() (at Place, found bool, err error) {
	info, err := os.Stat(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return Place{}, false, nil
	}
	var text []byte
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("it has %d bytes", info.Size())
	}
	if err == nil {
		text, err = os.ReadFile(string(f))
	}
	if err == nil {
		err = json.Unmarshal(text, &at)
	}
	if err != nil {
		return Place{}, false, fault.Reject(op, "remove it to begin anew: Things that are there are left", "what is kept of an import in %s cannot be read: %w", f, err)
	}
	return at, true, nil
}

// Save is documented at State.
func (f File) Save(at Place) error {
	text, err := json.Marshal(at)
	if err == nil {
		err = folder.Replace(string(f), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep how far the import is: %w", err)
	}
	return nil
}
