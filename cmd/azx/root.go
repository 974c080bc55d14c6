package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"azx/internal/app"
)

const welcome = `azx moves device messages from Azure IoT Hub to ThingWorx and writes them to the properties of Things.
It brings a local IoT hub and a local ThingWorx-compatible platform, so it runs without an account or a licence.

   device SDK ──MQTT/AMQP──▶ IoT Hub ──events──▶ azx run ──AlwaysOn──▶ ThingWorx
                             azx hub                                  azx platform

   azx demo                                  all of it in one process, with a page to look at
   azx hub --dir hub                         a local IoT hub that Microsoft's SDKs accept
   azx config init --hub hub --platform tw   a configuration for azx run

All commands: azx help
`

// rootCommand is azx with all its verbs.
func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "azx",
		Short:         "An open ThingWorx Azure IoT Hub Connector",
		Version:       app.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), welcome)
			return err
		},
	}
	root.AddCommand(
		runCommand(), reloadCommand(), validateCommand(), doctorCommand(), dryRunCommand(), tailCommand(), quarantineCommand(), configCommand(), checkpointCommand(), sendCommand(), methodCommand(), twinCommand(), importCommand(),
	)
	root.AddCommand(localCommands()...)
	return root
}
