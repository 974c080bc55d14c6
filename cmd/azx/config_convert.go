package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"azx/internal/config"
)

// configConvertCommand is azx config convert: from the reference product's file to ours.
func configConvertCommand() *cobra.Command {
	var file string
	var force bool
	cmd := &cobra.Command{
		Use:   "convert azure-iot.conf [--output azx.yaml]",
		Short: "Make a configuration from the file of another connector",
		Long: `Read azure-iot.conf, the file of the ThingWorx Azure IoT Hub Connector, with its includes and references, and write
a configuration for azx. At its end are the keys that have no counterpart, and why. The application key goes into a file
of its own beside it, which only you may read. If it has to be set by hand, the exit code is 5.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			made, err := config.Convert(args[0], file, force)
			for _, w := range made.Warnings {
				fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %s\n", w)
			}
			for _, name := range made.Written {
				fmt.Fprintf(cmd.OutOrStdout(), "wrote %s\n", name)
			}
			switch {
			case err != nil:
				return err
			case len(made.Open) > 0:
				return partial(errors.New(strings.Join(made.Open, "\n")))
			}
			fmt.Fprintf(cmd.OutOrStdout(), "next: azx validate -c %s\n", file)
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "azx.yaml", "the file to write")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite files that are there")
	return cmd
}
