package rig

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"azx/test/process"
)

// Connector is one of the connectors of a rig: its file and its folders outlive its processes.
type Connector struct {
	Name string
	// What lies between it and the others.
	AMQP, HTTPS, Platform *Wire
	// Where connectors share a hub: the way to the storage account, and what stands at its end.
	Blob  *Wire
	Store *Store
	// Wrap is what the process is started by, such as {"bash", "-c", `ulimit -n 64; exec "$@"`, "limited"}; nil: nothing.
	Wrap []string
	// Env is added to the environment.
	Env []string
	// Args are added to azx run.
	Args []string
	*process.Child

	rig   *Rig
	old   []*process.Child
	peak  int64 // bytes of memory, over all its processes
	lives int
	base  resources

	told, before tally // what its process said last, and what those before it did
}

// resources are what a process may leak.
type resources struct{ files, goroutines float64 }

// Start starts its process, and does not wait for anything.
func (c *Connector) Start() {
	c.rig.t.Helper()
	if c.Child != nil && !c.Ended() {
		c.rig.t.Fatalf("%s runs already", c.Name)
	}
	if c.Child != nil {
		c.old = append(c.old, c.Child)
	}
	argv := append(append([]string{}, c.Wrap...), string(c.rig.azx), "run", "-c", c.Name+".yaml")
	argv = append(argv, c.Args...)
	command := process.Command{Name: argv[0], Args: argv[1:], Dir: c.rig.Dir}
	if c.Env != nil {
		command.Env = append(os.Environ(), c.Env...)
	}
	c.rig.account.starts(c.Name)
	c.Child = process.Start(c.rig.t, command)
	c.lives++
	c.before, c.told = c.before.plus(c.told), tally{}
}

// Ready waits until messages can flow.
func (c *Connector) Ready(within time.Duration) {
	c.rig.t.Helper()
	c.UntilPrinted(within, "ready: ")
	c.Until(within, "it says it is ready", func() error {
		if status, text, err := c.Page("/readyz"); err != nil || status != http.StatusOK {
			return fmt.Errorf("%d %s %v", status, text, err)
		}
		return nil
	})
	m, err := c.Metrics()
	if err != nil {
		c.rig.t.Fatal(err)
	}
	c.base = resources{m.Sum("process_open_fds"), m.Sum("go_goroutines")}
}

// Run is Start and Ready.
func (c *Connector) Run() {
	c.rig.t.Helper()
	c.Start()
	c.Ready(30 * time.Second)
}

// End asks it to stop and checks its exit code.
func (c *Connector) End(want int) {
	c.rig.t.Helper()
	c.measure()
	if code := c.Stop(); code != want {
		c.rig.t.Errorf("%s ended with exit code %d, want %d", c.Name, code, want)
	}
}

// Crash kills it, as a power cut would.
func (c *Connector) Crash() {
	c.measure()
	c.Kill()
}

// Page asks its admin surface.
func (c *Connector) Page(path string) (status int, text string, err error) {
	admin, err := c.admin()
	if err != nil {
		return 0, "", err
	}
	client := http.Client{Timeout: 10 * time.Second}
	answer, err := client.Get("http://" + admin + path)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

// admin is where its admin surface is; it is known before the connector is ready.
func (c *Connector) admin() (string, error) {
	text, err := os.ReadFile(filepath.Join(c.rig.Dir, c.Name, "quarantine", "admin.json"))
	if err != nil {
		return "", err
	}
	var at struct{ Address string }
	return at.Address, json.Unmarshal(text, &at)
}

// UntilUnready waits until it says that messages cannot flow, in a line of /readyz that has the part given.
func (c *Connector) UntilUnready(within time.Duration, part string) {
	c.rig.t.Helper()
	c.Until(within, "readyz tells "+part, func() error {
		status, text, err := c.Page("/readyz")
		if err == nil && (status != http.StatusServiceUnavailable || !strings.Contains(text, part)) {
			err = fmt.Errorf("it says %d %s", status, text)
		}
		return err
	})
}

// UntilReady waits until it says that messages can flow.
func (c *Connector) UntilReady(within time.Duration) {
	c.rig.t.Helper()
	c.Until(within, "readyz is 200", func() error {
		status, text, err := c.Page("/readyz")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("it says %d %s", status, text)
		}
		return err
	})
}

// Logged reports whether its running process has written a line with all parts.
func (c *Connector) Logged(parts ...string) error {
next:
	for line := range strings.Lines(c.Stderr()) {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue next
			}
		}
		return nil
	}
	return fmt.Errorf("no line has %q", parts)
}

// Metrics are samples by their line without the value.
type Metrics map[string]float64

// Metrics reads them all.
func (c *Connector) Metrics() (Metrics, error) {
	status, text, err := c.Page("/metrics")
	if err != nil || status != http.StatusOK {
		return nil, errors.Join(err, fmt.Errorf("/metrics: status %d", status))
	}
	m := Metrics{}
	for line := range strings.Lines(text) {
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		if value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64); err == nil {
			m[line[:at]] = value
		}
	}
	return m, nil
}

// Sum adds the samples of a metric whose labels have all parts.
func (m Metrics) Sum(metric string, labels ...string) (sum float64) {
next:
	for line, value := range m {
		name, rest, _ := strings.Cut(line, "{")
		if name != metric {
			continue
		}
		for _, part := range labels {
			if !strings.Contains(rest, part) {
				continue next
			}
		}
		sum += value
	}
	return sum
}

// measure notes what a process takes with it: its counts, and the most memory that it has had.
func (c *Connector) measure() {
	if c.Child == nil {
		return
	}
	c.tell()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Pid()))
	if err != nil {
		return // it has ended
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kilobytes int64
	if _, err := fmt.Sscan(rest, &kilobytes); err == nil {
		c.peak = max(c.peak, kilobytes<<10)
	}
}

// quarantine is the folder of what it put aside.
func (c *Connector) quarantine() string { return filepath.Join(c.rig.Dir, c.Name, "quarantine") }

// printed is all that its processes have written, and their command lines.
func (c *Connector) printed() string {
	var all strings.Builder
	for _, child := range append(c.old, c.Child) {
		if child != nil {
			fmt.Fprintf(&all, "%s\n%s%s", child, child.Stdout(), child.Stderr())
		}
	}
	return all.String()
}
