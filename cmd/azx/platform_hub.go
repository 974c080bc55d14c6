//go:build !connector

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"azx/internal/local/thingworx/serve"
)

// hubThingCommand is azx platform hub: what a person would do in Composer with Things of the Azure IoT package.
func hubThingCommand(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hub",
		Short: "Add hub Things to a running platform, and change their routing groups",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(hubThingAddCommand(dir), hubThingSetCommand(dir))
	return cmd
}

func hubThingAddCommand(dir *string) *cobra.Command {
	var group string
	cmd := &cobra.Command{
		Use:   "add NAME [--routing-group GROUP] --dir DIR",
		Short: "Create a hub Thing, which connectors bind under its routing group",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var set *string // an empty one is taken as it is: that a connector refuses it can be tried
			if cmd.Flags().Changed("routing-group") {
				set = &group
			}
			return withPlatform(cmd, *dir, "added hub Thing "+args[0], func(ctx context.Context, c *serve.Client) error {
				return c.AddHub(ctx, args[0], set)
			})
		},
	}
	cmd.Flags().StringVar(&group, "routing-group", "", "default: the hub Thing's name")
	return cmd
}

func hubThingSetCommand(dir *string) *cobra.Command {
	var group string
	var null bool
	cmd := &cobra.Command{
		Use:   "set NAME (--routing-group GROUP | --no-routing-group) --dir DIR",
		Short: "Change the routing group of a hub Thing",
		Long: `Change the routing group of a hub Thing. Connectors read it when they connect; one that is empty, blank or null
they refuse. In GROUP the text ${hub-thing-name} stands for the hub Thing's name.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("routing-group") == null {
				return usage(errors.New("give either --routing-group GROUP or --no-routing-group"))
			}
			set, told := &group, fmt.Sprintf("routing group of %s is %q", args[0], group)
			if null {
				set, told = nil, "routing group of "+args[0]+" is null"
			}
			return withPlatform(cmd, *dir, told, func(ctx context.Context, c *serve.Client) error {
				return c.SetRoutingGroup(ctx, args[0], set)
			})
		},
	}
	cmd.Flags().StringVar(&group, "routing-group", "", "the new routing group, taken as it is")
	cmd.Flags().BoolVar(&null, "no-routing-group", false, "make it null")
	return cmd
}

// withPlatform asks a running platform for something, and says so when it is done.
func withPlatform(cmd *cobra.Command, dir, done string, ask func(ctx context.Context, c *serve.Client) error) error {
	client, err := serve.Open(dir)
	if err != nil {
		return unreachable(err)
	}
	if err := ask(cmd.Context(), client); err != nil {
		return answered(err)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), done)
	return err
}
