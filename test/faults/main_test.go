// Package faults breaks what lies around a connector, and the connector itself, and checks that its promise holds: one file
// for each case, named by its id. docs/reliability.md lists them; test/rig is what they stand on.
package faults

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"azx/test/process"
	"azx/test/rig"
)

// What the package is run with.
var (
	prebuilt = flag.String("azx", "", "a built azx to test; default: it is built")
	tag      = flag.String("tag", "", "build tag of the azx that is built, such as that of a mutant")
	race     = flag.Bool("race-built", false, "build azx with the race detector")
	long     = flag.Bool("long", false, "cases in full length")
	seed     = flag.Uint64("seed", 1, "seed of everything that is random")
	receiver = flag.String("receiver", "fast", "what the connectors read with, fast or sdk")
)

// azx is the binary under test, of a commit.
var (
	azx    process.Binary
	commit = "unknown commit"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if out, err := exec.Command("git", "describe", "--always", "--dirty", "--exclude=*").Output(); err == nil {
		commit = strings.TrimSpace(string(out))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if *prebuilt != "" {
		azx = process.Binary(*prebuilt)
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "azx-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "make folder for the binary:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	var flags, tags []string
	if *race {
		flags = append(flags, "-race")
	}
	if *tag != "" {
		tags = append(tags, *tag)
	}
	if azx, err = process.BuildWith(context.Background(), dir, flags, tags...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// start is a rig with its first connector, beside other cases. Chance is what the seed makes of it.
func start(t *testing.T, o rig.Options) (r *rig.Rig, c *rig.Connector, chance *rand.Rand) {
	t.Parallel()
	t.Logf("seed %d, %s", *seed, how()) // test/results reads it
	o.Receiver, o.RaceBuilt = *receiver, *race
	r = rig.New(t, azx, o)
	return r, r.Connectors[0], rand.New(rand.NewPCG(*seed, 0))
}

// how tells how the cases are run.
func how() string {
	words := []string{*receiver, scale("quick", "long")}
	if *race {
		words = append(words, "race-built")
	}
	if *tag != "" {
		words = append(words, *tag)
	}
	return strings.Join(append(words, commit), ", ")
}

// between is a random time.
func between(chance *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(chance.Int64N(int64(most-least)))
}

// recovery is how long a connector may take to go on after what was in its way is gone.
const recovery = 15 * time.Second

// scale is the quick measure of a case, or with -long the full one.
func scale[T any](quick, full T) T {
	if *long {
		return full
	}
	return quick
}
