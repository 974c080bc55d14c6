package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"azx/internal/checkpoint"
	"azx/internal/config"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/folder"
	"azx/internal/secret"
)

// checkpointHolder is who has the folder while a person changes it.
const checkpointHolder = "azx checkpoint"

// CheckpointFolder is what the folder of checkpoints has.
type CheckpointFolder struct {
	Folder string          `json:"folder"`
	Holder string          `json:"holder,omitempty"` // the process that has it now
	Logs   []CheckpointLog `json:"logs"`
}

// CheckpointLog are the checkpoints in one log.
type CheckpointLog struct {
	Identity   string                `json:"identity"` // endpoint/event hub/consumer group
	Current    bool                  `json:"current"`  // the connector ran with it last
	Partitions []PartitionCheckpoint `json:"partitions"`
}

// PartitionCheckpoint is that of one partition.
type PartitionCheckpoint struct {
	Partition string     `json:"partition"`
	Sequence  int64      `json:"sequence"`
	Offset    string     `json:"offset"`
	Enqueued  *time.Time `json:"enqueued,omitempty"` // when the hub took the message; nil if that is not known
}

// ShowCheckpoints reads the folder, also while a connector has it.
func ShowCheckpoints(cfg *config.Config) (CheckpointFolder, error) {
	shown := CheckpointFolder{Folder: cfg.Checkpoint.File, Logs: []CheckpointLog{}}
	_, all, err := checkpoint.Read(cfg.Checkpoint.File)
	if err != nil {
		return shown, err
	}
	if shown.Holder, err = folder.Holder(cfg.Checkpoint.File); err != nil {
		return shown, fmt.Errorf("look who has %s: %w", cfg.Checkpoint.File, err)
	}
	for _, stored := range all {
		shown.Logs = append(shown.Logs, CheckpointLog{stored.Identity, stored.Current, partitionCheckpoints(stored.At)})
	}
	return shown, nil
}

func partitionCheckpoints(all map[string]delivery.Checkpoint) []PartitionCheckpoint {
	shown := []PartitionCheckpoint{}
	for _, p := range slices.SortedFunc(maps.Keys(all), byNumber) {
		one := PartitionCheckpoint{Partition: p, Sequence: all[p].Sequence, Offset: all[p].Offset}
		if at := all[p].Enqueued; !at.IsZero() {
			one.Enqueued = &at
		}
		shown = append(shown, one)
	}
	return shown
}

// byNumber sorts partition ids.
func byNumber(a, b string) int {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	if errX != nil || errY != nil {
		return strings.Compare(a, b)
	}
	return cmp.Compare(x, y)
}

// SetCheckpoint puts the checkpoint of a partition anywhere. identity is "" for the current log; the one that it was is
// returned.
func SetCheckpoint(cfg *config.Config, identity string, to PartitionCheckpoint) (log string, err error) {
	id, err := storedIdentity(cfg, identity)
	if err != nil {
		return "", err
	}
	return id.String(), change(cfg, id, func(f *checkpoint.File) error {
		if err := f.Set(to.Partition, delivery.Checkpoint{Sequence: to.Sequence, Offset: to.Offset}); err != nil {
			return &fault.Problem{Op: "set a checkpoint", Class: fault.Fatal, Cause: err}
		}
		return nil
	})
}

// ClearCheckpoint takes the checkpoint of a partition away. identity is as for SetCheckpoint.
func ClearCheckpoint(cfg *config.Config, identity, partition string) (log string, err error) {
	id, err := storedIdentity(cfg, identity)
	if err != nil {
		return "", err
	}
	return id.String(), change(cfg, id, func(f *checkpoint.File) error {
		was, err := f.Clear(partition)
		if err == nil && !was {
			err = fault.Reject("clear a checkpoint", "azx checkpoint show", "partition %s of %s has none", partition, id)
		}
		return err
	})
}

// CopyCheckpoints takes the positions of one log over to another. Unless force is set, both have to be the same event hub
// read by different consumer groups, and the target may have none yet.
func CopyCheckpoints(cfg *config.Config, from, to string, force bool) ([]PartitionCheckpoint, error) {
	const op = "copy checkpoints"
	source, err := checkpoint.ParseIdentity(from)
	if err != nil {
		return nil, &fault.Problem{Op: op, Class: fault.Rejected, Cause: err, Hint: "azx checkpoint show lists what there is"}
	}
	target, err := checkpoint.ParseIdentity(to)
	if err != nil {
		return nil, &fault.Problem{Op: op, Class: fault.Rejected, Cause: err}
	}
	if !source.SameLog(target) && !force {
		return nil, fault.Reject(op, "start with --start TIME instead; --force copies all the same",
			"%s and %s are not the same event hub: positions of one mean nothing in the other", source, target)
	}
	_, all, err := checkpoint.Read(cfg.Checkpoint.File)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(all, func(s checkpoint.Stored) bool { return s.Identity == source.String() })
	if at < 0 {
		return nil, fault.Reject(op, "azx checkpoint show lists what there is", "there are no checkpoints of %s", source)
	}
	return put(cfg, op, target, all[at].At, force)
}

// ImportedCheckpoints is what ImportCheckpoints did.
type ImportedCheckpoints struct {
	Identity   string                `json:"identity"`
	Partitions []PartitionCheckpoint `json:"partitions"`
	Ignored    []string              `json:"ignored,omitempty"` // files that are no leases
}

