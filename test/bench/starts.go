package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"azx/test/bench/source"
)

// startsKey is the row of starts alone: one start says little on a machine that does other things too.
const (
	startsKey  = "starts"
	startTimes = 20
)

// starts is one measurement of many starts of the connector, the fast receiver over TLS: medians, and the least.
type starts struct {
	Round    int     `json:"round"`
	FirstMs  float64 `json:"start_to_first_message_ms"`
	LeastMs  float64 `json:"least_ms"`
	CPUMs    float64 `json:"cpu_ms"` // that the process had taken when the first message was there
	LeastCPU float64 `json:"least_cpu_ms"`
}

// measureStarts starts the connector again and again, each time between ends of its own and with a new folder.
func (b *bench) measureStarts(ctx context.Context) (starts, error) {
	var first, cpu []float64
	for range startTimes {
		ms, used, err := b.startOnce(ctx)
		if err != nil {
			return starts{}, err
		}
		first, cpu = append(first, ms), append(cpu, used)
	}
	return starts{
		FirstMs: median(first), LeastMs: slices.Min(first), CPUMs: median(cpu), LeastCPU: slices.Min(cpu),
	}, nil
}

func (b *bench) startOnce(ctx context.Context) (firstMs, cpuMs float64, err error) {
	r := row{body: source.Small(), tls: true, receiver: "fast", rate: 2000}
	st, err := b.open(ctx, &r)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	command, err := st.command(ctx, &r)
	if err != nil {
		return 0, 0, err
	}
	p, err := launch(command)
	if err != nil {
		return 0, 0, err
	}
	defer p.kill()
	took, err := p.first(ctx, func() int64 { return st.sink.Counts().Messages })
	if err != nil {
		return 0, 0, err
	}
	cpuMs, err = threadsCPUMs(p.cmd.Process.Pid)
	return took.Seconds() * 1000, cpuMs, err
}

// threadsCPUMs is the CPU time of a process's threads, to the nanosecond where cpuSeconds has ticks. Those that have
// ended are not in it: a young process of Go has none.
func threadsCPUMs(pid int) (ms float64, err error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		ran, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseFloat(ran, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		ms += ns / 1e6
	}
	return ms, nil
}

// firstMs is the time to the first message: of many starts, if they were measured.
func (r *report) firstMs() series {
	first := r.of("connector-200-fast", func(s sample) float64 { return s.FirstMs })
	for _, s := range r.Starts {
		first[s.Round] = s.FirstMs
	}
	return first
}

// startsTable is about starts.
func (r *report) startsTable() table {
	t := table{{fmt.Sprintf("start to first message, %d starts, ms", startTimes), "median", "spread"}}
	if len(r.Starts) == 0 {
		return t
	}
	for _, line := range []struct {
		title string
		of    func(starts) float64
	}{
		{"median", func(s starts) float64 { return s.FirstMs }},
		{"the least", func(s starts) float64 { return s.LeastMs }},
		{"CPU time until then, median", func(s starts) float64 { return s.CPUMs }},
		{"the least", func(s starts) float64 { return s.LeastCPU }},
	} {
		values := column(r.Starts, line.of)
		t = append(t, []string{line.title, fmt.Sprintf("%.0f", median(values)), spread("%.0f", values)})
	}
	return t
}
