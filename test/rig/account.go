package rig

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"azx/test/process"
)

// Event is a message that the hub accepted, as a reader that is none of ours sees it.
type Event struct {
	Log       string // endpoint and event hub, as in Checkpoint
	Partition string
	Sequence  int64
	Device    string
	Number    int   // the n of its body; -1 if it has none
	Created   int64 // by the device: milliseconds since 1970
}

func (e Event) String() string {
	return fmt.Sprintf("sequence %d of partition %s (message %d of %s)", e.Sequence, e.Partition, e.Number, e.Device)
}

// Written is a message that the platform acknowledged.
type Written struct {
	Index    uint64 // of the platform's ledger: the values of one request have numbers without a gap
	Thing    string
	Number   int
	Time     int64 // of the value: milliseconds since 1970
	Received int64 // when the platform took it
}

// Checkpoint is one write of a checkpoint.
type Checkpoint struct {
	Connector string
	Partition string
	Sequence  int64
	Log       string    // endpoint and event hub that the sequence belongs to, in lower case
	At        time.Time // when its content was written, by the file system, or the write was seen: it was decided before
	Refused   bool      // the container refused it
	Gone      bool      // not a write: all checkpoints were taken away
	Unleased  bool      // the connector had not renewed its lease in time
}

// place is a message's in the hub's log.
type place struct {
	log, partition string
	sequence       int64
}

// numbered names a message by its device.
type numbered struct {
	device string
	number int
}

// account is the ledger of a case: what the hub accepted, what became of it, and every checkpoint. All of it has the
// time of one clock, so that the order of things can be judged afterwards.
type account struct {
	// skips tells which messages a rule leaves out; nil: none.
	skips func(Event) bool
	late  int // requests that may be applied late: the promise allows one for each lane after a time-out
	// underWay is how many requests a connector has under way at most; 0: not known, and one for each Thing is let pass.
	underWay int

	mu          sync.Mutex
	sent        map[numbered]bool // the hub acknowledged them to the device
	events      []Event
	heads       map[string]int64 // last sequence read, by log and partition
	written     []Written
	checkpoints []Checkpoint
	takings     []taking
	eras        int           // how often the hub's log was put back to what it was before
	taken       map[place]int // how often a partition went from one connector to another that was not given up
}

func newAccount() *account {
	return &account{sent: map[numbered]bool{}, heads: map[string]int64{}, taken: map[place]int{}}
}

func (a *account) note(device string, number int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent[numbered{device, number}] = true
}

func (a *account) read(e Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, e)
}

func (a *account) saved(c Checkpoint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.Log = a.era(c.Log)
	a.checkpoints = append(a.checkpoints, c)
}

// era tells a log from what it was before it was put back: numbers are given again. The caller has mu.
func (a *account) era(log string) string {
	if a.eras == 0 {
		return log
	}
	return fmt.Sprintf("%s#%d", log, a.eras)
}

// took notes that a partition went to another connector, and whether the one that had it had not given it up.
func (a *account) took(connector string, in place, at time.Time, held bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	in.log = a.era(in.log)
	a.takings = append(a.takings, taking{connector, in, at, len(a.checkpoints)})
	if held {
		a.taken[in]++
	}
}

// starts notes that a connector starts: it looks at all checkpoints.
func (a *account) starts(connector string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.takings = append(a.takings, taking{connector: connector, at: time.Now(), after: len(a.checkpoints)})
}

// add takes entries of the platform's ledger.
func (a *account) add(entries []process.Entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range entries {
		var n int
		if e.Property == "n" && json.Unmarshal(e.Value, &n) == nil {
			a.written = append(a.written, Written{e.Index, e.Thing, n, e.Time, e.Received})
		}
	}
}

// counts are the messages that devices sent, that the hub has, and that the platform took, each once.
func (a *account) counts() (sent, accepted, written int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	once := map[numbered]bool{}
	for _, w := range a.written {
		once[numbered{w.Thing, w.Number}] = true
	}
	return len(a.sent), len(a.events), len(once)
}

// dead are the messages in quarantine, and since when, in milliseconds since 1970.
func dead(dirs []string) (map[place]int64, error) {
	found := map[place]int64{}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "dead", "*.jsonl"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			for line := range strings.Lines(string(text)) {
				var r struct {
					Time      time.Time
					Partition string
					Sequence  int64
				}
				if !strings.HasSuffix(line, "\n") {
					continue // being written
				}
				if err := json.Unmarshal([]byte(line), &r); err != nil {
					return nil, fmt.Errorf("%s: %w: %s", file, err, line)
				}
				at := place{"", r.Partition, r.Sequence}
				if _, known := found[at]; !known {
					found[at] = r.Time.UnixMilli()
				}
			}
		}
	}
	return found, nil
}

// Unfinished are the messages of the hub that have not come to their end.
func (a *account) unfinished(dirs []string) (open []Event, err error) {
	dead, err := dead(dirs)
	a.mu.Lock()
	defer a.mu.Unlock()
	ends := a.ends(dead)
	for _, e := range a.events {
		if _, ended := ends[e]; !ended {
			open = append(open, e)
		}
	}
	return open, err
}

// ends tells when each message came to its end; a message that has not is not in it.
func (a *account) ends(dead map[place]int64) map[Event]int64 {
	first := map[numbered]int64{}
	for _, w := range a.written {
		if _, ok := first[numbered{w.Thing, w.Number}]; !ok {
			first[numbered{w.Thing, w.Number}] = w.Received
		}
	}
	ends := make(map[Event]int64, len(a.events))
	for _, e := range a.events {
		if at, ok := first[numbered{e.Device, e.Number}]; ok {
			ends[e] = at
		}
		if at, ok := dead[place{"", e.Partition, e.Sequence}]; ok {
			if other, both := ends[e]; !both || at < other {
				ends[e] = at
			}
		}
		if a.skips != nil && a.skips(e) {
			ends[e] = 0
		}
	}
	return ends
}

// judge checks what an account can tell: I1 to I4 of docs/reliability.md. dirs are the folders of quarantines.
func (a *account) judge(dirs []string) error {
	dead, err := dead(dirs)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	ends := a.ends(dead)
	return errors.Join(a.noLoss(ends), a.checkpointsAreSafe(ends), a.inOrder(), a.repeatsAreOfASuffix())
}

// few joins the first problems of many.
type few struct {
	rule string
	n    int
	errs []error
}

func (f *few) add(format string, args ...any) {
	if f.n++; f.n <= 5 {
		f.errs = append(f.errs, fmt.Errorf(f.rule+": "+format, args...))
	}
}

func (f *few) err() error {
	if f.n > len(f.errs) {
		f.errs = append(f.errs, fmt.Errorf("%s: and %d more", f.rule, f.n-len(f.errs)))
	}
	return errors.Join(f.errs...)
}

// LongestGap is the longest time between two messages that the platform took for the same Thing after a time.
func (r *Rig) LongestGap(after time.Time) (longest time.Duration) {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	last := map[string]int64{}
	for _, w := range a.written {
		if before := last[w.Thing]; before >= after.UnixMilli() {
			longest = max(longest, time.Duration(w.Received-before)*time.Millisecond)
		}
		last[w.Thing] = w.Received
	}
	return longest
}
