package app

import (
	"cmp"
	"context"
	"fmt"
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
	Hub        string                `json:"hub,omitempty"` // the hub Thing, if the file has several
	Identity   string                `json:"identity"`      // endpoint/event hub/consumer group
	Current    bool                  `json:"current"`       // the connector ran with it last
	Partitions []PartitionCheckpoint `json:"partitions"`
}

// PartitionCheckpoint is that of one partition.
type PartitionCheckpoint struct {
	Partition string     `json:"partition"`
	Sequence  int64      `json:"sequence"`
	Offset    string     `json:"offset"`
	Enqueued  *time.Time `json:"enqueued,omitempty"` // when the hub took the message; nil if that is not known
}

// ShowCheckpoints reads the folder, also while a connector has it. hubThing is "" for all hubs of the file.
func ShowCheckpoints(ctx context.Context, cfg *config.Config, hubThing string) (CheckpointFolder, error) {
	shown := CheckpointFolder{Folder: placeOfCheckpoints(cfg), Logs: []CheckpointLog{}}
	if hubThing != "" {
		if _, err := findHub(cfg, "the file", hubThing); err != nil {
			return shown, err
		}
	}
	old := false // what was stored when there was one hub
	for i := range cfg.Hubs {
		thing := cfg.Hubs[i].Thing
		if hubThing != "" && hubThing != thing {
			continue
		}
		if cfg.Checkpoint.Blob.IsSet() {
			_, all, err := readCheckpoints(ctx, cfg, thing)
			if err != nil {
				return shown, err
			}
			shown.show(all, thing, len(cfg.Hubs) > 1)
			continue
		}
		if !hasFolder(cfg, thing) {
			old = true
			continue
		}
		if err := shown.add(checkpointFolder(cfg, thing), thing, len(cfg.Hubs) > 1); err != nil {
			return shown, err
		}
	}
	if old && len(cfg.Hubs) > 1 {
		if err := shown.add(cfg.Checkpoint.File, "", false); err != nil {
			return shown, err
		}
	}
	if cfg.Checkpoint.Blob.IsSet() {
		return shown, nil
	}
	var err error
	shown.Holder, err = checkpointHolders(cfg)
	return shown, err
}

// add reads the folder of a hub, which is named if there are several.
func (f *CheckpointFolder) add(dir, hubThing string, named bool) error {
	_, all, err := checkpoint.Read(dir)
	f.show(all, hubThing, named)
	return err
}

// show adds the logs of a hub: of several hubs, that share a container, those that they run with.
func (f *CheckpointFolder) show(all []checkpoint.Stored, hubThing string, named bool) {
	for _, stored := range all {
		if !named {
			hubThing = ""
		}
		f.Logs = append(f.Logs, CheckpointLog{hubThing, stored.Identity, stored.Current, partitionCheckpoints(stored.At)})
	}
}

// checkpointHolders is who has the folder of a hub now; "" if nobody has.
func checkpointHolders(cfg *config.Config) (string, error) {
	for i := range cfg.Hubs {
		dir := checkpointFolder(cfg, cfg.Hubs[i].Thing)
		holder, err := folder.Holder(dir)
		if err != nil {
			return "", fmt.Errorf("look who has %s: %w", dir, err)
		}
		if holder != "" {
			return holder, nil
		}
	}
	return "", nil
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

// CheckpointsOf says which checkpoints a person means.
type CheckpointsOf struct {
	Config *config.Config
	Hub    string // a hub Thing of the file; "" for the only one
	Log    string // endpoint/event hub/consumer group; "" for the current one
}

// SetCheckpoint puts the checkpoint of a partition anywhere. It returns the log.
func SetCheckpoint(ctx context.Context, of CheckpointsOf, to PartitionCheckpoint) (log string, err error) {
	f, id, err := of.stored(ctx)
	if err != nil {
		return "", err
	}
	return id.String(), f.change(ctx, id, func(f kept) error {
		if err := f.Set(ctx, to.Partition, delivery.Checkpoint{Sequence: to.Sequence, Offset: to.Offset}); err != nil {
			return &fault.Problem{Op: "set a checkpoint", Class: fault.Fatal, Cause: err}
		}
		return nil
	})
}

// ClearCheckpoint takes the checkpoint of a partition away. It returns the log.
func ClearCheckpoint(ctx context.Context, of CheckpointsOf, partition string) (log string, err error) {
	f, id, err := of.stored(ctx)
	if err != nil {
		return "", err
	}
	return id.String(), f.change(ctx, id, func(f kept) error {
		was, err := f.Clear(ctx, partition)
		if err == nil && !was {
			err = fault.Reject("clear a checkpoint", "azx checkpoint show", "partition %s of %s has none", partition, id)
		}
		return err
	})
}

// CopyCheckpoints takes the positions of one log over to that of the target. Unless force is set, both have to be the same
// event hub read by different consumer groups, and the target may have none yet.
func CopyCheckpoints(ctx context.Context, from string, to CheckpointsOf, force bool) ([]PartitionCheckpoint, error) {
	const op = "copy checkpoints"
	f, err := to.find()
	if err != nil {
		return nil, err
	}
	source, err := checkpoint.ParseIdentity(from)
	if err != nil {
		return nil, &fault.Problem{Op: op, Class: fault.Rejected, Cause: err, Hint: "azx checkpoint show lists what there is"}
	}
	target, err := checkpoint.ParseIdentity(to.Log)
	if err != nil {
		return nil, &fault.Problem{Op: op, Class: fault.Rejected, Cause: err}
	}
	if !source.SameLog(target) && !force {
		return nil, fault.Reject(op, "start with --start TIME instead; --force copies all the same",
			"%s and %s are not the same event hub: positions of one mean nothing in the other", source, target)
	}
	_, all, err := readCheckpoints(ctx, f.cfg, f.hub.Thing)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(all, func(s checkpoint.Stored) bool { return s.Identity == source.String() })
	if at < 0 {
		return nil, fault.Reject(op, "azx checkpoint show lists what there is", "there are no checkpoints of %s", source)
	}
	return f.put(ctx, op, target, all[at].At, force)
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

// ImportCheckpoints takes over what an EventProcessorHost of the older layout left behind: its lease blobs. Without a log it
// is that of the file's hub, which is asked for it if the folder of checkpoints does not know.
func ImportCheckpoints(ctx context.Context, of CheckpointsOf, from LeaseSource, force bool) (ImportedCheckpoints, error) {
	const op = "import checkpoints"
	f, id, err := of.used(ctx)
	if err != nil {
		return ImportedCheckpoints{}, err
	}
	done := ImportedCheckpoints{Identity: id.String()}
	leases, ignored, err := from.read(ctx, of.Config, id.Group)
	if err != nil {
		return done, err
	}
	done.Ignored = ignored
	if len(leases) == 0 {
		return done, fault.Reject(op, "download the container of the other connector into a folder, one file for each blob, "+
			"such as GROUP/0; or name it with --container", "there is no lease with a position in %s", from)
	}
	done.Partitions, err = f.put(ctx, op, id, leases, force)
	return done, err
}
