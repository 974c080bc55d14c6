package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"azx/internal/delivery"
	"azx/internal/fault"
)

// races is how often a write is tried again because somebody else was faster.
const races = 3

// Blob is a Store in a container of Azure Blob Storage, in the layout of Azure's SDKs: they read it, and so do autoscalers.
//
//	<endpoint>/<event hub>/<group>/checkpoint/<partition>   metadata sequencenumber, offset; ours: enqueued
//	<endpoint>/<event hub>/<group>/ownership/<partition>    metadata ownerid
//	<endpoint>/<event hub>/<group>/presence/<partition>     content: what is known of the partition's devices
//	azx/<scope>                                             the identity that the scope was last opened with
//
// All names are in lower case but the last. A write is conditional on the ETag that was read. So a checkpoint does not go
// backwards although many processes write it, which the SDKs' own stores would allow.
type Blob struct {
	blobs    *blobs
	identity Identity
	scope    string

	failedOver bool
	writer     string // of snapshots

	mu        sync.Mutex
	known     map[string]position // as last seen in the container
	snapshots map[string]string   // versions
	closed    bool
}

// position is the checkpoint in a blob.
type position struct {
	at      delivery.Checkpoint
	version string // "" if the blob is not there
}

// OpenBlob opens the container for the checkpoints of an identity. scope names those who read the same log, the hub Thing:
// when it was last opened with another identity, and there is no checkpoint of this one, that is an error. It is one try;
// errors of class Fatal stay: the container is not there, the identity is another, or a blob holds no checkpoint.
func OpenBlob(ctx context.Context, c Container, identity Identity, scope string, opts ...Option) (*Blob, error) {
	calls, err := openBlobs(c)
	if err != nil {
		return nil, err
	}
	b := &Blob{blobs: calls, identity: identity, scope: scope, writer: newWriter(), snapshots: map[string]string{}}
	if err := b.open(ctx, optionsOf(opts)); err != nil {
		_ = b.Close() // it has nothing to lose
		return nil, err
	}
	return b, nil
}

func (b *Blob) open(ctx context.Context, o options) (err error) {
	b.known, err = checkpointsBelow(ctx, b.blobs, b.checkpointName(""))
	if errors.Is(err, errNoContainer) {
		return &fault.Problem{Op: b.blobs.container.op(), Class: fault.Fatal, Cause: err, Hint: fault.HintOf(err)}
	}
	for range races {
		if err != nil {
			return err
		}
		if err = b.record(ctx, o); !errors.Is(err, errRaced) {
			return err
		}
		err = nil
	}
	return b.contended(b.identityName())
}

// record stores the identity beside the checkpoints, unless they are of another one.
func (b *Blob) record(ctx context.Context, o options) error {
	stored, found, err := b.blobs.head(ctx, b.identityName())
	if err != nil {
		return err
	}
	recorded := identityIn(stored.metadata)
	switch {
	case found && !recorded.complete():
		return b.damaged(b.identityName(), errors.New("it has no complete identity"), "remove it, if it is not of another program")
	case found && recorded == b.identity:
		return nil
	case found && !recorded.equal(b.identity) && len(b.known) == 0:
		var may bool
		if may, b.failedOver = o.admits(recorded, b.identity); !may {
			return b.damaged(b.identityName(), otherIdentity(recorded, b.identity), hintOtherIdentity)
		}
	}
	_, err = b.blobs.put(ctx, b.identityName(), metadataOfIdentity(b.identity), stored.version)
	return err
}

// FailedOver reports whether the scope was last opened for the log that the hub had before a failover.
func (b *Blob) FailedOver() bool { return b.failedOver }

// Load is Store's. A checkpoint that vanished while the store was open is known here still. A container that was emptied is
// no beginning: that is an error, and so is a blob that holds no checkpoint. Both are Transient here, other than at the start: the
// partition waits for somebody to mend the blob, and the process goes on with its others.
func (b *Blob) Load(ctx context.Context, partition string) (delivery.Checkpoint, bool, error) {
	if !validPartition(partition) {
		return delivery.Checkpoint{}, false, invalidPartition("load", partition)
	}
	stored, err := b.read(ctx, partition)
	if err != nil {
		return delivery.Checkpoint{}, false, err
	}
	b.mu.Lock()
	known, ok := b.known[partition]
	b.mu.Unlock()
	switch {
	case stored.version != "":
		return stored.at, true, nil
	case ok:
		return known.at, true, nil
	}
	_, found, err := b.blobs.head(ctx, b.identityName())
	if err == nil && !found {
		err = b.waits(b.identityName(), fmt.Errorf("it was there at the start: the container has been emptied meanwhile, "+
			"and nobody here knows where partition %s is", partition), "start again, with --start earliest or a time")
	}
	return delivery.Checkpoint{}, false, err
}

