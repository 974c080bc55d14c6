// Command results tells what the fault cases last gave, from the logs of go test -json.
//
// With logs it prints a table of them, which -update writes into docs/reliability.md; without any it reads one as it is being
// written, and prints a line for each case that ends. It fails if a case has failed.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

const page = "docs/reliability.md"

func main() {
	update := flag.Bool("update", false, "write the table into "+page)
	as := flag.String("as", "", "how the cases of logs were run that do not tell it, such as \"sdk, long, 5c71368\"")
	flag.Parse()
	var err error
	if logs := flag.Args(); len(logs) > 0 || *update {
		err = report(os.Stdout, logs, *as, *update)
	} else {
		err = follow(os.Stdout, os.Stdin)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "results:", err)
		os.Exit(1)
	}
}

var errFailed = errors.New("not all of them passed")

// report prints the table of what logs have, or of the page with it.
func report(out io.Writer, logs []string, as string, update bool) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	t, err := parse(string(text))
	if err != nil {
		return fmt.Errorf("read the table of %s: %w", page, err)
	}
	if !update {
		t.clear()
	}
	failed := false
	for _, name := range logs {
		log, err := os.Open(name)
		if err != nil {
			return err
		}
		r := reader{run: as, ended: func(one result) { t.add(one); failed = failed || !one.passed }}
		err = r.read(log)
		if err := errors.Join(err, log.Close()); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	fmt.Fprint(out, t)
	if update {
		if err := os.WriteFile(page, []byte(t.within(string(text))), 0o644); err != nil {
			return err
		}
	}
	if failed {
		return errFailed
	}
	return nil
}

// follow prints each case as it ends, with all it has said if it has failed.
func follow(out io.Writer, log io.Reader) error {
	failed := false
	r := reader{
		ended: func(one result) {
			if !one.passed {
				failed = true
				fmt.Fprint(out, one.said)
			}
			if one.seed != "" {
				one.name += ", seed " + one.seed
			}
			fmt.Fprintf(out, "%s: %s\n", one.name, one)
		},
		other: func(line string) { fmt.Fprintln(out, line) },
	}
	if err := r.read(bufio.NewReader(log)); err != nil {
		return err
	}
	if failed {
		return errFailed
	}
	return nil
}
