package process

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell starts a script.
func shell(t *testing.T, script string) *Child {
	t.Helper()
	return Start(t, Command{Name: "bash", Args: []string{"-c", script}})
}

func TestAProcessThatEndsHasAnExitCodeAndOutput(t *testing.T) {
	child := shell(t, "echo out; echo err >&2; exit 3")
	if code := child.Wait(10 * time.Second); code != 3 || child.Stdout() != "out\n" || child.Stderr() != "err\n" {
		t.Fatalf("got %d, %q, %q", code, child.Stdout(), child.Stderr())
	}
}

func TestALineIsWaitedFor(t *testing.T) {
	child := shell(t, "echo starting; echo ready at 1; read -r")
	if line := child.UntilPrinted(10*time.Second, "ready"); line != "ready at 1" {
		t.Fatalf("got %q", line)
	}
}

func TestStopEndsAProcessThatListens(t *testing.T) {
	child := shell(t, `trap 'exit 7' TERM; echo ready; while :; do read -r -t 1 < <(:) || :; done`)
	child.UntilPrinted(10*time.Second, "ready")
	if code := child.Stop(); code != 7 {
		t.Fatalf("exit code %d, want that of its trap", code)
	}
}

func TestKillTakesTheChildrenOfAProcessWithIt(t *testing.T) {
	child := shell(t, `sleep 600 & echo "$!"; echo ready; wait`)
	child.UntilPrinted(10*time.Second, "ready")
	pid := strings.TrimSpace(strings.SplitN(child.Stdout(), "\n", 2)[0])
	child.Kill()
	Eventually(t, 10*time.Second, "the grandchild is gone", func() error {
		var grandchild int
		if _, err := fmt.Sscan(pid, &grandchild); err != nil {
			return err
		}
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", grandchild)); err == nil && !strings.Contains(string(state), ") Z ") {
			return fmt.Errorf("process %d still runs", grandchild)
		}
		return nil
	})
}

func TestAFrozenProcessGoesOnWhenItThaws(t *testing.T) {
	child := shell(t, `echo ready; read -r -t 0.2 < <(sleep 10) || :; echo on`)
	child.UntilPrinted(10*time.Second, "ready")
	child.Freeze()
	Eventually(t, 10*time.Second, "it is halted", func() error {
		state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child.cmd.Process.Pid))
		if err == nil && !strings.Contains(string(state), ") T ") {
			err = fmt.Errorf("state %s", state)
		}
		return err
	})
	child.Thaw()
	child.UntilPrinted(10*time.Second, "on")
}

func TestWaitingEndsWhenTheProcessHasEnded(t *testing.T) {
	child := shell(t, "exit 1")
	begin := time.Now()
	passed := t.Run("inner", func(t *testing.T) {
		stand := &recorder{TB: t}
		child.t = stand
		defer func() {
			if recover() == nil || !strings.Contains(stand.said, "ended with exit code 1") {
				t.Errorf("said %q", stand.said)
			}
		}()
		child.UntilPrinted(time.Minute, "ready")
	})
	if !passed || time.Since(begin) > 30*time.Second {
		t.Fatalf("ended after %s", time.Since(begin))
	}
}

// recorder is a test that notes what would have failed it.
type recorder struct {
	testing.TB
	said string
}

// Fatalf ends the caller by a panic, as the real one ends its goroutine.
func (r *recorder) Fatalf(format string, args ...any) {
	r.said = fmt.Sprintf(format, args...)
	panic(r.said)
}
