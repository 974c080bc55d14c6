//go:build !connector

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/serve"
	"azx/internal/observe"
)

// platformCommand is azx platform: the local ThingWorx-compatible platform.
func platformCommand() *cobra.Command {
	var o serve.Options
	var logLevel, importMode string
	cmd := &cobra.Command{
		Use:   "platform --dir DIR",
		Short: "Run a local ThingWorx-compatible platform",
		Long: `Run a local platform that speaks AlwaysOn and ThingWorx's REST, with a page that shows Things and their values.
DIR keeps its entities and values, and gets platform.json, which says how to reach it. The two extension packages are
installed in it, or brought up to date, unless --bare.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Log, err = observe.NewLogger(cmd.ErrOrStderr(), "text", logLevel); err != nil {
				return usage(err)
			}
			if err := serve.CheckListen(o.Listen); err != nil {
				return usage(err)
			}
			switch importMode {
			case "explain", "silent":
				o.SilentImport = importMode == "silent"
			default:
				return usage(fmt.Errorf("--import-mode %q: want explain or silent", importMode))
			}
			if err := thingworx.CheckUnknownMode(o.Unknown); err != nil {
				return usage(fmt.Errorf("--unknown-properties %w", err))
			}
			return runPlatform(cmd, o)
		},
	}
	cmd.PersistentFlags().StringVar(&o.Dir, "dir", "", "folder of the platform")
	cmd.Flags().StringVar(&o.Listen, "listen", serve.DefaultListen, "loopback address and port")
	cmd.Flags().BoolVar(&o.NoGroupBind, "no-group-bind", false, "ignore binds of routing groups, to try what bind: auto does then")
	cmd.Flags().StringVar((*string)(&o.Unknown), "unknown-properties", string(thingworx.UnknownStrict),
		"what becomes of a push with a property that the Thing does not have: strict or silent-ignore")
	cmd.Flags().BoolVar(&o.Bare, "bare", false, "without the two extension packages")
	cmd.Flags().StringVar(&importMode, "import-mode", "explain", "explain what is wrong with a package that is imported, or be silent as a real platform")
	cmd.Flags().StringVar(&logLevel, "log-level", "warn", "debug, info, warn or error")
	_ = cmd.MarkPersistentFlagRequired("dir") // an error would mean that there is no such flag
	cmd.AddCommand(thingCommand(&o.Dir), hubThingCommand(&o.Dir))
	return cmd
}

// runPlatform runs the platform until it is told to stop.
func runPlatform(cmd *cobra.Command, o serve.Options) error {
	o.Notice = func(text string) { fmt.Fprintln(cmd.OutOrStdout(), text) }
	running, err := serve.Start(cmd.Context(), o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "Things and values: %s\nREST: %s\nAlwaysOn: %s\nready\n",
		running.Info.Page, running.Info.URL, running.Info.WS)
	if err != nil {
		running.Stop()
	}
	return errors.Join(err, running.Wait())
}

// answered tells a platform that refuses from one that does not answer.
func answered(err error) error {
	if serve.IsRefusal(err) {
		return err
	}
	return unreachable(err)
}
