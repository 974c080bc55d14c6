package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"azx/internal/app"
	"azx/internal/config"
	"azx/internal/fault"
)

// reloadCommand is azx reload: a running connector reads its file again.
func reloadCommand() *cobra.Command {
	var file, admin string
	cmd := &cobra.Command{
		Use:   "reload -c azx.yaml",
		Short: "Have a running connector read its file again",
		Long: `Have the connector on this machine read its own file again, as SIGHUP does, and print what has changed. What can take
effect at once does; the rest is named and waits for a restart. A file with problems changes nothing.
The connector is found by admin.listen of the file. Exit codes: 0 all of it is in effect, 3 refused because of the
configuration, 4 the connector or a system that it asked does not answer or refuses a credential, 5 some needs a restart.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if admin == "" {
				var err error
				if admin, err = config.AdminOf(file); err != nil {
					return &fault.Problem{Op: "find the connector", Class: fault.Fatal, Cause: err, Hint: "name its file with -c, or its address with --admin"}
				}
			}
			if _, _, err := net.SplitHostPort(admin); err != nil {
				return usage(fmt.Errorf("--admin: %w", err))
			}
			answer, err := app.Reload(cmd.Context(), admin)
			if err != nil {
				return err
			}
			return tellReloaded(cmd.OutOrStdout(), answer)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "azx.yaml", "the configuration file of the connector")
	cmd.Flags().StringVar(&admin, "admin", "", "host:port of its admin surface, if it is not the file's")
	return cmd
}

// tellReloaded prints what came of it; the error has the exit code.
func tellReloaded(w io.Writer, r app.Reloaded) error {
	if r.Refused != "" {
		class := fault.Fatal
		if r.Unreachable {
			class = fault.Transient
		}
		return &fault.Problem{Op: r.Connector + " keeps its settings", Class: class, Cause: errors.New(r.Refused), Hint: r.Hint}
	}
	if len(r.Live)+len(r.Restart) == 0 {
		fmt.Fprintf(w, "%s: nothing has changed\n", r.Connector)
		return nil
	}
	tellChanges(w, r.Connector+": in effect", r.Live)
	tellChanges(w, r.Connector+": waiting for a restart", r.Restart)
	if len(r.Restart) > 0 {
		var keys []string
		for _, c := range r.Restart {
			keys = append(keys, c.Path)
		}
		return partial(&fault.Problem{Op: "reload", Class: fault.Fatal, Cause: errors.New("not in effect: " + strings.Join(keys, ", ")),
			Hint: "restart the connector"})
	}
	return nil
}

func tellChanges(w io.Writer, heading string, changes []config.Change) {
	if len(changes) == 0 {
		return
	}
	fmt.Fprintln(w, heading)
	for _, c := range changes {
		fmt.Fprintf(w, "  %s\n", c)
	}
}
