// Package checkpoint keeps, for each partition, the position up to which every message is settled, and who reads it.
package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
)

// Store keeps one checkpoint and one ownership a partition. A checkpoint never moves backwards, whoever saves it: Save of
// a sequence below the stored one is ErrBehind and changes nothing, of the same sequence it does nothing. Its methods may
// be called from many goroutines. Each call is one try, bounded in time; Retry makes more of it.
type Store interface {
	// Load returns the checkpoint of a partition; false if it has none yet.
	Load(ctx context.Context, partition string) (delivery.Checkpoint, bool, error)
	// Save returns once the checkpoint would survive a crash. An error leaves the old or the new
	// one in place, never a mixture. A context that ended before the write began is its error.
	Save(ctx context.Context, partition string, at delivery.Checkpoint) error
	// Replace is Save of a checkpoint that may lie before the stored one: the hub does not know that position any more.
	Replace(ctx context.Context, partition string, at delivery.Checkpoint) error
	// LoadSnapshot returns what was last saved beside the checkpoint of a partition; nil if nothing was.
	LoadSnapshot(ctx context.Context, partition string) ([]byte, error)
	// SaveSnapshot replaces it, and returns once it would survive a crash: what is known of the partition's devices, at most
	// MaxSnapshot bytes. Who saves has loaded before; where processes share the store, what another one has saved since is left alone, and that
	// is an error.
	SaveSnapshot(ctx context.Context, partition string, data []byte) error
	// Ownerships returns what is stored of each partition that was ever claimed, and the time by the clock of the store:
	// an age is the difference of that and Renewed, whatever the clock of this machine says.
	Ownerships(ctx context.Context) (list []delivery.Ownership, now time.Time, err error)
	// Claim stores o.Owner, "" to give the partition up, if the stored record is still o.Version, "" if there is none. It
	// returns the record as it is now stored; false if somebody else was faster.
	Claim(ctx context.Context, o delivery.Ownership) (delivery.Ownership, bool, error)
	// Close gives the store up. Afterwards Save and Claim are ErrClosed. A second Close does nothing.
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

// complete reports whether a stored identity says which log it is.
func (i Identity) complete() bool { return i.Endpoint != "" && i.EventHub != "" && i.Group != "" }

// Option changes how OpenFile and OpenBlob open.
type Option func(*options)

type options struct{ allowNew, allowFailover bool }

// AllowNewIdentity lets a store be opened without checkpoints although it has those of another
// identity: for an explicit --start.
func AllowNewIdentity() Option { return func(o *options) { o.allowNew = true } }

// AllowFailover lets a store be opened without checkpoints if those it has are of the same hub and consumer group at another
// endpoint, as after a failover of the hub. They stay as they are.
func AllowFailover() Option { return func(o *options) { o.allowFailover = true } }

// admits reports whether a store whose checkpoints are of another identity may be opened without any; failover says that it
// is for that reason.
func (o options) admits(recorded, wanted Identity) (yes, failover bool) {
	failover = o.allowFailover && recorded.Hub != "" && strings.EqualFold(recorded.Hub, wanted.Hub) &&
		strings.EqualFold(recorded.Group, wanted.Group)
	return o.allowNew || failover, failover
}

func optionsOf(list []Option) (o options) {
	for _, option := range list {
		option(&o)
	}
	return o
}

const hintOtherIdentity = "say where to begin with --start earliest, latest or a time; " +
	"or take the positions over with azx checkpoint copy, if it is the same log read by another consumer group"

// otherIdentity is why a store is not opened that has no checkpoints of an identity, but others.
func otherIdentity(recorded, wanted Identity) error {
	return fmt.Errorf("its checkpoints are of %s, and %s has none", recorded, wanted)
}

func behind(partition string, old, at delivery.Checkpoint) error {
	return fmt.Errorf("save checkpoint: partition %s: sequence %d after %d: %w",
		partition, at.Sequence, old.Sequence, ErrBehind)
}

// validPartition keeps partition ids to what is a safe file name; Event Hubs numbers them.
func validPartition(id string) bool {
	return id != "" && len(id) <= 32 && strings.Trim(id, "0123456789") == ""
}

func invalidPartition(verb, partition string) error {
	return fault.Reject(verb+" checkpoint", "", "%q is no partition id", partition)
}

// check refuses what could not be loaded again.
func check(verb, partition string, at delivery.Checkpoint) error {
	switch {
	case !validPartition(partition):
		return invalidPartition(verb, partition)
	case at.Offset == "":
		return fault.Reject(verb+" checkpoint", "", "partition %s: no offset", partition)
	}
	return nil
}
