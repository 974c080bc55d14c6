//go:build !connector

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"azx/internal/demo"
	"azx/internal/observe"
)

// demoCommand is azx demo: everything in one process.
func demoCommand() *cobra.Command {
	var o demo.Options
	var asJSON bool
	var logLevel string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a hub, a platform, the connector and devices in one process",
		Long: `Run a local IoT hub, a local platform, the connector and simulated devices in one process, and print the
address of a page that shows the values arrive. With --for it stops by itself and exits 0 only when every
message that was sent is on its Thing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Devices < 1 || o.Devices > 1000 {
				return usage(fmt.Errorf("--devices: %d is not between 1 and 1000", o.Devices))
			}
			if o.Log, err = observe.NewLogger(cmd.ErrOrStderr(), "text", logLevel); err != nil {
				return usage(err)
			}
			o.Out = cmd.OutOrStdout()
			if asJSON {
				o.Out = io.Discard
			}
			summary, err := demo.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return report(cmd.OutOrStdout(), summary, asJSON)
		},
	}
	cmd.Flags().DurationVar(&o.For, "for", 0*time.Second, "stop after this time; 0 runs until Ctrl-C")
	cmd.Flags().IntVar(&o.Devices, "devices", 5, "how many devices to simulate, each sending once a second")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print nothing but a summary, as one JSON object")
	cmd.Flags().StringVar(&logLevel, "log-level", "error", "debug, info, warn or error")
	return cmd
}

// report prints the summary; that something is missing is an error.
func report(out io.Writer, s demo.Summary, asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(out).Encode(s); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "sent %d, delivered %d, quarantined %d, skipped %d; half within %.0f ms, 99 %% within %.0f ms\n",
			s.Sent, s.Delivered, s.Quarantined, s.Skipped, s.P50, s.P99)
	}
	if !s.Complete() {
		return fmt.Errorf("demo: of %d messages sent, %d were delivered, %d quarantined and %d skipped",
			s.Sent, s.Delivered, s.Quarantined, s.Skipped)
	}
	return nil
}
