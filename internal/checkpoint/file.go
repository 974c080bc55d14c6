package checkpoint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/folder"
)

const (
	identityName = "identity.json"
	suffix       = ".json"
	maxFile      = 16 << 10 // bytes; a checkpoint is about 200
)

// File is a Store in a folder of one node:
//
//	lock                 held while a process uses the folder; names that process
//	identity.json        the identity the folder was last opened with
//	<hash of identity>/  one file a partition, "0.json"; beside it "0.presence", what is known of its devices
//
// A file a partition, because each is then written whole by a rename: a crash leaves the old or the
// new one, and a damaged one concerns nobody else. A save costs one small write and two syncs.
//
// Nobody else may use the folder, so who reads a partition is kept in memory.
type File struct {
	owners
	identity Identity
	dir      string // of the identity
	lock     *folder.Lock
	replace  func(path string, data []byte) error // folder.Replace; tests put a failing disk here

	failedOver bool

	mu     sync.Mutex
	at     map[string]delivery.Checkpoint
	closed bool
}

// document is the content of a partition's file.
type document struct {
	Identity  string `json:"identity"`
	Partition string `json:"partition"`
	delivery.Checkpoint
}

// OpenFile takes the folder for this process, making it if need be. Holder is the name by which a
// second process is told who has it (the connector's). Errors are fault.Problems of class Fatal:
// the folder is held by another process, was last used with another identity and has no checkpoint of
// this one, or has a file that is no checkpoint.
func OpenFile(dir string, identity Identity, holder string, opts ...Option) (*File, error) {
	lock, err := folder.Take(dir, holder)
	switch {
	case errors.Is(err, folder.ErrInUse):
		return nil, problem(dir, err, "stop that process, or give this one its own folder")
	case err != nil:
		return nil, problem(dir, err, "the folder of checkpoint.file must be writable")
	}
	f := &File{
		identity: identity,
		dir:      filepath.Join(dir, folderOf(identity)),
		lock:     lock,
		replace:  folder.Replace,
		at:       map[string]delivery.Checkpoint{},
	}
	if err := f.open(dir, optionsOf(opts)); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return f, nil
}

func (f *File) open(root string, o options) error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return problem(root, err, "the folder of checkpoint.file must be writable")
	}
	if err := f.loadAll(); err != nil {
		return err
	}
	recorded, ok, err := readIdentity(root)
	if err != nil {
		return err
	}
	if ok && !recorded.equal(f.identity) && len(f.at) == 0 {
		var may bool
		if may, f.failedOver = o.admits(recorded, f.identity); !may {
			return problem(root, otherIdentity(recorded, f.identity), hintOtherIdentity)
		}
	}
	data, err := json.MarshalIndent(f.identity, "", "  ")
	if err != nil {
		return err
	}
	if err := f.replace(filepath.Join(root, identityName), append(data, '\n')); err != nil {
		return problem(root, err, "")
	}
	return nil
}

// FailedOver reports whether the folder was last opened for the log that the hub had before a failover.
func (f *File) FailedOver() bool { return f.failedOver }

// loadAll reads every checkpoint of the identity, so that a damaged one is known at the start and
// not when its partition comes.
func (f *File) loadAll() error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return problem(f.dir, err, "")
	}
	for _, entry := range entries {
		partition, ok := strings.CutSuffix(entry.Name(), suffix)
		if !ok || !entry.Type().IsRegular() {
			continue // a temporary file that a crash left behind, or what is not ours
		}
		path := filepath.Join(f.dir, entry.Name())
		at, err := f.read(path, partition)
		if err != nil {
			return problem(path, err, "move the file away to begin that partition as the setting start says")
		}
		f.at[partition] = at
	}
	return nil
}

func (f *File) read(path, partition string) (delivery.Checkpoint, error) {
	var d document
	if err := readJSON(path, &d); err != nil {
		return delivery.Checkpoint{}, err
	}
	switch {
	case d.Identity != f.identity.String():
		return delivery.Checkpoint{}, fmt.Errorf("it is a checkpoint of %q, not of %s", d.Identity, f.identity)
	case d.Partition != partition:
		return delivery.Checkpoint{}, fmt.Errorf("it is the checkpoint of partition %q", d.Partition)
	case d.Offset == "":
		return delivery.Checkpoint{}, errors.New("it has no offset")
	}
	return d.Checkpoint, nil
}

// Load is Store's. It answers from memory: nobody else writes the folder.
func (f *File) Load(ctx context.Context, partition string) (delivery.Checkpoint, bool, error) {
	if err := ctx.Err(); err != nil {
		return delivery.Checkpoint{}, false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	at, ok := f.at[partition]
	return at, ok, nil
}

// Save is Store's.
func (f *File) Save(ctx context.Context, partition string, at delivery.Checkpoint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	if err := check("save", partition, at); err != nil {
		return err
	}
	old, had := f.at[partition]
	switch {
	case had && at.Sequence < old.Sequence:
		return behind(partition, old, at)
	case had && at.Sequence == old.Sequence:
		return nil
	}
	data, err := json.Marshal(document{f.identity.String(), partition, at})
	if err != nil {
		return fmt.Errorf("save checkpoint: %w", err)
	}
	if err := f.replace(filepath.Join(f.dir, partition+suffix), append(data, '\n')); err != nil {
		return &fault.Problem{Op: "save checkpoint", Class: fault.Transient, Cause: err,
			Hint: "is the disk of checkpoint.file full or read-only?"}
	}
	f.at[partition] = at
	return nil
}

// Replace is Store's.
func (f *File) Replace(ctx context.Context, partition string, at delivery.Checkpoint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.Set(partition, at)
}

// Close is Store's: the folder is free for another process afterwards.
func (f *File) Close() error {
	f.owners.close()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	return f.lock.Close()
}

// folderOf names the folder of an identity: its own text may be long and has slashes.
func folderOf(i Identity) string {
	sum := sha256.Sum256([]byte(i.String()))
	return hex.EncodeToString(sum[:8])
}

func readIdentity(root string) (Identity, bool, error) {
	path := filepath.Join(root, identityName)
	var i Identity
	err := readJSON(path, &i)
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, false, nil
	}
	if err == nil && !i.complete() {
		err = errors.New("it has no complete identity")
	}
	if err != nil {
		return Identity{}, false, problem(path, err, "is checkpoint.file the right folder?")
	}
	return i, true, nil
}

// readJSON reads a small file that must be one JSON object with known members.
func readJSON(path string, into any) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxFile {
		return fmt.Errorf("it has %d bytes; a file of this folder has less than %d", info.Size(), maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("it is damaged or not a file of azx: %w", err)
	}
	if d.More() {
		return errors.New("it is damaged or not a file of azx: text after the object")
	}
	return nil
}

func problem(path string, cause error, hint string) error {
	return &fault.Problem{Op: "open checkpoints " + path, Class: fault.Fatal, Cause: cause, Hint: hint}
}
