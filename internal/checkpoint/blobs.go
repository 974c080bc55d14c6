package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

const (
	callWithin = 10 * time.Second // one call, its connection included
	maxListed  = 10_000           // blobs that are looked at; a hub has 32 partitions at most
)

// errRaced says that a blob is not as it was when it was read: somebody else wrote or removed it.
var errRaced = errors.New("another process was faster")

// blobs are the calls to a container, each one try. Their errors are fault.Problems that name the blob.
type blobs struct {
	container Container
	transport *http.Transport

	mu   sync.Mutex
	text string // that the client was made of
	made *container.Client
}

// record is a blob without its content.
type record struct {
	metadata map[string]string // names in lower case
	version  string            // its ETag, without quotes: lists leave them out
	modified time.Time
}

func openBlobs(c Container) (*blobs, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	b := &blobs{container: c, transport: c.transport()}
	_, err := b.client()
	return b, err
}

func (b *blobs) close() { b.transport.CloseIdleConnections() }

// client is made anew once the credential has changed.
func (b *blobs) client() (*container.Client, error) {
	text, err := b.container.text()
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.made == nil || text != b.text {
		made, err := b.container.client(text, b.transport)
		if err != nil {
			return nil, err
		}
		b.text, b.made = text, made
	}
	return b.made, nil
}

// call makes one call to the service. name is the blob or the prefix that an error tells of.
func (b *blobs) call(ctx context.Context, verb, name string, call func(context.Context, *container.Client) error) error {
	client, err := b.client()
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	err = call(within, client)
	switch {
	case err == nil, errors.Is(err, errRaced):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return b.problem(verb, name, client, err)
}

// head reads a record; false if there is no such blob in the container.
func (b *blobs) head(ctx context.Context, name string) (r record, found bool, err error) {
	err = b.call(ctx, "read", name, func(ctx context.Context, c *container.Client) error {
		got, err := c.NewBlobClient(name).GetProperties(ctx, nil)
		if bloberror.HasCode(err, bloberror.BlobNotFound) {
			return nil
		}
		if err == nil {
			r, found = recordOf(got.Metadata, got.ETag, got.LastModified), true
		}
		return err
	})
	return r, found, err
}

// put writes the metadata of a blob that is still of a version; "" makes one that is not there yet. errRaced if it is not so.
func (b *blobs) put(ctx context.Context, name string, metadata map[string]string, version string) (r record, err error) {
	pointers := map[string]*string{}
	for key, value := range metadata {
		pointers[key] = &value
	}
	err = b.call(ctx, "write", name, func(ctx context.Context, c *container.Client) (err error) {
		if version == "" {
			r, err = create(ctx, c.NewBlockBlobClient(name), pointers)
		} else {
			r, err = update(ctx, c.NewBlockBlobClient(name), pointers, version)
		}
		if bloberror.HasCode(err, bloberror.ConditionNotMet, bloberror.BlobAlreadyExists, bloberror.BlobNotFound) {
			return errRaced
		}
		r.metadata = metadata
		return err
	})
	return r, err
}

func create(ctx context.Context, c *blockblob.Client, metadata map[string]*string) (record, error) {
	absent := azcore.ETagAny
	got, err := c.Upload(ctx, streaming.NopCloser(bytes.NewReader(nil)), &blockblob.UploadOptions{
		Metadata:         metadata,
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &absent}},
	})
	return recordOf(nil, got.ETag, got.LastModified), err
}

func update(ctx context.Context, c *blockblob.Client, metadata map[string]*string, version string) (record, error) {
	same := azcore.ETag(`"` + version + `"`)
	got, err := c.SetMetadata(ctx, metadata, &blob.SetMetadataOptions{
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: &same}},
	})
	return recordOf(nil, got.ETag, got.LastModified), err
}

// list reads the records below a prefix, by what follows it in their names. now is the service's time when it began to
// answer.
func (b *blobs) list(ctx context.Context, prefix string) (found map[string]record, now time.Time, err error) {
	found = map[string]record{}
	err = b.call(ctx, "list", prefix, func(ctx context.Context, c *container.Client) error {
		pages := c.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix,
			Include: container.ListBlobsInclude{Metadata: true}})
		for pages.More() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			if page.Segment == nil || page.Date == nil {
				return errors.New("the answer is none of a storage account")
			}
			if now.IsZero() {
				now = *page.Date
			}
			for _, item := range page.Segment.BlobItems {
				if item.Name != nil && item.Properties != nil {
					found[strings.TrimPrefix(*item.Name, prefix)] = recordOf(item.Metadata, item.Properties.ETag, item.Properties.LastModified)
				}
			}
			if len(found) > maxListed {
				return fmt.Errorf("there are more than %d blobs", maxListed)
			}
		}
		return nil
	})
	return found, now, err
}

// content reads a blob of at most maxFile bytes; more is cut there.
func (b *blobs) content(ctx context.Context, name string) (data []byte, err error) {
	err = b.call(ctx, "read", name, func(ctx context.Context, c *container.Client) error {
		got, err := c.NewBlobClient(name).DownloadStream(ctx, nil)
		if err != nil {
			return err
		}
		defer got.Body.Close()
		data, err = io.ReadAll(io.LimitReader(got.Body, maxFile+1))
		return err
	})
	return data, err
}

// remove deletes a blob; false if it was not there.
func (b *blobs) remove(ctx context.Context, name string) (was bool, err error) {
	err = b.call(ctx, "remove", name, func(ctx context.Context, c *container.Client) error {
		_, err := c.NewBlobClient(name).Delete(ctx, nil)
		if was = err == nil; bloberror.HasCode(err, bloberror.BlobNotFound) {
			return nil
		}
		return err
	})
	return was, err
}

func recordOf(metadata map[string]*string, version *azcore.ETag, modified *time.Time) record {
	r := record{metadata: make(map[string]string, len(metadata))}
	for key, value := range metadata {
		if value != nil {
			r.metadata[strings.ToLower(key)] = *value
		}
	}
	if version != nil {
		r.version = strings.Trim(string(*version), `"`)
	}
	if modified != nil {
		r.modified = *modified
	}
	return r
}
