package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
)

// What a person may do with a container, and what may be looked at while connectors use it.

// ownedFor is how long after its last renewal a partition counts as being read.
const ownedFor = time.Minute

// ReadContainer returns what a container has, of all logs, and the identity that scope was last opened with, zero if it
// never was. Blobs of other programs are left alone.
func ReadContainer(ctx context.Context, c Container, scope string) (Identity, []Stored, error) {
	calls, err := openBlobs(c)
	if err != nil {
		return Identity{}, nil, err
	}
	defer calls.close()
	found, _, err := calls.list(ctx, "")
	if err != nil {
		return Identity{}, nil, err
	}
	current := identityIn(found[identityPrefix+scope].metadata)
	of := map[string]*Stored{}
	for name, r := range found {
		log, ok := strings.CutSuffix(path.Dir(name), "/checkpoint")
		partition := path.Base(name)
		if _, err := ParseIdentity(log); !ok || err != nil || !validPartition(partition) {
			continue
		}
		at, err := checkpointIn(r.metadata)
		if err != nil {
			return current, nil, damagedBlob(calls, name, err, hintDamaged)
		}
		if of[log] == nil {
			of[log] = &Stored{Identity: log, Current: log == current.String(), At: map[string]delivery.Checkpoint{}}
		}
		of[log].At[partition] = at
	}
	var all []Stored
	for _, log := range slices.Sorted(maps.Keys(of)) {
		all = append(all, *of[log])
	}
	return current, all, nil
}

// Set puts a partition's checkpoint where a person wants it, also back: what lies between is read again, or left out. It is
// refused while a connector reads any partition of the log.
func (b *Blob) Set(ctx context.Context, partition string, at delivery.Checkpoint) error {
	if err := errors.Join(b.usable(ctx), check("set", partition, at)); err != nil {
		return err
	}
	if err := b.unused(ctx); err != nil {
		return err
	}
	return b.Replace(ctx, partition, at)
}

// Clear removes a partition's checkpoint, and what is known of its devices as of there: it begins as the setting start says,
// as one that was never read. It reports whether there was anything, and is refused while a connector reads any partition of the
// log. The checkpoint goes last, so that clearing can be repeated.
func (b *Blob) Clear(ctx context.Context, partition string) (was bool, err error) {
	if !validPartition(partition) {
		return false, invalidPartition("clear", partition)
	}
	if err := errors.Join(b.usable(ctx), b.unused(ctx)); err != nil {
		return false, err
	}
	for _, name := range []string{b.snapshotName(partition), b.checkpointName(partition)} {
		there, err := b.blobs.remove(ctx, name)
		if err != nil {
			return was, err
		}
		was = was || there
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, partition)
	delete(b.snapshots, partition)
	return was, nil
}

// All returns the checkpoints by partition, as they were last seen.
func (b *Blob) All() map[string]delivery.Checkpoint {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make(map[string]delivery.Checkpoint, len(b.known))
	for partition, p := range b.known {
		all[partition] = p.at
	}
	return all
}

// unused refuses to change what a connector may be about to write.
func (b *Blob) unused(ctx context.Context) error {
	list, now, err := b.Ownerships(ctx)
	if err != nil {
		return err
	}
	for _, o := range list {
		if age := now.Sub(o.Renewed); o.Owner != "" && age < ownedFor {
			return &fault.Problem{Op: "change the checkpoints of " + b.identity.String(), Class: fault.Rejected,
				Cause: fmt.Errorf("partition %s is read by %s, as of %s ago", o.Partition, o.Owner, max(age, 0)),
				Hint:  "stop the connectors that read this log; one that was killed is forgotten after " + ownedFor.String()}
		}
	}
	return nil
}
