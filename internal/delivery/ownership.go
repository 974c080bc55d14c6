package delivery

import "time"

// Ownership says who reads a partition, as a checkpoint store has it.
type Ownership struct {
	Partition string
	Owner     string    // id of the reading process; "" once it gave the partition up
	Version   string    // of the stored record, opaque; "" if there is none yet
	Renewed   time.Time // when the record was written, by the clock of the store
}
