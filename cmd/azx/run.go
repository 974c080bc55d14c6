package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"azx/internal/app"
	"azx/internal/config"
	"azx/internal/observe"
)

// runFlags are the flags of azx run.
type runFlags struct {
	file, logFormat, logLevel string
	starts                    []string
}

// runCommand is azx run: the connector.
func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run -c azx.yaml",
		Short: "Run the connector",
		Long: `Run the connector: it moves messages from the hubs to the platform until it is stopped.

A hub or platform that cannot be reached is waited for. Of several hubs, one that cannot be served is told and tried
again now and then, while the others go on; a routing group that is blank stops the start of all. On SIGTERM or Ctrl-C it stops reading, waits for what is
in flight, saves its checkpoints and exits. On SIGHUP it reads its file again, as azx reload makes it do.
Exit codes: 0 stopped, 2 usage, 3 configuration, 4 unreachable.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := f.options(cmd)
			if err != nil {
				return err
			}
			hangup := make(chan os.Signal, 1)
			signal.Notify(hangup, syscall.SIGHUP)
			defer signal.Stop(hangup)
			options.Hangup = hangup
			options.TendGarbage = os.Getenv("GOGC") == ""
			err = app.Run(cmd.Context(), options)
			if hub := (*app.HubError)(nil); errors.As(err, &hub) {
				return unreachable(err)
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&f.file, "config", "c", "azx.yaml", "the configuration file")
	cmd.Flags().StringArrayVar(&f.starts, "start", nil, "where to begin without a checkpoint: earliest, latest or an RFC 3339 time; also allows a new hub identity; HUB-THING=... for one hub of several")
	cmd.Flags().StringVar(&f.logFormat, "log-format", "text", "text or json")
	cmd.Flags().StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error, instead of log.level of the file")
	return cmd
}

// options reads the configuration and makes the log that goes with it.
func (f *runFlags) options(cmd *cobra.Command) (o app.Options, err error) {
	if _, err := observe.NewLogger(cmd.ErrOrStderr(), f.logFormat, f.logLevel); err != nil {
		return o, usage(err)
	}
	if o.Starts, err = parseStarts(f.starts); err != nil {
		return o, usage(fmt.Errorf("--start: %w", err))
	}
	o.Reread = func() (*config.Config, config.Problems, error) {
		cfg, warnings, err := config.Load(f.file)
		if err == nil && cmd.Flags().Changed("log-level") {
			cfg.Log.Level = config.LogLevel(f.logLevel)
		}
		return cfg, warnings, err
	}
	var warnings config.Problems
	if o.Config, warnings, err = o.Reread(); err != nil {
		return o, err
	}
	for thing := range o.Starts {
		if thing != "" && !slices.ContainsFunc(o.Config.Hubs, func(h config.Hub) bool { return h.Thing == thing }) {
			return o, usage(fmt.Errorf("--start: the file has no hub %q", thing))
		}
	}
	if o.Log, err = observe.NewLogger(cmd.ErrOrStderr(), f.logFormat, string(o.Config.Log.Level)); err != nil {
		return o, usage(err)
	}
	for _, w := range warnings {
		o.Log.Warn(w.String(), "event", "config-warning")
	}
	o.Ready = func(r app.Running) { fmt.Fprintf(cmd.OutOrStdout(), "ready: http://%s/readyz\n", r.Admin) }
	return o, nil
}

// parseStarts reads positions, each for all hubs or, after HUB-THING=, for one.
func parseStarts(texts []string) (app.Starts, error) {
	starts := app.Starts{}
	for _, text := range texts {
		thing, position, one := strings.Cut(text, "=")
		if !one {
			thing, position = "", text
		}
		at, err := config.ParseStart(position)
		if err != nil {
			return nil, err
		}
		starts[thing] = at
	}
	return starts, nil
}
