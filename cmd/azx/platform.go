package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"azx/internal/local/thingworx"
	"azx/internal/local/thingworx/serve"
	"azx/internal/observe"
)

// platformCommand is azx platform: the local ThingWorx-compatible platform.
func platformCommand() *cobra.Command {
	var o serve.Options
	var logLevel string
	cmd := &cobra.Command{
		Use:   "platform --dir DIR",
		Short: "Run a local ThingWorx-compatible platform",
		Long: `Run a local platform that speaks AlwaysOn and ThingWorx's REST, with a page that shows Things and their values.
DIR keeps its Things and gets platform.json, which says how to reach it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Log, err = observe.NewLogger(cmd.ErrOrStderr(), "text", logLevel); err != nil {
				return usage(err)
			}
			if err := serve.CheckListen(o.Listen); err != nil {
				return usage(err)
			}
			return runPlatform(cmd, o)
		},
	}
	cmd.PersistentFlags().StringVar(&o.Dir, "dir", "", "folder of the platform")
	cmd.Flags().StringVar(&o.Listen, "listen", serve.DefaultListen, "loopback address and port")
	cmd.Flags().BoolVar(&o.NoGroupBind, "no-group-bind", false, "ignore binds of routing groups, to try what bind: auto does then")
	cmd.Flags().BoolVar(&o.Bare, "bare", false, "without the extensions")
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

// thingCommand is azx platform thing.
func thingCommand(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "thing",
		Short: "Add and list Things of a running platform",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(thingAddCommand(dir), thingListCommand(dir))
	return cmd
}

func thingAddCommand(dir *string) *cobra.Command {
	var properties []string
	var gateway string
	cmd := &cobra.Command{
		Use:   "add ID [--gateway HUBTHING] --property NAME:TYPE[:EDGENAME] ... --dir DIR",
		Short: "Create a RemoteThing with remote properties, or with a gateway an AzureIotThing",
		Example: `  azx platform thing add pump-1 --property temperature:NUMBER --dir tw
  azx platform thing add pump-1 --property temperature:NUMBER:temp --dir tw
  azx platform thing add pump-1 --gateway LocalHub --property temperature:NUMBER --dir tw`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			definitions := make([]thingworx.Definition, len(properties))
			for i, text := range properties {
				var err error
				if definitions[i], err = serve.ParseProperty(text); err != nil {
					return usage(err)
				}
			}
			client, err := serve.Open(*dir)
			if err != nil {
				return unreachable(err)
			}
			if gateway != "" {
				err = client.AddDevice(cmd.Context(), args[0], gateway, definitions)
			} else {
				err = client.AddThing(cmd.Context(), args[0], definitions)
			}
			if err != nil {
				return answered(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "added Thing %s with %d remote properties\n", args[0], len(definitions))
			return err
		},
	}
	cmd.Flags().StringArrayVar(&properties, "property", nil,
		"NAME:TYPE or NAME:TYPE:EDGENAME, such as temperature:NUMBER; may be repeated")
	cmd.Flags().StringVar(&gateway, "gateway", "", "hub Thing that carries the requests for the device")
	return cmd
}

// hubThingCommand is azx platform hub. It goes away when the Azure IoT extension can be imported.
func hubThingCommand(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hub",
		Short: "Add hub Things to a running platform",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var group string
	add := &cobra.Command{
		Use:   "add NAME [--routing-group GROUP] --dir DIR",
		Short: "Create a hub Thing, which connectors bind under its routing group",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := serve.Open(*dir)
			if err != nil {
				return unreachable(err)
			}
			if err := client.AddHub(cmd.Context(), args[0], group); err != nil {
				return answered(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "added hub Thing %s\n", args[0])
			return err
		},
	}
	add.Flags().StringVar(&group, "routing-group", "", "default: the hub Thing's name")
	cmd.AddCommand(add)
	return cmd
}

func thingListCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "ls --dir DIR",
		Short: "List the Things",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := serve.Open(*dir)
			if err != nil {
				return unreachable(err)
			}
			things, err := client.Things(cmd.Context())
			if err != nil {
				return answered(err)
			}
			return printThings(cmd.OutOrStdout(), things)
		},
	}
}

// answered tells a platform that refuses from one that does not answer.
func answered(err error) error {
	if serve.IsRefusal(err) {
		return err
	}
	return unreachable(err)
}

func printThings(out io.Writer, things []serve.ThingRow) error {
	for _, t := range things {
		if t.System {
			continue
		}
		if _, err := fmt.Fprintln(out, t.Name); err != nil {
			return err
		}
	}
	return nil
}
