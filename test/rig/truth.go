package rig

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"azx/test/process"
)

// tally is what connectors say of the messages of the rig's hub.
type tally struct {
	delivered, quarantined, skipped, withdrawn float64 // messages, by how they ended
	replayed                                   float64 // messages of the quarantine that were written
	retries                                    float64 // requests that were sent again
}

// plus adds two up.
func (t tally) plus(o tally) tally {
	return tally{t.delivered + o.delivered, t.quarantined + o.quarantined, t.skipped + o.skipped, t.withdrawn + o.withdrawn,
		t.replayed + o.replayed, t.retries + o.retries}
}

// tell asks the process that runs, and does nothing if it cannot be asked: what it said before is still the least.
func (c *Connector) tell() {
	if c.Child == nil || c.Ended() || !strings.Contains(c.Stdout(), "ready: ") { // before, admin.json is its predecessor's
		return
	}
	m, err := c.Metrics()
	if err != nil {
		return
	}
	settled := func(result string) float64 {
		return m.Sum("azx_messages_settled_total", `hub="`+HubThing+`"`, `result="`+result+`"`)
	}
	c.told = tally{
		delivered: settled("delivered"), quarantined: settled("quarantined"), skipped: settled("skipped"), withdrawn: settled("withdrawn"),
		replayed: m.Sum("azx_quarantine_replayed_total", `result="delivered"`), retries: m.Sum("azx_platform_retries_total"),
	}
}

// facts are what the account knows of the same.
type facts struct {
	accepted int // by the hub
	writes   int // that the platform took, repeats among them
	again    int // writes and records of messages that had been written, or put aside, before
	records  int // that were put into a quarantine
	skips    bool
}

// facts counts them.
func (r *Rig) facts() (facts, error) {
	records, distinct, err := recordsOf(r.quarantines())
	a := r.account
	again := a.repeats() + records - distinct
	a.mu.Lock()
	defer a.mu.Unlock()
	return facts{accepted: len(a.events), writes: len(a.written), again: again, records: records, skips: a.skips != nil}, err
}

// recordsOf counts the records that were put into quarantines, and the messages that they are of.
func recordsOf(dirs []string) (records, distinct int, err error) {
	messages := map[place]bool{}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "dead", "*.jsonl"))
		if err != nil {
			return 0, 0, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return 0, 0, err
			}
			for line := range strings.Lines(string(text)) {
				var r struct {
					Partition string
					Sequence  int64
				}
				if json.Unmarshal([]byte(line), &r) == nil && r.Partition != "" {
					records++
					messages[place{"", r.Partition, r.Sequence}] = true
				}
			}
		}
	}
	return records, len(messages), nil
}

// sumsFit is I9 for all connectors together. Where one has ended its last counts are not known, only that they were no less;
// whole says that none has.
func sumsFit(f facts, all tally, whole bool) error {
	const rule = "I9 truth: all connectors together have "
	if all.delivered > float64(f.writes) {
		return fmt.Errorf(rule+"%v delivered, the platform took %d", all.delivered, f.writes)
	}
	if !whole {
		return nil
	}
	ended := all.delivered + all.quarantined + all.skipped
	switch {
	case ended < float64(f.accepted) || ended > float64(f.accepted+f.again):
		return fmt.Errorf(rule+"%v messages that ended, the hub has %d, and %d were written or put aside again", ended, f.accepted, f.again)
	case !f.skips && all.replayed == 0 && all.quarantined != float64(f.records):
		return fmt.Errorf(rule+"%v put aside, the quarantine has %d", all.quarantined, f.records)
	case all.retries == 0 && float64(f.writes) > all.delivered+all.replayed+all.withdrawn:
		// Each write was answered, and nobody had to send one again; what was withdrawn may have been written.
		return fmt.Errorf(rule+"%v delivered, %v replayed and %v withdrawn, the platform took %d", all.delivered, all.replayed, all.withdrawn, f.writes)
	}
	return nil
}

// sums checks I9 for all connectors together.
func (r *Rig) sums() {
	r.t.Helper()
	whole := !r.failedOver
	for _, c := range r.Connectors {
		whole = whole && c.lives == 1 && !c.Ended()
	}
	check := func() error {
		var all tally
		for _, c := range r.Connectors {
			c.tell()
			all = all.plus(c.before).plus(c.told)
		}
		if err := r.Collect(); err != nil {
			return err
		}
		f, err := r.facts()
		if err != nil {
			return err
		}
		return sumsFit(f, all, whole)
	}
	if whole {
		process.Eventually(r.t, truthWithin, "the counts of all connectors are those of the ledger", check)
	} else if err := check(); err != nil {
		r.t.Error(err)
	}
}
