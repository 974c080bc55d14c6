package store

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The environment by which a test tells its child, the same test in another process, where to save, and how.
const (
	childPath = "AZX_TEST_STORE"
	childFast = "AZX_TEST_STORE_NOSYNC"
)

// saveForEver saves pairs from several goroutines, says which are saved, and ends with a signal only.
func saveForEver(path string, o Options) error {
	d, err := Open(path, o)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for g := range 4 {
		go func() {
			for n := 0; ; n++ {
				name := fmt.Sprintf("%d-%d-%d", os.Getpid(), g, n)
				pair := []Record{rec("left", name, strings.Repeat("l", n%3000)), rec("right", name, "r"), gone("left", "nothing"), rec("last", fmt.Sprint(g), name)}
				if err := d.Save(pair); err != nil {
					failed <- err
				}
				fmt.Println(name)
			}
		}()
	}
	return <-failed
}

func TestNothingSavedIsLostWithItsProcessAndNothingIsHalf(t *testing.T) {
	if path := os.Getenv(childPath); path != "" {
		t.Fatal(saveForEver(path, Options{NoSync: os.Getenv(childFast) != ""}))
	}
	for name, fast := range map[string]string{"synced": "", "unsynced": "1"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			var saved []string
			for round := range 4 {
				saved = append(saved, killedAfter(t, 10+70*round, childPath+"="+path, childFast+"="+fast)...)
			}
			d := mustOpen(t, path)
			there := map[string]int{}
			for _, r := range load(t, d) {
				if r.Bucket != "last" {
					there[r.Key]++
				}
			}
			for _, name := range saved {
				if there[name] != 2 {
					t.Errorf("%s was saved and is there %d times", name, there[name])
				}
			}
			for name, n := range there {
				if n != 2 {
					t.Errorf("%s is half there", name)
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
