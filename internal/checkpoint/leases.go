package checkpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"azx/internal/delivery"
)

// The older EventProcessorHost keeps one blob for each partition, "<consumer group>/<partition>", whose content is a JSON
// object with, among others, partitionId, offset and sequenceNumber; the Java library begins the names in lower case and
// the .NET library in upper case (read: AzureBlobLease of both). An offset that is missing or "-1" is none.

// maxLeases bounds what is looked at in a folder of lease blobs: a hub has 32 partitions at most.
const maxLeases = 10_000

const hintLease = "is it the blob of a lease? take it out of the folder"

// lease is such an object. Its members are found in any case.
type lease struct {
	PartitionID    string `json:"partitionId"`
	Offset         string `json:"offset"`
	SequenceNumber int64  `json:"sequenceNumber"`
}

// ReadLeases reads the lease blobs of an EventProcessorHost, each downloaded to a file, at or below a folder, or one file. If
// group is not "", only those in a folder of that name are taken, where there is one. It returns the checkpoints by
// partition, and the names of files that are none. Partitions without a position yet are left out.
func ReadLeases(path, group string) (found map[string]delivery.Checkpoint, others []string, err error) {
	files, err := leaseFiles(path)
	if err != nil {
		return nil, nil, err
	}
	return readLeases(ofGroup(files, group), readFile)
}

// ReadLeaseBlobs is ReadLeases for the container itself.
func ReadLeaseBlobs(ctx context.Context, c Container, group string) (found map[string]delivery.Checkpoint, others []string, err error) {
	calls, err := openBlobs(c)
	if err != nil {
		return nil, nil, err
	}
	defer calls.close()
	all, _, err := calls.list(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if validPartition(path.Base(name)) {
			names = append(names, name)
		}
	}
	return readLeases(ofGroup(names, group), func(name string) ([]byte, error) { return calls.content(ctx, name) })
}

func readLeases(names []string, read func(name string) ([]byte, error)) (found map[string]delivery.Checkpoint, others []string, err error) {
	found = map[string]delivery.Checkpoint{}
	from := map[string]string{}
	for _, name := range names {
		data, err := read(name)
		if err != nil {
			return nil, nil, err
		}
		l, ok, err := parseLease(name, data)
		switch {
		case err != nil:
			return nil, nil, err
		case !ok:
			others = append(others, name)
			continue
		case l.Offset == "" || l.Offset == "-1":
			continue
		case from[l.PartitionID] != "":
			return nil, nil, problem(name, fmt.Errorf("partition %s is also in %s", l.PartitionID, from[l.PartitionID]),
				"name the folder of one consumer group")
		}
		from[l.PartitionID] = name
		found[l.PartitionID] = delivery.Checkpoint{Sequence: l.SequenceNumber, Offset: l.Offset}
	}
	return found, others, nil
}

func leaseFiles(path string) (files []string, err error) {
	err = filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, name)
		}
		if len(files) > maxLeases {
			return fmt.Errorf("more than %d files", maxLeases)
		}
		return err
	})
	if err != nil {
		return nil, problem(path, err, "name the folder into which the container was downloaded")
	}
	return files, nil
}

// ofGroup are the names in a folder of a consumer group; all of them if there is no such folder.
func ofGroup(names []string, group string) []string {
	var in []string
	for _, name := range names {
		if strings.EqualFold(path.Base(path.Dir(filepath.ToSlash(name))), group) {
			in = append(in, name)
		}
	}
	if len(in) > 0 {
		return in
	}
	return names
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, problem(name, err, "")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, problem(name, err, "")
	}
	return data, nil
}

// parseLease reads what a blob holds; ok is false if that is something else.
func parseLease(name string, data []byte) (l lease, ok bool, err error) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if len(data) > maxFile || json.Unmarshal(data, &l) != nil || l.PartitionID == "" {
		return l, false, nil
	}
	if !validPartition(l.PartitionID) {
		return l, false, problem(name, fmt.Errorf("%q is no partition id", l.PartitionID), hintLease)
	}
	if l.SequenceNumber < 0 {
		return l, false, problem(name, errors.New("its sequence number is below 0"), hintLease)
	}
	return l, true, nil
}
