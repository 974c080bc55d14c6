package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// validateCommand is azx validate: the offline check of a configuration.
func validateCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "validate -c azx.yaml",
		Short: "Check a configuration without connecting to anything",
		Long: `Check a configuration: keys, values, and the files and variables it refers to. Nothing is connected to.
All problems are printed at once, each with its line; then the exit code is 3.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := loadWarning(cmd, file); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", file)
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "azx.yaml", "the configuration file")
	return cmd
}
