package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"azx/internal/app"
)

// methodCommand is azx method: a direct method.
func methodCommand() *cobra.Command {
	var hub app.OperatorHub
	var c app.OperatorCall
	cmd := &cobra.Command{
		Use:   "method DEVICE[/MODULE] NAME [PAYLOAD]",
		Short: "Run a direct method of a device or module",
		Long: `Run a direct method through the hub of the configuration, and print status and payload of the answer. PAYLOAD is JSON.
Without the flags the time-outs of the configuration count; a connect time-out of 0 wants a device that is connected.
Exit codes: 0 a status of 2xx, 1 another status, 2 usage, 3 refused by the hub, 4 unreachable or not answered in time.`,
		Example: `  azx method pump-1 reboot
  azx method gateway-1/modbus read '{"register":4}' --timeout 10s --connect-timeout 20s`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Target, c.Name = args[0], args[1]
			if len(args) == 3 {
				if c.Payload = json.RawMessage(args[2]); !json.Valid(c.Payload) {
					return usage(errors.New(`PAYLOAD is no JSON; text has double quotes around it: '"text"'`))
				}
			}
			operator, err := app.OpenOperator(cmd.Context(), hub, false)
			if err != nil {
				return err
			}
			defer operator.Close()
			answer, err := operator.Call(cmd.Context(), c)
			if err != nil {
				return err
			}
			if err := printJSON(cmd.OutOrStdout(), answer); err != nil {
				return err
			}
			if answer.Status/100 != 2 {
				return fmt.Errorf("%s answered %s with status %d", c.Target, c.Name, answer.Status)
			}
			return nil
		},
	}
	hubFlags(cmd, &hub)
	cmd.Flags().DurationVar(&c.Response, "timeout", 0, "how long to wait for the answer, 5s to 5m (default as the file says, else 30s)")
	cmd.Flags().DurationVar(&c.Connect, "connect-timeout", 0, "how long to wait for the device to connect, up to 5m (default as the file says, else not at all)")
	return cmd
}