// LeaseSource is where the lease blobs of an EventProcessorHost are: in a folder, to which they were downloaded, or in
// their container.
type LeaseSource struct {
	Folder      string // or a file; "" for a container
	Container   string
	AccountFile string // has the storage account's connection string, or its URL with a shared access signature
}

// read returns the positions, and the names of what is no lease.
func (s LeaseSource) read(ctx context.Context, cfg *config.Config, group string) (map[string]delivery.Checkpoint, []string, error) {
	if s.Folder != "" {
		return checkpoint.ReadLeases(s.Folder, group)
	}
	dialer, err := openDialer(cfg)
	if err != nil {
		return nil, nil, err
	}
	container, err := containerIn(s.Container, s.AccountFile)
	if err != nil {
		return nil, nil, err
	}
	container.Dial = dialer.DialContext
	return checkpoint.ReadLeaseBlobs(ctx, container, group)
}

// containerIn names a container of the account of which a file has the connection string or the URL.
func containerIn(name, accountFile string) (checkpoint.Container, error) {
	account, text, err := readSource(accountFile)
	switch {
	case err != nil:
		return checkpoint.Container{}, &fault.Problem{Op: "read " + accountFile, Class: fault.Fatal, Cause: err,
			Hint: "it has the storage account's connection string, or its URL with a shared access signature"}
	case strings.HasPrefix(text, "http"):
		return checkpoint.Container{Name: name, URL: account}, nil
	}
	return checkpoint.Container{Name: name, ConnectionString: account}, nil
}

// readSource makes a source of a file, and reads it.
func readSource(file string) (source secret.Source, text string, err error) {
	if file, err = filepath.Abs(file); err != nil {
		return source, "", err
	}
	if source, err = secret.Parse("${file:"+file+"}", ""); err != nil {
		return source, "", err
	}
	text, err = source.Value()
	return source, text, err
}

// String names the source for people.
func (s LeaseSource) String() string {
	if s.Folder != "" {
		return filepath.Clean(s.Folder)
	}
	return "container " + s.Container
}

// ImportCheckpoints takes over what an EventProcessorHost of the older layout left behind: its lease blobs. identity is ""
// for that of the file's hub, which is asked for it if the folder of checkpoints does not know.
func ImportCheckpoints(ctx context.Context, cfg *config.Config, from LeaseSource, identity string, force bool) (ImportedCheckpoints, error) {
	const op = "import checkpoints"
	id, err := identityFor(ctx, cfg, identity)
	if err != nil {
		return ImportedCheckpoints{}, err
	}
	done := ImportedCheckpoints{Identity: id.String()}
	leases, ignored, err := from.read(ctx, cfg, id.Group)
	if err != nil {
		return done, err
	}
	done.Ignored = ignored
	if len(leases) == 0 {
		return done, fault.Reject(op, "download the container of the other connector into a folder, one file for each blob, "+
			"such as GROUP/0; or name it with --container", "there is no lease with a position in %s", from)
	}
	done.Partitions, err = put(cfg, op, id, leases, force)
	return done, err
}

// put stores checkpoints of one log. Those that are there stay, unless force is set.
func put(cfg *config.Config, op string, id checkpoint.Identity, all map[string]delivery.Checkpoint, force bool) ([]PartitionCheckpoint, error) {
	return partitionCheckpoints(all), change(cfg, id, func(f *checkpoint.File) error {
		if there := f.All(); len(there) > 0 && !force {
			return fault.Reject(op, "--force replaces them", "%s has checkpoints of %d partitions already", id, len(there))
		}
		for partition, at := range all {
			if err := f.Set(partition, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// change opens the folder for a log, changes it and gives it back.
func change(cfg *config.Config, id checkpoint.Identity, change func(*checkpoint.File) error) error {
	f, err := checkpoint.OpenFile(cfg.Checkpoint.File, id, checkpointHolder, checkpoint.AllowNewIdentity())
	if err != nil {
		return err
	}
	return errors.Join(change(f), f.Close())
}

// storedIdentity is the identity in a text, or that which the folder was last opened with.
func storedIdentity(cfg *config.Config, text string) (checkpoint.Identity, error) {
	current, _, err := checkpoint.Read(cfg.Checkpoint.File)
	if err != nil || text == "" {
		if err == nil && current.Group == "" {
			err = fault.Reject("find the checkpoints", "name them with --log, as azx checkpoint show does", "no connector has used %s yet", cfg.Checkpoint.File)
		}
		return current, err
	}
	id, err := checkpoint.ParseIdentity(text)
	if err != nil {
		return id, &fault.Problem{Op: "find the checkpoints", Class: fault.Rejected, Cause: err, Hint: "azx checkpoint show lists what there is"}
	}
	id.Hub = current.Hub
	return id, nil
}

// identityFor is the identity that the connector would run with.
func identityFor(ctx context.Context, cfg *config.Config, text string) (checkpoint.Identity, error) {
	if text != "" {
		return storedIdentity(cfg, text)
	}
	h := &cfg.Hubs[0]
	current, _, err := checkpoint.Read(cfg.Checkpoint.File)
	if err != nil || strings.EqualFold(current.Group, h.ConsumerGroup) {
		return current, err
	}
	if err := checkHub(h, "or name the log with --log ENDPOINT/EVENT-HUB/GROUP"); err != nil {
		return current, err
	}
	out, err := openOutsideNow(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return current, err
	}
	network, err := openNetwork(h, out.dialer, slog.New(slog.DiscardHandler))
	if err != nil {
		return current, err
	}
	endpoint, service, err := resolve(ctx, newKeys(h), network)
	return identity(service, endpoint, h.ConsumerGroup), err
}
