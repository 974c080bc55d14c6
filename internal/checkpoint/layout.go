package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
)

// Names of metadata, as Azure's SDKs have them; the SDKs leave others alone.
const (
	keySequence = "sequencenumber"
	keyOffset   = "offset"
	keyEnqueued = "enqueued" // ours, RFC 3339; gone once an SDK has written the checkpoint
	keyOwner    = "ownerid"  // "" once the partition was given up
)

// identityPrefix is where identities are recorded. No event hub is there: its name would be the host name of an endpoint.
const identityPrefix = "azx/"

const hintDamaged = "azx checkpoint clear removes it: that partition then begins as the setting start says"

// checkpointName is the name of a partition's blob; of "" it is what all of them begin with.
func (b *Blob) checkpointName(partition string) string {
	return b.identity.String() + "/checkpoint/" + partition
}

func (b *Blob) ownershipName(partition string) string {
	return b.identity.String() + "/ownership/" + partition
}

func (b *Blob) identityName() string { return identityPrefix + b.scope }

func metadataOfCheckpoint(at delivery.Checkpoint) map[string]string {
	m := map[string]string{keySequence: strconv.FormatInt(at.Sequence, 10), keyOffset: at.Offset}
	if !at.Enqueued.IsZero() {
		m[keyEnqueued] = at.Enqueued.UTC().Format(time.RFC3339Nano)
	}
	return m
}

func checkpointIn(metadata map[string]string) (at delivery.Checkpoint, err error) {
	at.Sequence, err = strconv.ParseInt(metadata[keySequence], 10, 64)
	if err != nil || at.Sequence < 0 {
		return at, fmt.Errorf("its metadata %s, %.40q, is no sequence number", keySequence, metadata[keySequence])
	}
	if at.Offset = metadata[keyOffset]; at.Offset == "" {
		return at, errors.New("its metadata has no " + keyOffset)
	}
	if text := metadata[keyEnqueued]; text != "" {
		if at.Enqueued, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return at, fmt.Errorf("its metadata %s, %.40q, is no time", keyEnqueued, text)
		}
	}
	return at, nil
}

// ownershipIn reads an ownership. One that names nobody is free: claiming it writes what belongs there.
func ownershipIn(partition string, r record) delivery.Ownership {
	return delivery.Ownership{Partition: partition, Owner: r.metadata[keyOwner], Version: r.version, Renewed: r.modified}
}

func metadataOfIdentity(i Identity) map[string]string {
	return map[string]string{"hub": i.Hub, "endpoint": i.Endpoint, "eventhub": i.EventHub, "consumergroup": i.Group}
}

func identityIn(m map[string]string) Identity {
	return Identity{Hub: m["hub"], Endpoint: m["endpoint"], EventHub: m["eventhub"], Group: m["consumergroup"]}
}

// checkpointsBelow reads the checkpoints of one log, so that a damaged one is known at the start and not when its partition
// comes.
func checkpointsBelow(ctx context.Context, b *blobs, prefix string) (map[string]position, error) {
	found, _, err := b.list(ctx, prefix)
	if err != nil {
		return nil, err
	}
	all := map[string]position{}
	for partition, stored := range found {
		if !validPartition(partition) {
			continue // not ours
		}
		at, err := checkpointIn(stored.metadata)
		if err != nil {
			return nil, damagedBlob(b, prefix+partition, err, hintDamaged)
		}
		all[partition] = position{at, stored.version}
	}
	return all, nil
}

func damagedBlob(b *blobs, name string, cause error, hint string) error {
	return &fault.Problem{Op: "read blob " + name + " of container " + b.container.Name, Class: fault.Fatal, Cause: cause, Hint: hint}
}
