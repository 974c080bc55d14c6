package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"azx/internal/config"
)

// configCommand is azx config: what makes and shows configuration files.
func configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Make, show and compare configuration files",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(configInitCommand(), configConvertCommand(), configPrintCommand(), configDiffCommand(), configSchemaCommand())
	return cmd
}

func configInitCommand() *cobra.Command {
	var from config.Local
	var file string
	var force bool
	cmd := &cobra.Command{
		Use:   "init --hub DIR --platform DIR [--hub-thing NAME]",
		Short: "Write a configuration for a local hub and a local platform",
		Long: `Write a working configuration for the local hub and the local platform that keep their data in these folders.
Credentials go into files of their own beside it, which only you may read, and azx.schema.json beside it lets editors help.
With --hub-thing the platform reaches devices, too: the Things of devices are behind that hub Thing (azx platform hub add).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			written, err := config.Init(from, file, force)
			for _, name := range written {
				fmt.Fprintf(cmd.OutOrStdout(), "wrote %s\n", name)
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "next: azx run -c %s\n", file)
			return nil
		},
	}
	cmd.Flags().StringVar(&from.HubDir, "hub", "", "folder of azx hub (has hub.json)")
	cmd.Flags().StringVar(&from.PlatformDir, "platform", "", "folder of azx platform (has platform.json)")
	cmd.Flags().StringVar(&from.HubThing, "hub-thing", "", "hub Thing on the platform, so that requests reach devices")
	cmd.Flags().StringVarP(&file, "output", "o", "azx.yaml", "the file to write")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite files that are there")
	// The errors of these two would mean that the flag does not exist.
	_ = cmd.MarkFlagRequired("hub")
	_ = cmd.MarkFlagRequired("platform")
	return cmd
}
