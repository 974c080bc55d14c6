package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
)

// profileConnector runs the connector as in the first row that is wanted, with perf beside it: the binary that is measured
// has no option for a profile, and needs none.
func (b *bench) profileConnector(ctx context.Context, words []string) (err error) {
	all := rows()
	at := slices.IndexFunc(all, func(r row) bool { return r.peer == "" && wanted(r.key, words) })
	if at < 0 {
		return errors.New("only rows of the connector can be profiled")
	}
	st, err := b.open(ctx, &all[at])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	command, err := st.command(ctx, &all[at])
	if err != nil {
		return err
	}
	p, err := launch(command)
	if err != nil {
		return err
	}
	defer p.kill()
	count := func() int64 { return st.sink.Counts().Messages }
	if _, err := p.first(ctx, count); err != nil {
		return err
	}
	if !st.steady(ctx, &all[at], count) {
		return ctx.Err()
	}
	perf := exec.CommandContext(ctx, "perf", "record", "-q", "-g", "-o", b.profile, "-p", strconv.Itoa(p.cmd.Process.Pid),
		"--", "sleep", fmt.Sprint(b.window.Seconds()))
	if out, err := perf.CombinedOutput(); err != nil {
		return fmt.Errorf("record with perf (of the Debian package linux-perf): %w: %s", err, out)
	}
	_, err = fmt.Fprintf(os.Stdout, "look at it with: perf report --children -g none -i %s\n", b.profile)
	return err
}
