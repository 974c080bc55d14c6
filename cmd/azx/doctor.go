package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"azx/internal/app"
	"azx/internal/config"
	"azx/internal/diagnose"
)

// doctorCommand is azx doctor: the online check of everything that a connector needs.
func doctorCommand() *cobra.Command {
	var file string
	var asJSON bool
	var o app.DoctorOptions
	cmd := &cobra.Command{
		Use:   "doctor -c azx.yaml",
		Short: "Check everything that the connector needs, online, and say what to do",
		Long: `Check everything that the connector needs: folders, names, ports, certificates, clocks, keys and rights, the consumer
group, what the hub still has, the platform's packages and Things. It reads only, and may run beside a connector.
With --two-way, and if no connector runs, the routing group is bound for a moment, and the platform calls through it.

Each line begins with OK, WARN, FAIL or SKIP; the hint below says what to do. Exit codes: 0 all is well, 5 there are
warnings, 4 something cannot be reached or does not let us in, 3 something has to be changed first.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Config, o.Warnings, err = config.Load(file); err != nil {
				return err
			}
			tell := func(f diagnose.Finding) { printFinding(cmd.OutOrStdout(), f) }
			if asJSON {
				tell = func(diagnose.Finding) {}
			}
			findings, err := app.Doctor(cmd.Context(), o, tell)
			if err != nil {
				return err
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), map[string]any{"findings": findings}); err != nil {
					return err
				}
			}
			return diagnosis(findings)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "azx.yaml", "the configuration file")
	cmd.Flags().BoolVar(&o.TwoWay, "two-way", false, "bind the routing group for a moment, if no connector has, and try it")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// printFinding prints a check in one line, and below it what to do.
func printFinding(w io.Writer, f diagnose.Finding) {
	fmt.Fprintf(w, "%-4s  %-23s %s\n", strings.ToUpper(string(f.Status)), f.Check, f.Text)
	for line := range strings.Lines(f.Hint) {
		fmt.Fprintf(w, "      %-23s hint: %s\n", "", strings.TrimSpace(line))
	}
}

// diagnosis is the error, and with it the exit code, of what the checks found.
func diagnosis(findings []diagnose.Finding) error {
	failed, warned := diagnose.Count(findings, diagnose.Fail), diagnose.Count(findings, diagnose.Warn)
	sum := errors.New(plural(failed, "check") + " failed, " + plural(warned, "warning"))
	if failed == 0 && warned == 0 {
		return nil
	}
	if failed == 0 {
		return partial(errors.New(plural(warned, "warning")))
	}
	for _, f := range findings {
		if f.Status == diagnose.Fail && !isHubError(f.Err) && exitCode(f.Err) == exitConfig {
			return &exitError{exitConfig, sum}
		}
	}
	return unreachable(sum)
}

// isHubError reports whether an error is one for which azx run ends with exitUnreachable.
func isHubError(err error) bool { return errors.As(err, new(*app.HubError)) }

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
