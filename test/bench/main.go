// Command bench measures the connector between a source and a sink that cost little, and peers of its parts in the same
// run: see docs/performance.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// partitions of the source's event hub.
const partitions = 4

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "peer" {
		return runPeer(ctx, args[1:])
	}
	b := &bench{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&b.rounds, "rounds", 5, "how often each row is measured, one row after the other in each round")
	seconds := flags.Float64("seconds", 3, "length of the window of one measurement")
	only := flags.String("only", "", "measure only rows whose key contains one of these words, separated by commas")
	jsonFile := flags.String("json", "", "also write the report to this file")
	flags.StringVar(&b.connector, "azx", "", "the connector's binary; default: built from ./cmd/azx")
	flags.StringVar(&b.profile, "perf", "", "record the connector in the first of its rows that -only names with Linux's perf, into this file, and measure nothing else")
	flags.BoolVar(&b.smoke, "smoke", false, "run the rows of the connector and its parts once, each for a moment: does everything still work?")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b.window = time.Duration(*seconds * float64(time.Second))
	if b.smoke {
		b.rounds, b.window = 1, 200*time.Millisecond
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer b.clear()
	var words []string
	if *only != "" {
		words = strings.Split(*only, ",")
	}
	if b.profile != "" {
		return b.profileConnector(ctx, words)
	}
	report, err := b.all(ctx, words)
	if err != nil {
		return err
	}
	if *jsonFile != "" {
		if err := report.write(*jsonFile); err != nil {
			return err
		}
	}
	return report.print(os.Stdout)
}

// machine describes where a report was made.
func machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d x %s, %s/%s, %s", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, runtime.Version())
}
