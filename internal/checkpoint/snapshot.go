package checkpoint

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"azx/internal/fault"
)

// MaxSnapshot is how many bytes a snapshot has at most.
const MaxSnapshot = 512 << 20

const (
	snapshotSuffix = ".presence" // of a partition's file
	keyWriter      = "writer"    // metadata of a partition's blob: which Blob wrote it
)

// LoadSnapshot is Store's.
func (m *Memory) LoadSnapshot(ctx context.Context, partition string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.snapshots[partition], ctx.Err()
}

// SaveSnapshot is Store's.
func (m *Memory) SaveSnapshot(ctx context.Context, partition string, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(ctx.Err(), checkSnapshot(partition, data)); err != nil || m.closed {
		return errors.Join(err, closedIf(m.closed))
	}
	m.snapshots[partition] = bytes.Clone(data)
	return nil
}

// LoadSnapshot is Store's.
func (f *File) LoadSnapshot(ctx context.Context, partition string) ([]byte, error) {
	if !validPartition(partition) {
		return nil, invalidPartition("load snapshot beside the", partition)
	}
	file, err := os.Open(filepath.Join(f.dir, partition+snapshotSuffix))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("load snapshot: %w", err)
	}
	defer file.Close()
	return atMost(file)
}

// SaveSnapshot is Store's.
func (f *File) SaveSnapshot(ctx context.Context, partition string, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(ctx.Err(), checkSnapshot(partition, data)); err != nil || f.closed {
		return errors.Join(err, closedIf(f.closed))
	}
	if err := f.replace(filepath.Join(f.dir, partition+snapshotSuffix), data); err != nil {
		return &fault.Problem{Op: "save snapshot", Class: fault.Transient, Cause: err, Hint: "is the disk of checkpoint.file full or read-only?"}
	}
	return nil
}

// LoadSnapshot is Store's. From then on SaveSnapshot replaces what was loaded, and nothing else.
func (b *Blob) LoadSnapshot(ctx context.Context, partition string) ([]byte, error) {
	if !validPartition(partition) {
		return nil, invalidPartition("load snapshot beside the", partition)
	}
	data, version, err := b.blobs.download(ctx, b.snapshotName(partition))
	if err == nil {
		b.rememberSnapshot(partition, version)
	}
	return data, err
}

// SaveSnapshot is Store's. If the answer to a write was lost, the blob is found to be this Blob's own, and written again.
func (b *Blob) SaveSnapshot(ctx context.Context, partition string, data []byte) error {
	if err := errors.Join(b.usable(ctx), checkSnapshot(partition, data)); err != nil {
		return err
	}
	name, mine := b.snapshotName(partition), map[string]string{keyWriter: b.writer}
	b.mu.Lock()
	version := b.snapshots[partition]
	b.mu.Unlock()
	written, err := b.blobs.upload(ctx, name, data, mine, version)
	if errors.Is(err, errRaced) {
		there, found, headed := b.blobs.head(ctx, name)
		switch {
		case headed != nil:
			return headed
		case !found || there.metadata[keyWriter] != b.writer:
			return b.contended(name)
		}
		written, err = b.blobs.upload(ctx, name, data, mine, there.version)
	}
	if err == nil {
		b.rememberSnapshot(partition, written.version)
	}
	return err
}

func (b *Blob) rememberSnapshot(partition, version string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.snapshots[partition] = version
}

func (b *Blob) snapshotName(partition string) string {
	return b.identity.String() + "/presence/" + partition
}

// newWriter names who writes snapshots, so that it knows its own again.
func newWriter() string { return rand.Text() }

// download reads a blob as a whole and its version; nil and "" if it is not there.
func (b *blobs) download(ctx context.Context, name string) (data []byte, version string, err error) {
	err = b.call(ctx, "read", name, func(ctx context.Context, c *container.Client) error {
		got, err := c.NewBlobClient(name).DownloadStream(ctx, nil)
		if bloberror.HasCode(err, bloberror.BlobNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		defer got.Body.Close()
		version = recordOf(nil, got.ETag, got.LastModified).version
		data, err = atMost(got.Body)
		return err
	})
	return data, version, err
}

// upload writes a blob as a whole, if it is still of a version; "" makes one that is not there yet. errRaced if it is not so.
func (b *blobs) upload(ctx context.Context, name string, data []byte, metadata map[string]string, version string) (r record, err error) {
	pointers := map[string]*string{}
	for key, value := range metadata {
		pointers[key] = &value
	}
	conditions := &blob.ModifiedAccessConditions{}
	if version == "" {
		absent := azcore.ETagAny
		conditions.IfNoneMatch = &absent
	} else {
		same := azcore.ETag(`"` + version + `"`)
		conditions.IfMatch = &same
	}
	err = b.call(ctx, "write", name, func(ctx context.Context, c *container.Client) error {
		got, err := c.NewBlockBlobClient(name).Upload(ctx, streaming.NopCloser(bytes.NewReader(data)), &blockblob.UploadOptions{
			Metadata: pointers, AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: conditions},
		})
		if bloberror.HasCode(err, bloberror.ConditionNotMet, bloberror.BlobAlreadyExists, bloberror.BlobNotFound) {
			return errRaced
		}
		r = recordOf(nil, got.ETag, got.LastModified)
		return err
	})
	return r, err
}

func atMost(from io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, MaxSnapshot+1))
	if err == nil && len(data) > MaxSnapshot {
		err = fault.Reject("load snapshot", "", "it has more than %d bytes", MaxSnapshot)
	}
	return data, err
}

func checkSnapshot(partition string, data []byte) error {
	switch {
	case !validPartition(partition):
		return invalidPartition("save snapshot beside the", partition)
	case len(data) > MaxSnapshot:
		return fault.Reject("save snapshot", "", "%d bytes are more than %d", len(data), MaxSnapshot)
	}
	return nil
}

func closedIf(closed bool) error {
	if closed {
		return ErrClosed
	}
	return nil
}
