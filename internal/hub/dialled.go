package hub

import (
	"strings"
	"sync/atomic"
)

// dialled remembers why the newest connection could not be made: azeventhubs hides the error itself, all but the text.
type dialled struct{ failed atomic.Pointer[error] }

func (d *dialled) note(err error) {
	if err == nil {
		d.failed.Store(nil)
		return
	}
	d.failed.Store(&err)
}

// cause returns the error that is hidden in one of azeventhubs, else err.
func (d *dialled) cause(err error) error {
	if failed := d.failed.Load(); failed != nil && strings.Contains(err.Error(), (*failed).Error()) {
		return *failed
	}
	return err
}
