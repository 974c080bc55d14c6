package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"azx/internal/app"
	"azx/internal/config"
	"azx/internal/observe"
)

// runCommand is azx run: the connector.
func runCommand() *cobra.Command {
	var file, start, logFormat, logLevel string
	cmd := &cobra.Command{
		Use:   "run -c azx.yaml",
		Short: "Run the connector",
		Long: `Run the connector: it moves messages from the hub to the platform until it is stopped.

A hub or platform that cannot be reached is waited for. On SIGTERM or Ctrl-C it stops reading, waits for what is
in flight, saves its checkpoints and exits. Exit codes: 0 stopped, 2 usage, 3 configuration, 4 unreachable.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := observe.NewLogger(cmd.ErrOrStderr(), logFormat, logLevel)
			if err != nil {
				return usage(err)
			}
			cfg, warnings, err := config.Load(file)
			if err != nil {
				return err
			}
			for _, w := range warnings {
				log.Warn(w.String(), "event", "config-warning")
			}
			options := app.Options{Config: cfg, Log: log, Ready: func(r app.Running) {
				fmt.Fprintf(cmd.OutOrStdout(), "ready: http://%s/readyz\n", r.Admin)
			}}
			if start != "" {
				at, err := config.ParseStart(start)
				if err != nil {
					return usage(fmt.Errorf("--start: %w", err))
				}
				options.Start = &at
			}
			err = app.Run(cmd.Context(), options)
			if hub := (*app.HubError)(nil); errors.As(err, &hub) {
				return unreachable(err)
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "azx.yaml", "the configuration file")
	cmd.Flags().StringVar(&start, "start", "", "where to begin without a checkpoint: earliest, latest or an RFC 3339 time; also allows a new hub identity")
	cmd.Flags().StringVar(&logFormat, "log-format", "text", "text or json")
	cmd.Flags().StringVar(&logLevel, "log-level", "info", "debug, info, warn or error")
	return cmd
}
