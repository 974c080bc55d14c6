package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
)

// profileConnector runs the connector as in the first row that is wanted, in a process that takes a CPU profile of itself.
func (b *bench) profileConnector(ctx context.Context, words []string) (err error) {
	all := rows()
	at := slices.IndexFunc(all, func(r row) bool { return r.peer == "" && wanted(r.key, words) })
	if at < 0 {
		return errors.New("only rows of the connector can be profiled")
	}
	r := &all[at]
	st, err := b.open(ctx, r)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	command, err := st.connectorCommand(b.self, "peer", "connector", "-cpuprofile", b.profile)
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
	if !pause(ctx, settleTime) {
		return ctx.Err()
	}
	var s sample
	if err := p.observe(ctx, b.window, count, &s); err != nil {
		return err
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil { // it writes its profile at the end
		return err
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("stop the connector: %w", err)
	}
	_, err = fmt.Fprintf(os.Stdout, "%.0f msgs/s, %.2f CPU-s per million; look at the profile with: go tool pprof -top %s\n", s.Rate, s.CPUPerM, b.profile)
	return err
}
