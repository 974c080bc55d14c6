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
	var ends config.Ends
	var file string
	var force bool
	cmd := &cobra.Command{
		Use:   "init (--platform DIR | --platform-url URL --app-key-file FILE) (--hub DIR | --hub-thing NAME)",
		Short: "Write a configuration to begin with",
		Long: `Write a working configuration. For a local hub or a local platform name its folder. For others name the address of the
platform and the file with the application key, and the hub Thing; the hub's connection string is asked of that, unless
--connection-string-file names a file. Credentials stay in files of their own, and azx.schema.json beside the configuration
lets editors help. With --hub-thing the platform reaches devices, too: the Things of devices are behind that hub Thing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			written, err := config.Init(ends, file, force)
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
	cmd.Flags().StringVar(&ends.HubDir, "hub", "", "folder of azx hub (has hub.json)")
	cmd.Flags().StringVar(&ends.PlatformDir, "platform", "", "folder of azx platform (has platform.json)")
	cmd.Flags().StringVar(&ends.URL, "platform-url", "", "AlwaysOn address of the platform, such as wss://thingworx.example.com/Thingworx/WS")
	cmd.Flags().StringVar(&ends.AppKey, "app-key-file", "", "file with the application key")
	cmd.Flags().StringVar(&ends.Connection, "connection-string-file", "", "file with the hub's connection string")
	cmd.Flags().StringVar(&ends.HubCA, "hub-ca-file", "", "PEM file of extra roots for the hub")
	cmd.Flags().StringVar(&ends.HubThing, "hub-thing", "", "hub Thing on the platform, so that requests reach devices")
	cmd.Flags().StringVarP(&file, "output", "o", "azx.yaml", "the file to write")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite files that are there")
	cmd.MarkFlagsOneRequired("platform", "platform-url")
	cmd.MarkFlagsMutuallyExclusive("platform", "platform-url")
	cmd.MarkFlagsRequiredTogether("platform-url", "app-key-file")
	cmd.MarkFlagsOneRequired("hub", "hub-thing")
	cmd.MarkFlagsMutuallyExclusive("hub", "connection-string-file")
	cmd.MarkFlagsMutuallyExclusive("hub", "hub-ca-file")
	return cmd
}
