// Package checkpoint keeps, for each partition, the position up to which every message is settled.
package checkpoint

import (
	"context"
	"errors"
	"strings"

	"azx/internal/delivery"
)

// Store keeps one checkpoint a partition. It never moves backwards: Save of a sequence below the
// stored one is ErrBehind and changes nothing, of the same sequence it does nothing.
// Its methods may be called from many goroutines.
type Store interface {
	// Load returns the checkpoint of a partition; false if it has none yet.
	Load(partition string) (delivery.Checkpoint, bool, error)
	// Save returns once the checkpoint would survive a crash. An error leaves the old or the new
	// one in place, never a mixture. A context that ended before the write began is its error.
	Save(ctx context.Context, partition string, at delivery.Checkpoint) error
	// Close gives the store up. Afterwards Save is ErrClosed. A second Close does nothing.
	Close() error
}

var (
	// ErrBehind is a checkpoint before the stored one: a stale owner, or a partition whose
	// numbering began anew.
	ErrBehind = errors.New("the stored checkpoint is further on")
	// ErrClosed is the use of a store after Close.
	ErrClosed = errors.New("the checkpoint store is closed")
)

// Identity names the log in which positions are valid: the same numbers mean something else in
// another one.
type Identity struct {
	Hub      string `json:"hub"`      // host name of the IoT Hub, "plant1.azure-devices.net"
	Endpoint string `json:"endpoint"` // host name of its Event Hubs endpoint
	EventHub string `json:"eventHub"` // event hub name within that endpoint
	Group    string `json:"group"`    // consumer group
}

// String is "endpoint/eventHub/group", in lower case: host names and Event Hubs names ignore case.
func (i Identity) String() string {
	return strings.ToLower(i.Endpoint + "/" + i.EventHub + "/" + i.Group)
}

// equal reports whether positions of one are valid in the other. The hub's name does not matter:
// the endpoint holds the log.
func (i Identity) equal(other Identity) bool { return i.String() == other.String() }
