package delivery

import (
	"errors"
	"time"
)

// ErrStolen is why a partition cannot be read on: the hub has given it to another reader.
var ErrStolen = errors.New("another reader took the partition over")

// Ownership says who reads a partition, as a checkpoint store has it.
type Ownership struct {
	Partition string
	Owner     string    // id of the reading process; "" once it gave the partition up
	Version   string    // of the stored record, opaque; "" if there is none yet
	Renewed   time.Time // when the record was written, by the clock of the store
}
