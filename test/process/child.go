package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"azx/internal/supervise"
)

// stopWithin is how long a process may take to end after SIGTERM.
const stopWithin = 20 * time.Second

// Command says what to start. Name and the zero values of the rest are enough.
type Command struct {
	Name string   // path, or a program found in PATH
	Args []string // without the name
	Dir  string   // working folder; "" is the test's own
	Env  []string // the whole environment; nil is the test's own
}

// Child is a running process. When the test ends it is told to stop, and what it printed is shown
// if the test failed.
type Child struct {
	t      testing.TB
	cmd    *exec.Cmd
	group  *supervise.Group
	ended  chan struct{}
	out    output
	errors output
}

// Start starts a process in a process group of its own, so that it can be stopped with its children.
func Start(t testing.TB, c Command) *Child {
	t.Helper()
	child := &Child{t: t, cmd: exec.Command(c.Name, c.Args...), group: supervise.New(context.Background()), ended: make(chan struct{})}
	child.cmd.Dir, child.cmd.Env = c.Dir, c.Env
	child.cmd.Stdout, child.cmd.Stderr = &child.out, &child.errors
	child.cmd.SysProcAttr = ownGroup()
	child.cmd.WaitDelay = time.Second // for pipes that a grandchild keeps open
	if err := child.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", child, err)
	}
	child.group.Go("wait", func(context.Context) error {
		defer close(child.ended)
		return child.cmd.Wait()
	})
	t.Cleanup(child.cleanup)
	return child
}

// String is the command line.
func (c *Child) String() string { return strings.Join(c.cmd.Args, " ") }

// Stdout returns what was printed so far.
func (c *Child) Stdout() string { return c.out.String() }

// Stderr returns what was printed to standard error so far.
func (c *Child) Stderr() string { return c.errors.String() }

// Ended tells whether the process is gone.
func (c *Child) Ended() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// Until looks like Eventually, but gives up as soon as the process has ended.
func (c *Child) Until(within time.Duration, what string, check func() error) {
	c.t.Helper()
	Eventually(c.t, within, what, func() error {
		gone := c.Ended() // before the look: what the process left behind still counts
		err := check()
		if err != nil && gone {
			c.t.Fatalf("%s: %s ended with exit code %d; last: %v", what, c, c.ExitCode(), err)
		}
		return err
	})
}

// UntilPrinted waits for a line of standard output that begins with prefix and returns it whole.
func (c *Child) UntilPrinted(within time.Duration, prefix string) string {
	c.t.Helper()
	var found string
	c.Until(within, fmt.Sprintf("a line that begins with %q", prefix), func() error {
		for line := range strings.Lines(c.Stdout()) {
			if strings.HasPrefix(line, prefix) && strings.HasSuffix(line, "\n") {
				found = strings.TrimSpace(line)
				return nil
			}
		}
		return errors.New("not printed")
	})
	return found
}

// Wait waits for the process to end by itself and returns its exit code.
func (c *Child) Wait(within time.Duration) int {
	c.t.Helper()
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case <-c.ended:
	case <-limit.C:
		c.t.Fatalf("%s: still running after %s", c, within)
	}
	return c.ExitCode()
}

// ExitCode returns the exit code of an ended process; -1 if a signal ended it.
func (c *Child) ExitCode() int {
	<-c.ended
	return c.cmd.ProcessState.ExitCode()
}

// Stop asks the process to end (SIGTERM), waits for it and returns its exit code. One that does not
// end in time is killed, and that fails the test.
func (c *Child) Stop() int {
	c.t.Helper()
	c.signal(syscall.SIGTERM)
	limit := time.NewTimer(stopWithin)
	defer limit.Stop()
	select {
	case <-c.ended:
	case <-limit.C:
		c.t.Errorf("%s: still running %s after SIGTERM", c, stopWithin)
		c.Kill()
	}
	return c.ExitCode()
}

// Kill ends the process as a power cut would (SIGKILL) and waits until it is gone.
func (c *Child) Kill() {
	c.signal(syscall.SIGKILL)
	<-c.ended
}

// Freeze halts the process where it is (SIGSTOP): its connections stay open and nothing answers.
func (c *Child) Freeze() { c.signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (c *Child) Thaw() { c.signal(syscall.SIGCONT) }

// Pid is the process's id.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// Terminate asks the process to end (SIGTERM) and does not wait for it.
func (c *Child) Terminate() { c.signal(syscall.SIGTERM) }

// Hangup asks a daemon to read its configuration again (SIGHUP).
func (c *Child) Hangup() { c.signal(syscall.SIGHUP) }

// Quit has a Go process print all its goroutines and end (SIGQUIT), as in a crash, and waits until it is gone.
func (c *Child) Quit() {
	c.signal(syscall.SIGQUIT)
	<-c.ended
}

// Arguments is the command line as the system shows it to everybody on the machine.
func (c *Child) Arguments() string {
	c.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", c.cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\x00", " ")
}

func (c *Child) cleanup() {
	if !c.Ended() {
		c.Thaw() // a frozen one could not stop
		c.Stop()
	}
	_ = c.group.Wait() // its exit code was looked at by those who care
	if c.t.Failed() {
		c.t.Logf("%s\n--- standard output\n%s--- standard error\n%s", c, tail(c.Stdout()), tail(c.Stderr()))
	}
}

// output collects what a process prints while others read it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes what the process printed.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// String returns what was taken so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// tail keeps the end of a long text: the last 6,000 bytes, from the beginning of a line.
func tail(text string) string {
	const most = 6000
	if len(text) <= most {
		return text
	}
	text = text[len(text)-most:]
	return "...\n" + text[strings.IndexByte(text, '\n')+1:]
}
