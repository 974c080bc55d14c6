package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"azx/internal/app"
	"azx/internal/config"
)

// configPrintCommand is azx config print: the configuration as it is used.
func configPrintCommand() *cobra.Command {
	var file string
	var origin, hubThing bool
	cmd := &cobra.Command{
		Use:   "print -c azx.yaml [--origin] [--hub-thing]",
		Short: "Print the configuration as it is used",
		Long: `Print what the file, the files of conf.d beside it and the defaults make together, as YAML. Of credentials it shows
where they come from, and *** for what is written out. With --origin each key is followed by its place: file and line,
hub Thing, or default. With --hub-thing the platform is asked for what the hub Thing has; without, nothing is connected to.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadWarning(cmd, file)
			if err == nil && hubThing {
				var warnings config.Problems
				cfg, warnings, err = app.WithHubThings(cmd.Context(), cfg)
				warn(cmd, warnings)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), cfg.Print(origin))
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "azx.yaml", "the configuration file")
	cmd.Flags().BoolVar(&origin, "origin", false, "say where each value comes from")
	cmd.Flags().BoolVar(&hubThing, "hub-thing", false, "ask the platform for the settings of the hub Thing")
	return cmd
}

// configDiffCommand is azx config diff: what another file would change.
func configDiffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Show what another configuration would change",
		Long: `Compare two configuration files and show what would change, and which of it needs a restart of the connector. A file of
conf.d beside one belongs to it. Credentials are compared as they are now, and never shown.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := loadWarning(cmd, args[0])
			if err != nil {
				return err
			}
			to, err := loadWarning(cmd, args[1])
			if err != nil {
				return err
			}
			changes := config.Diff(from, to)
			for _, c := range changes {
				effect := "needs a restart"
				if c.Live {
					effect = "takes effect at once"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s (%s)\n", c, effect)
			}
			if len(changes) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing would change")
			}
			return nil
		},
	}
}

// configSchemaCommand is azx config schema: for editors.
func configSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of the configuration file",
		Long: `Print the JSON schema (draft 2020-12) of the configuration file, for editors. With this line at its top most know it:

  # yaml-language-server: $schema=` + config.SchemaFile,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := config.Schema()
			if err == nil {
				_, err = cmd.OutOrStdout().Write(schema)
			}
			return err
		},
	}
}

// loadWarning loads a configuration and prints its warnings.
func loadWarning(cmd *cobra.Command, file string) (*config.Config, error) {
	cfg, warnings, err := config.Load(file)
	warn(cmd, warnings)
	return cfg, err
}

func warn(cmd *cobra.Command, warnings config.Problems) {
	for _, w := range warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %s\n", w)
	}
}
