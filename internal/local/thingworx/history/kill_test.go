package history

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"azx/alwayson/infotable"
)

// The environment by which a test tells its child, the same test in another process, where to append, and how.
const (
	childPath = "AZX_TEST_HISTORY"
	childFast = "AZX_TEST_HISTORY_NOSYNC"
)

// appendForEver appends the times of several Things from the last one on, repeating some as a connector does after a crash,
// says which it has appended, and ends with a signal only.
func appendForEver(path string, noSync bool) error {
	d, err := Open(path, Options{NoSync: noSync})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for g := range 4 {
		thing := fmt.Sprint("thing", g)
		last, err := d.Query(Query{Thing: thing, Limit: 1})
		if err != nil {
			return err
		}
		next := int64(1)
		if len(last) > 0 {
			next = max(1, last[0].Time-3)
		}
		go func() {
			for ; ; next++ {
				both := []Entry{{Thing: thing, Property: "a", Time: next, Value: infotable.Number(float64(next)), Quality: "GOOD"},
					{Thing: thing, Property: "b", Time: next, Value: infotable.String(strings.Repeat("x", int(next%2000)))}}
				if err := d.Append(both); err != nil {
					failed <- err
				}
				fmt.Println(thing, next)
			}
		}()
	}
	return <-failed
}

func TestNothingAppendedIsLostWithItsProcessAndNothingIsTwiceOrHalf(t *testing.T) {
	if path := os.Getenv(childPath); path != "" {
		t.Fatal(appendForEver(path, os.Getenv(childFast) != ""))
	}
	for name, fast := range map[string]string{"synced": "", "unsynced": "1"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.db")
			newest := map[string]int64{}
			for round := range 4 {
				for _, line := range killedAfter(t, 10+70*round, childPath+"="+path, childFast+"="+fast) {
					var thing string
					var time int64
					if _, err := fmt.Sscan(line, &thing, &time); err != nil {
						t.Fatalf("it said %q", line)
					}
					newest[thing] = max(newest[thing], time)
				}
			}
			d := mustOpen(t, path, Options{})
			for thing, time := range newest {
				found := query(t, d, Query{Thing: thing, Oldest: true})
				if len(found)%2 != 0 || int64(len(found)/2) < time {
					t.Errorf("%s has %d entries, and %d times of two were appended", thing, len(found), time)
				}
				for i, e := range found {
					if want := int64(i/2 + 1); e.Time != want || (e.Property == "a") != (i%2 == 0) {
						t.Fatalf("entry %d of %s is %s at %d", i, thing, e.Property, e.Time)
					}
				}
			}
		})
	}
}

// killedAfter runs the test in another process and kills it once it has said so many lines, which it returns.
func killedAfter(t *testing.T, lines int, environment ...string) (said []string) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	child := exec.Command(os.Args[0], "-test.run", "^"+name+"$")
	child.Env = append(os.Environ(), environment...)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	for len(said) < lines && scanner.Scan() {
		said = append(said, scanner.Text())
	}
	killErr := child.Process.Kill()
	for scanner.Scan() { // what it said before the signal came
		said = append(said, scanner.Text())
	}
	_ = child.Wait() // it was killed: that is its error
	if killErr != nil || len(said) < lines {
		t.Fatalf("it said %d of %d lines: %q; %v", len(said), lines, said, killErr)
	}
	return said
}
