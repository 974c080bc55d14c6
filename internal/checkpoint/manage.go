package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"azx/internal/delivery"
)

// What a person may do with the folder of a File, and what may be looked at while a connector has it.

// Stored is what a folder has of one identity.
type Stored struct {
	Identity string                         // "endpoint/eventHub/group", as Identity.String
	Current  bool                           // the folder was last opened with it
	At       map[string]delivery.Checkpoint // by partition
}

// Read returns what a folder has, without taking it: what a connector saves meanwhile may or may not be among it. The
// identity is the one that it was last opened with, zero if it never was. Errors are fault.Problems of class Fatal.
func Read(dir string) (Identity, []Stored, error) {
	current, _, err := readIdentity(dir)
	if err != nil {
		return current, nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return current, nil, nil
	}
	if err != nil {
		return current, nil, problem(dir, err, "is checkpoint.file the right folder?")
	}
	var all []Stored
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		stored, err := readStored(filepath.Join(dir, e.Name()))
		if err != nil {
			return current, nil, err
		}
		if len(stored.At) > 0 {
			stored.Current = stored.Identity == current.String()
			all = append(all, stored)
		}
	}
	slices.SortFunc(all, func(a, b Stored) int { return strings.Compare(a.Identity, b.Identity) })
	return current, all, nil
}

func readStored(dir string) (Stored, error) {
	s := Stored{At: map[string]delivery.Checkpoint{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return s, problem(dir, err, "")
	}
	for _, e := range entries {
		partition, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || !e.Type().IsRegular() || !validPartition(partition) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		var d document
		if err := readJSON(path, &d); err != nil {
			return s, problem(path, err, "move the file away to begin that partition as the setting start says")
		}
		s.Identity, s.At[partition] = d.Identity, d.Checkpoint
	}
	return s, nil
}

// ParseIdentity reads "endpoint/eventHub/group", as Identity.String writes it.
func ParseIdentity(text string) (Identity, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 || slices.Contains(parts, "") {
		return Identity{}, fmt.Errorf("%q is not ENDPOINT/EVENT-HUB/GROUP", text)
	}
	return Identity{Endpoint: parts[0], EventHub: parts[1], Group: parts[2]}, nil
}

// SameLog reports whether both name the same event hub, so that positions of one are places in the other.
func (i Identity) SameLog(other Identity) bool {
	return strings.EqualFold(i.Endpoint, other.Endpoint) && strings.EqualFold(i.EventHub, other.EventHub)
}

// Set puts a partition's checkpoint where a person wants it, also back: what lies between is read again, or left out.
func (f *File) Set(partition string, at delivery.Checkpoint) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	if err := check("set", partition, at); err != nil {
		return err
	}
	data, err := json.Marshal(document{f.identity.String(), partition, at})
	if err == nil {
		err = f.replace(filepath.Join(f.dir, partition+suffix), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("set checkpoint: %w", err)
	}
	f.at[partition] = at
	return nil
}

// Clear removes a partition's checkpoint, and what is known of its devices as of there: it begins as the setting start says,
// as one that was never read. It reports whether there was anything. The checkpoint goes last, so that clearing can be repeated.
func (f *File) Clear(partition string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return false, ErrClosed
	case !validPartition(partition):
		return false, invalidPartition("clear", partition)
	}
	was := false
	for _, of := range []string{snapshotSuffix, suffix} {
		err := os.Remove(filepath.Join(f.dir, partition+of))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return was, fmt.Errorf("clear checkpoint: %w", err)
		}
		was = was || err == nil
	}
	delete(f.at, partition)
	return was, nil
}

// All returns the checkpoints by partition.
func (f *File) All() map[string]delivery.Checkpoint {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]delivery.Checkpoint, len(f.at))
	for partition, at := range f.at {
		all[partition] = at
	}
	return all
}
