//go:build !connector

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"azx/extension"
)

// extensionCommand is azx extension: the two packages for ThingWorx.
func extensionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "extension",
		Short: "Build the two ThingWorx packages, and check what a platform has of them",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(extensionBuildCommand(), extensionVerifyCommand())
	return cmd
}

func extensionBuildCommand() *cobra.Command {
	var folder string
	cmd := &cobra.Command{
		Use:   "build [-o DIR]",
		Short: "Write the packages as zips that a platform imports",
		Long: `Write three zips into DIR: one for each package, and azx-extensions with both in it for a single import. Import
azx-connection-services in front of azx-azure-iot when you take them one by one. The same azx writes the same bytes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			bundle, err := extension.Build()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return fmt.Errorf("write the packages: %w", err)
			}
			for _, z := range []extension.Zip{bundle.ConnectionServices, bundle.AzureIoT, bundle.All} {
				name := filepath.Join(folder, z.Name)
				if err := os.WriteFile(name, z.Bytes, 0o644); err != nil {
					return fmt.Errorf("write the packages: %w", err)
				}
				fmt.Fprintln(cmd.OutOrStdout(), name)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&folder, "output", "o", "dist", "folder for the zips")
	return cmd
}
