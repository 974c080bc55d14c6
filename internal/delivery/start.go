package delivery

import (
	"errors"
	"fmt"
	"time"
)

// ErrPosition is why a partition cannot be read behind a checkpoint: the hub does not know that position.
var ErrPosition = errors.New("the hub does not know this position")

// Start says where the reading of a partition begins. The zero Start is the earliest message there is.
type Start struct {
	After  *Checkpoint // behind this message; wins over the others
	Latest bool        // only what comes from now on
	From   time.Time   // the first message enqueued at this time or later
}

// String tells the position as logs do.
func (s Start) String() string {
	switch {
	case s.After != nil:
		return fmt.Sprintf("after sequence %d", s.After.Sequence)
	case s.Latest:
		return "latest"
	case !s.From.IsZero():
		return s.From.Format(time.RFC3339)
	}
	return "earliest"
}
