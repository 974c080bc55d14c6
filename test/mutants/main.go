// Command mutants plants one fault after the other into azx and runs the fault cases that have to find it. It prints which
// case finds what, and fails if a planted fault is not found.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"azx/test/process"
)

func main() {
	only := flag.String("only", "", "the one mutant to try")
	flag.Parse()
	if err := run(context.Background(), *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// run tries all mutants, or one.
func run(ctx context.Context, only string) error {
	dir, err := os.MkdirTemp("", "azx-mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tests := filepath.Join(dir, "faults.test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-o", tests, "./test/faults")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the cases: %w\n%s", err, out)
	}
	var tried []mutant
	var survived []string
	for _, m := range all() {
		if only != "" && m.tag != only {
			continue
		}
		azx, err := process.Build(ctx, dir, m.tag)
		if err != nil {
			return err
		}
		if m.failed, err = cases(ctx, tests, azx, m.cases); err != nil {
			return fmt.Errorf("%s: %w", m.tag, err)
		}
		if err := os.Remove(string(azx)); err != nil {
			return err
		}
		if len(m.failed) == 0 {
			survived = append(survived, m.tag)
		}
		fmt.Printf("%s: found by %s\n", m.tag, strings.Join(m.failed, " "))
		tried = append(tried, m)
	}
	printMatrix(tried)
	if len(survived) > 0 {
		return fmt.Errorf("not found: %s", strings.Join(survived, ", "))
	}
	return nil
}

// cases runs cases with a binary and returns those that failed.
func cases(ctx context.Context, tests string, azx process.Binary, which []string) (failed []string, err error) {
	pattern := "^Test(" + strings.Join(which, "|") + ")[A-Z]"
	cmd := exec.CommandContext(ctx, tests, "-test.v", "-test.parallel", "2", "-test.timeout", "5m", "-test.run", pattern, "-azx", string(azx))
	cmd.Dir = filepath.Join("test", "faults")
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	ended := regexp.MustCompile(`(?m)^--- (PASS|FAIL): Test(F[0-9]{2})`).FindAllStringSubmatch(string(out), -1)
	if len(ended) != len(which) {
		return nil, fmt.Errorf("%d of %d cases ended:\n%s", len(ended), len(which), out)
	}
	for _, e := range ended {
		if e[1] == "FAIL" {
			failed = append(failed, e[2])
		}
	}
	slices.Sort(failed)
	return failed, nil
}

// printMatrix prints who found what: x found it, - did not, nothing: was not tried.
func printMatrix(tried []mutant) {
	var columns []string
	for _, m := range tried {
		columns = append(columns, m.cases...)
	}
	columns = slices.Compact(slices.Sorted(slices.Values(columns)))
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(table, "\nplanted fault\t%s\n", strings.Join(columns, "\t"))
	for _, m := range tried {
		row := m.tag
		for _, c := range columns {
			mark := ""
			switch {
			case slices.Contains(m.failed, c):
				mark = "x"
			case slices.Contains(m.cases, c):
				mark = "-"
			}
			row += "\t" + mark
		}
		fmt.Fprintln(table, row)
	}
	_ = table.Flush() // the writer's errors are the terminal's
}
