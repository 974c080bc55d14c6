package rig

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"azx/test/process"
)

// memoryBound is what a connector may need, I5; and where it is built with the race detector, which needs as much itself.
const (
	memoryBound    = 256 << 20
	raceBuiltBound = 2 * memoryBound
)

// truthWithin is how long counts may be behind what they count.
const truthWithin = 10 * time.Second

// Verify waits until everything has come to its end, and checks all invariants. Connectors that run are asked for their
// own account, and go on.
func (r *Rig) Verify(within time.Duration) {
	r.t.Helper()
	r.Quiet(within)
	r.Judge()
}

// Judge checks the invariants as things are.
func (r *Rig) Judge() {
	r.t.Helper()
	if err := r.Collect(); err != nil {
		r.t.Error(err)
	}
	if err := r.account.judge(r.quarantines()); err != nil {
		r.t.Error(err)
	}
	for _, c := range r.Connectors {
		c.measure()
		err := errors.Join(c.bounded(), c.leavesNothing(), c.keepsSecrets(r.secrets))
		if c.Child != nil && !c.Ended() {
			c.tellsTheTruth()
		}
		if err != nil {
			r.t.Error(err)
		}
	}
	r.sums()
	sent, accepted, written := r.account.counts()
	// test/results reads this line.
	r.t.Logf("%d sent, %d accepted by the hub, %d written, %d times again; %d checkpoints",
		sent, accepted, written, r.account.repeats(), len(r.account.checkpoints))
}

// bounded is I5.
func (c *Connector) bounded() error {
	bound := int64(memoryBound)
	if c.rig.raceBuilt {
		bound = raceBuiltBound
	}
	if c.peak > bound {
		return fmt.Errorf("I5 memory: %s had %d MiB, the bound is %d MiB", c.Name, c.peak>>20, bound>>20)
	}
	return nil
}

// leavesNothing is I7, as far as it is not an exit code: of an ended process no file but those it is known to have.
func (c *Connector) leavesNothing() error {
	if c.Child == nil || !c.Ended() {
		return nil
	}
	known := regexp.MustCompile(`^(checkpoint/(hubs/[^/]+/)?(lock|identity\.json|[0-9a-f]{16}/[0-9]+\.json)|quarantine/(admin\.json|(dead|kept)/(lock|[0-9]{20}\.jsonl)))$`)
	var odd []error
	root := filepath.Join(c.rig.Dir, c.Name)
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			if name, _ := filepath.Rel(root, path); !known.MatchString(filepath.ToSlash(name)) {
				odd = append(odd, fmt.Errorf("I7 clean: %s left %s behind", c.Name, name))
			}
		}
		return err
	})
	if c.ExitCode() < 0 { // it was killed: what it was replacing may be there, and does not matter
		return err
	}
	return errors.Join(append(odd, err)...)
}

// keepsSecrets is I8.
func (c *Connector) keepsSecrets(secrets []string) error {
	all := c.printed()
	for _, page := range []string{"/metrics", "/status", "/readyz?verbose", "/livez"} {
		if c.Child == nil || c.Ended() {
			break
		}
		_, text, err := c.Page(page)
		if err != nil {
			return err
		}
		all += text
	}
	for _, secret := range secrets {
		quoted, _ := json.Marshal(secret) // of a text
		for _, form := range []string{secret, url.QueryEscape(secret), strings.Trim(string(quoted), `"`)} {
			if strings.Contains(all, form) {
				return fmt.Errorf("I8 secrets: %s tells a key", c.Name)
			}
		}
	}
	return nil
}

// tellsTheTruth is I9, and what of I7 a running process can be asked for: it says that it is ready, its numbers fit to
// those of the account, and it has not more open than when it was ready for the first time.
func (c *Connector) tellsTheTruth() {
	c.rig.t.Helper()
	c.UntilReady(truthWithin)
	process.Eventually(c.rig.t, truthWithin, "I9 truth: "+c.Name+" has the numbers of the ledger", func() error {
		m, err := c.Metrics()
		if err != nil {
			return err
		}
		received, settled := m.Sum("azx_messages_received_total"), m.Sum("azx_messages_settled_total")
		flight := m.Sum("azx_messages_in_flight")
		if received != settled+flight || flight != 0 {
			return fmt.Errorf("%v received, %v settled, %v in flight", received, settled, flight)
		}
		if _, accepted, _ := c.rig.account.counts(); c.lives == 1 && len(c.rig.Connectors) == 1 && !c.rig.failedOver && received != float64(accepted) {
			return fmt.Errorf("%v received, the hub has %d", received, accepted)
		}
		return nil
	})
	process.Eventually(c.rig.t, truthWithin, "I7 clean: "+c.Name+" has not more open than at its start", func() error {
		m, err := c.Metrics()
		if err != nil {
			return err
		}
		const slack = 15
		if now := (resources{m.Sum("process_open_fds"), m.Sum("go_goroutines")}); now.files > c.base.files+slack || now.goroutines > c.base.goroutines+slack {
			return fmt.Errorf("%v files and %v goroutines, at the start %v and %v", now.files, now.goroutines, c.base.files, c.base.goroutines)
		}
		return nil
	})
}

// keep writes what explains a failure into the test's folder of artifacts: the account, logs, and what the goroutines of
// the connectors were doing.
func (r *Rig) keep() {
	if !r.t.Failed() {
		return
	}
	dir := r.t.ArtifactDir()
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	text, err := json.MarshalIndent(map[string]any{"events": a.events, "written": a.written, "checkpoints": a.checkpoints}, "", " ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "ledger.json"), text, 0o600)
	}
	for _, c := range r.Connectors {
		if c.Child != nil && !c.Ended() {
			c.Thaw()
			c.Quit()
		}
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, c.Name+".log"), []byte(c.printed()), 0o600))
	}
	if err != nil {
		r.t.Log(err)
	}
	r.t.Logf("ledger, logs and goroutines are in %s (with -artifacts they stay)", dir)
}
