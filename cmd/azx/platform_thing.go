//go:build !connector

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"azx/internal/local/thingworx/serve"
)

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
	var properties, services []string
	var d serve.DeviceThing
	cmd := &cobra.Command{
		Use:   "add ID [--gateway HUBTHING] --property NAME:TYPE[:EDGENAME] ... --dir DIR",
		Short: "Create a RemoteThing with remote properties and services, or with a gateway an AzureIotThing",
		Example: `  azx platform thing add pump-1 --property temperature:NUMBER --dir tw
  azx platform thing add pump-1 --property temperature:NUMBER:temp --dir tw
  azx platform thing add pump-1 --gateway LocalHub --property temperature:NUMBER --dir tw
  azx platform thing add pump-1 --gateway LocalHub --service 'Restart(delay:INTEGER):JSON:reboot' --dir tw
  azx platform thing add edge-1 --gateway LocalHub --service 'Readings():INFOTABLE(at:DATETIME,level:NUMBER):mod1::readings' --dir tw`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.Name = args[0]
			if err := parseThing(&d, properties, services); err != nil {
				return usage(err)
			}
			client, err := serve.Open(*dir)
			if err != nil {
				return unreachable(err)
			}
			if err := client.AddDevice(cmd.Context(), d); err != nil {
				return answered(err)
			}
			with := ""
			if n := len(d.Services); n > 0 {
				with = fmt.Sprintf(" and %d remote services", n)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "added Thing %s with %d remote properties%s\n", d.Name, len(d.Properties), with)
			return err
		},
	}
	cmd.Flags().StringArrayVar(&properties, "property", nil,
		"NAME:TYPE or NAME:TYPE:EDGENAME, such as temperature:NUMBER; may be repeated")
	cmd.Flags().StringArrayVar(&services, "service", nil,
		"NAME(PARAMETER:TYPE,...):RESULT[:EDGENAME], which the device carries out; may be repeated")
	cmd.Flags().StringVar(&d.Gateway, "gateway", "", "hub Thing that carries the requests for the device")
	cmd.Flags().StringVar(&d.WriteVia, "write-via", "", "how writes travel: c2d, desired or method:NAME; default: as the connector is told")
	return cmd
}

// parseThing reads what the flags say of a Thing.
func parseThing(d *serve.DeviceThing, properties, services []string) error {
	if err := serve.CheckWriteVia(d.WriteVia); err != nil {
		return err
	}
	if d.WriteVia != "" && d.Gateway == "" {
		return errors.New("--write-via is of a Thing with a hub: it needs --gateway")
	}
	for _, text := range properties {
		p, err := serve.ParseProperty(text)
		if err != nil {
			return err
		}
		d.Properties = append(d.Properties, p)
	}
	for _, text := range services {
		s, err := serve.ParseService(text)
		if err != nil {
			return err
		}
		d.Services = append(d.Services, s)
	}
	return nil
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