// read looks at the blob, and remembers what it holds.
func (b *Blob) read(ctx context.Context, partition string) (position, error) {
	name := b.checkpointName(partition)
	stored, found, err := b.blobs.head(ctx, name)
	if err != nil {
		return position{}, err
	}
	if !found {
		b.forget(partition)
		return position{}, nil
	}
	at, err := checkpointIn(stored.metadata)
	if err != nil {
		return position{}, b.waits(name, err, hintDamaged)
	}
	p := position{at, stored.version}
	b.remember(partition, p)
	return p, nil
}

// Save is Store's.
func (b *Blob) Save(ctx context.Context, partition string, at delivery.Checkpoint) error {
	if err := b.usable(ctx); err != nil {
		return err
	}
	if err := check("save", partition, at); err != nil {
		return err
	}
	for range races {
		there, err := b.lastSeen(ctx, partition)
		switch {
		case err != nil:
			return err
		case there.version != "" && at.Sequence < there.at.Sequence:
			return behind(partition, there.at, at)
		case there.version != "" && at.Sequence == there.at.Sequence:
			return nil
		}
		if err := b.write(ctx, partition, at, there.version); !errors.Is(err, errRaced) {
			return err
		}
		b.forget(partition)
	}
	return b.contended(b.checkpointName(partition))
}

// Replace is Store's.
func (b *Blob) Replace(ctx context.Context, partition string, at delivery.Checkpoint) error {
	if err := errors.Join(b.usable(ctx), check("replace", partition, at)); err != nil {
		return err
	}
	stored, _, err := b.blobs.head(ctx, b.checkpointName(partition))
	if err != nil {
		return err
	}
	err = b.write(ctx, partition, at, stored.version)
	if errors.Is(err, errRaced) {
		return b.contended(b.checkpointName(partition))
	}
	return err
}

func (b *Blob) write(ctx context.Context, partition string, at delivery.Checkpoint, version string) error {
	written, err := b.blobs.put(ctx, b.checkpointName(partition), metadataOfCheckpoint(at), version)
	if err == nil {
		b.remember(partition, position{at, written.version})
	}
	return err
}

// lastSeen is what the container had when it was last looked at: the write tells whether it has still.
func (b *Blob) lastSeen(ctx context.Context, partition string) (position, error) {
	b.mu.Lock()
	known := b.known[partition]
	b.mu.Unlock()
	if known.version != "" {
		return known, nil
	}
	return b.read(ctx, partition)
}

func (b *Blob) remember(partition string, p position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known[partition] = p
}

// forget has the next write look at the blob first. Where it is gone, its position is still known.
func (b *Blob) forget(partition string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p, ok := b.known[partition]; ok {
		b.known[partition] = position{at: p.at}
	}
}

// Ownerships is Store's.
func (b *Blob) Ownerships(ctx context.Context) ([]delivery.Ownership, time.Time, error) {
	found, now, err := b.blobs.list(ctx, b.ownershipName(""))
	if err != nil {
		return nil, time.Time{}, err
	}
	list := make([]delivery.Ownership, 0, len(found))
	for partition, stored := range found {
		if validPartition(partition) {
			list = append(list, ownershipIn(partition, stored))
		}
	}
	return list, now, nil
}

// Claim is Store's. When an answer was lost, and the same claim comes again, it is told what the first one did.
func (b *Blob) Claim(ctx context.Context, o delivery.Ownership) (delivery.Ownership, bool, error) {
	if err := b.usable(ctx); err != nil {
		return delivery.Ownership{}, false, err
	}
	if !validPartition(o.Partition) {
		return delivery.Ownership{}, false, invalidPartition("claim", o.Partition)
	}
	name := b.ownershipName(o.Partition)
	written, err := b.blobs.put(ctx, name, map[string]string{keyOwner: o.Owner}, o.Version)
	if errors.Is(err, errRaced) {
		found := false
		if written, found, err = b.blobs.head(ctx, name); err == nil && (!found || o.Owner == "" || written.metadata[keyOwner] != o.Owner) {
			return delivery.Ownership{}, false, nil
		}
	}
	if err != nil {
		return delivery.Ownership{}, false, err
	}
	return ownershipIn(o.Partition, written), true, nil
}

// Close is Store's.
func (b *Blob) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.blobs.close()
	return nil
}

func (b *Blob) usable(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	return ctx.Err()
}

func (b *Blob) damaged(name string, cause error, hint string) error {
	return damagedBlob(b.blobs, name, cause, hint)
}

// waits is what a partition waits for: a rebalance must not end the process.
func (b *Blob) waits(name string, cause error, hint string) error {
	return &fault.Problem{Op: "read blob " + name + " of container " + b.blobs.container.Name, Cause: cause, Hint: hint}
}

func (b *Blob) contended(name string) error {
	return &fault.Problem{Op: "write blob " + name, Cause: fmt.Errorf("%w, %d times", errRaced, races),
		Hint: "does another program write there?"}
}
