package e2e

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"azx/test/process"
)

// summary is what `azx demo --json` prints at its end.
type summary struct {
	Sent        int     `json:"sent"`
	Delivered   int     `json:"delivered"`
	Quarantined int     `json:"quarantined"`
	Skipped     int     `json:"skipped"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	Page        string  `json:"page"`
}

// TestTheDemoShowsAValueWithinFiveSeconds counts from the start of the process to the moment when the
// curl command that the demo prints gives a value.
func TestTheDemoShowsAValueWithinFiveSeconds(t *testing.T) {
	begin := time.Now()
	demo := process.Start(t, process.Command{Name: string(azx), Args: []string{"demo", "--for", "10s"}, Dir: t.TempDir()})
	demo.Until(5*time.Second, "the printed curl gives a value", func() error { return readsValue(demo.Stdout()) })
	t.Logf("the first value was there after %s", time.Since(begin).Round(time.Millisecond))
	if code := demo.Wait(time.Minute); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestTheDemoReachesADevice runs the commands that the demo prints for calling and writing, as they are printed.
func TestTheDemoReachesADevice(t *testing.T) {
	t.Parallel()
	sharesUsualPorts(t)
	demo := process.Start(t, process.Command{Name: string(azx), Args: []string{"demo", "--for", "30s"}, Dir: t.TempDir()})
	answer, err := runPrinted(strings.TrimSpace(demo.UntilPrinted(20*time.Second, "  curl -s -X POST ")))
	if err != nil || !strings.Contains(answer, `"was":"running"`) {
		t.Errorf("the call gives %q, %v", answer, err)
	}
	var write, read string
	demo.Until(5*time.Second, "the commands that write and read", func() error {
		write = printedCommand(demo.Stdout(), "curl -s -X PUT ")
		_, after, _ := strings.Cut(demo.Stdout(), write)
		if read = printedCommand(after, "curl "); write == "" || read == "" {
			return errors.New("not printed")
		}
		return nil
	})
	if answer, err := runPrinted(write); err != nil || answer != "" {
		t.Errorf("the write gives %q, %v", answer, err)
	}
	demo.Until(10*time.Second, "the device has told the value", func() error {
		answer, err := runPrinted(read)
		if err == nil && !strings.Contains(answer, `"rows":[{"target":42}]`) {
			err = errors.New(answer)
		}
		return err
	})
	if code := demo.Wait(time.Minute); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func runPrinted(command string) (string, error) {
	answer, err := exec.Command("bash", "-c", command).Output()
	return string(answer), err
}

// TestTheDemoDeliversEverythingItSends is the promise of `azx demo --for`: exit code 0 says that
// nothing is missing.
func TestTheDemoDeliversEverythingItSends(t *testing.T) {
	t.Parallel()
	sharesUsualPorts(t)
	const seconds, devices = 20, 20
	got, code := runDemo(t, azx, seconds, devices)
	t.Logf("%+v", got)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got.Sent < devices*seconds/2 {
		t.Errorf("sent %d messages in %d s with %d devices, want at least %d", got.Sent, seconds, devices, devices*seconds/2)
	}
	if got.Delivered != got.Sent || got.Quarantined != 0 || got.Skipped != 0 {
		t.Errorf("delivered %d of %d, quarantined %d, skipped %d", got.Delivered, got.Sent, got.Quarantined, got.Skipped)
	}
}

// TestTheDemoNoticesALostWrite runs a binary that says writes were acknowledged without making them.
func TestTheDemoNoticesALostWrite(t *testing.T) {
	t.Parallel()
	sharesUsualPorts(t)
	mutant, err := process.Build(t.Context(), t.TempDir(), "mutant_cut_writes")
	if err != nil {
		t.Fatal(err)
	}
	got, code := runDemo(t, mutant, 5, 5)
	if code == 0 || got.Delivered >= got.Sent || got.Sent == 0 {
		t.Errorf("exit code %d with %d of %d delivered, want another code and fewer", code, got.Delivered, got.Sent)
	}
}

// runDemo runs a demo to its end and returns its summary: with --json that is all it prints to standard
// output, so that a script can read it.
func runDemo(t *testing.T, binary process.Binary, seconds, devices int) (summary, int) {
	t.Helper()
	demo := process.Start(t, process.Command{
		Name: string(binary), Dir: t.TempDir(),
		Args: []string{"demo", "--for", strconv.Itoa(seconds) + "s", "--devices", strconv.Itoa(devices), "--json"},
	})
	code := demo.Wait(time.Duration(seconds)*time.Second + time.Minute)
	var got summary
	if err := json.Unmarshal([]byte(demo.Stdout()), &got); err != nil {
		t.Fatalf("%s: exit code %d, no summary: %v\n%s", filepath.Base(string(binary)), code, err, demo.Stderr())
	}
	return got, code
}

// printedCommand returns the first line of the output that is a command beginning so, without its indent.
func printedCommand(output, prefix string) string {
	for line := range strings.Lines(output) {
		if command := strings.TrimSpace(line); strings.HasPrefix(command, prefix) && strings.HasSuffix(line, "\n") {
			return command
		}
	}
	return ""
}

// hasNumber tells whether an infotable's first row holds a number.
func hasNumber(answer []byte) error {
	var table struct {
		Rows []map[string]any `json:"rows"`
	}
	if err := json.Unmarshal(answer, &table); err != nil {
		return err
	}
	if len(table.Rows) > 0 {
		for _, value := range table.Rows[0] {
			if _, ok := value.(float64); ok {
				return nil
			}
		}
	}
	return errors.New("no number yet: " + string(answer))
}
