// Command mutants plants one fault after the other into azx and runs the fault cases that have to find it, after it has seen
// that they pass without. It prints which case finds what and by which words, and fails if a planted fault is not found.
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
	mutants := slices.DeleteFunc(all(), func(m mutant) bool { return only != "" && m.tag != only })
	if len(mutants) == 0 {
		return fmt.Errorf("there is no %s", only)
	}
	if err := sound(ctx, dir, tests, columnsOf(mutants)); err != nil {
		return err
	}
	var survived []string
	for i := range mutants {
		m := &mutants[i]
		if err := m.try(ctx, dir, tests); err != nil {
			return fmt.Errorf("%s: %w", m.tag, err)
		}
		if len(m.failed) == 0 {
			survived = append(survived, m.tag)
		}
	}
	printMatrix(mutants)
	if len(survived) > 0 {
		return fmt.Errorf("not found: %s", strings.Join(survived, ", "))
	}
	return nil
}

// sound checks that the cases pass where no fault is planted: else they show nothing.
func sound(ctx context.Context, dir, tests string, cases []string) error {
	azx, err := process.Build(ctx, dir)
	if err != nil {
		return err
	}
	for _, id := range cases {
		passed, out, err := runCase(ctx, tests, azx, id)
		if err != nil {
			return err
		}
		if !passed {
			return fmt.Errorf("%s fails although no fault is planted:\n%s", id, out)
		}
		fmt.Printf("without a planted fault %s passes\n", id)
	}
	return os.Remove(string(azx))
}

// try runs the cases of a mutant, and notes which of them find it.
func (m *mutant) try(ctx context.Context, dir, tests string) error {
	azx, err := process.Build(ctx, dir, m.tag)
	if err != nil {
		return err
	}
	line := regexp.MustCompile(`(?m)^ +\w+\.go:\d+: (.*(?:` + m.shown + `).*)$`)
	for _, id := range m.cases {
		passed, out, err := runCase(ctx, tests, azx, id)
		found := line.FindSubmatch(out)
		switch {
		case err != nil:
			return err
		case passed:
			fmt.Printf("%s: %s passes\n", m.tag, id)
		case found == nil:
			fmt.Printf("%s: %s fails, but not by what the fault does:\n%s", m.tag, id, out)
		default:
			m.failed = append(m.failed, id)
			fmt.Printf("%s: %s finds it: %s\n", m.tag, id, found[1])
		}
	}
	return os.Remove(string(azx))
}

// runCase runs a case with a binary, and returns all that it prints.
func runCase(ctx context.Context, tests string, azx process.Binary, id string) (passed bool, out []byte, err error) {
	cmd := exec.CommandContext(ctx, tests, "-test.v", "-test.timeout", "5m", "-test.run", "^Test"+id+"[A-Z]", "-azx", string(azx))
	cmd.Dir = filepath.Join("test", "faults")
	out, err = cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return false, nil, err
	}
	ended := regexp.MustCompile(`(?m)^--- (PASS|FAIL): Test` + id).FindSubmatch(out)
	if ended == nil {
		return false, nil, fmt.Errorf("%s did not end:\n%s", id, out)
	}
	return string(ended[1]) == "PASS", out, nil
}

// columnsOf are the cases that mutants have to be found by.
func columnsOf(mutants []mutant) (cases []string) {
	for _, m := range mutants {
		cases = append(cases, m.cases...)
	}
	slices.Sort(cases)
	return slices.Compact(cases)
}

// printMatrix prints who found what: x found it, - did not, nothing: was not tried.
func printMatrix(tried []mutant) {
	columns := columnsOf(tried)
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
