//go:build !connector

package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"azx/internal/local/devices"
	"azx/internal/local/iothub"
	"azx/internal/local/iothub/serve"
	"azx/internal/observe"
)

// hubCommand is azx hub: the local IoT hub.
func hubCommand() *cobra.Command {
	o := serve.Options{Ports: serve.StandardPorts()}
	var logLevel string
	var ahead time.Duration
	cmd := &cobra.Command{
		Use:   "hub --dir DIR",
		Short: "Run a local IoT hub",
		Long: `Run a local IoT hub that Microsoft's SDKs accept: over MQTT, AMQP, both through WebSockets, and HTTPS.
DIR keeps its devices, keys, certificates, consumer groups and messages, and gets hub.json, which says how to reach it.
Trust DIR/ca.pem, for Node with NODE_EXTRA_CA_CERTS.

A message is acknowledged when it is on the disk: it outlives the end of the hub, however that comes. A hub that is
started again goes on with the same sequence numbers and offsets, so a reader goes on after its checkpoint. Messages are
kept for 24 hours, up to 256 MiB in each partition. One process at a time uses DIR.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Log, err = observe.NewLogger(cmd.ErrOrStderr(), "text", logLevel); err != nil {
				return usage(err)
			}
			if err := serve.CheckListen(o.Listen); err != nil {
				return usage(err)
			}
			if ahead != 0 {
				o.Clock = func() time.Time { return time.Now().Add(ahead) }
			}
			return runHub(cmd, o)
		},
	}
	cmd.PersistentFlags().StringVar(&o.Dir, "dir", "", "folder of the hub")
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1", "loopback address")
	cmd.Flags().StringVar(&o.Host, "host", "", "name of the hub, such as plant1.azure-devices.net (default localhost, or the name DIR was made for)")
	cmd.Flags().IntVar(&o.Ports.MQTT, "mqtt", o.Ports.MQTT, "port of MQTT; 0 takes any free one, here and below")
	cmd.Flags().IntVar(&o.Ports.AMQPS, "amqps", o.Ports.AMQPS, "port of AMQP over TLS")
	cmd.Flags().IntVar(&o.Ports.AMQP, "amqp", o.Ports.AMQP, "port of AMQP without TLS, for UseDevelopmentEmulator=true")
	cmd.Flags().IntVar(&o.Ports.HTTPS, "https", o.Ports.HTTPS, "port of HTTPS")
	cmd.Flags().IntVar(&o.Partitions, "partitions", 0, "number of partitions, which DIR keeps (default 4, or what DIR was made with)")
	cmd.Flags().BoolVar(&o.NoSync, "no-sync", false, "acknowledge before messages are synced to the disk: faster, and a power cut may cost all of them")
	cmd.Flags().DurationVar(&o.FeedbackDelay, "feedback-delay", 0, "how long outcomes of messages to devices wait, to be told together (default 15s)")
	cmd.Flags().DurationVar(&ahead, "clock-offset", 0, "run the hub's clock ahead of this machine's, or behind with a minus, to see what that does")
	cmd.Flags().DurationVar(&o.CertificateLife, "certificate-life", 0, "how long the server's certificate is good for (default 2160h); with a minus it has expired already")
	cmd.Flags().StringVar(&logLevel, "log-level", "warn", "debug, info, warn or error")
	_ = cmd.MarkPersistentFlagRequired("dir") // an error would mean that there is no such flag
	cmd.AddCommand(deviceCommand(&o.Dir), groupCommand(&o.Dir))
	return cmd
}

// runHub runs the hub until it is told to stop.
func runHub(cmd *cobra.Command, o serve.Options) error {
	o.Notice = func(text string) { fmt.Fprintln(cmd.OutOrStdout(), text) }
	running, err := serve.Start(cmd.Context(), o)
	if err != nil {
		return err
	}
	p := running.Info.Ports
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "hub %s at %s: MQTT %d, AMQP %d (without TLS %d), HTTPS %d\nready\n",
		running.Info.HostName, running.Info.Listen, p.MQTT, p.AMQPS, p.AMQP, p.HTTPS)
	if err != nil {
		running.Stop()
	}
	return errors.Join(err, running.Wait())
}

// deviceCommand is azx hub device.
func deviceCommand(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "device",
		Short: "Add and list devices of a running hub, and send as one",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(deviceAddCommand(dir), deviceSendCommand(dir), deviceListCommand(dir))
	return cmd
}

func deviceAddCommand(dir *string) *cobra.Command {
	var spec iothub.Spec
	cmd := &cobra.Command{
		Use:   "add ID [--edge] [--module M] [--parent EDGE] --dir DIR",
		Short: "Add a device or a module, and print its connection string",
		Long: `Add a device, or with --module a module of it, and print the connection string. With --edge and --module the edge
device is added as well. What is there already stays as it is, and its connection string is printed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			spec.Device = args[0]
			client, err := serve.Open(cmd.Context(), *dir)
			if err != nil {
				return unreachable(err)
			}
			connection, err := client.AddDevice(cmd.Context(), spec)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), connection)
			return err
		},
	}
	cmd.Flags().StringVar(&spec.Module, "module", "", "a module of the device")
	cmd.Flags().BoolVar(&spec.Edge, "edge", false, "an IoT Edge device")
	cmd.Flags().StringVar(&spec.Parent, "parent", "", "a leaf device of this IoT Edge device (it connects to the hub itself)")
	return cmd
}

func deviceSendCommand(dir *string) *cobra.Command {
	var id iothub.ID
	var every time.Duration
	cmd := &cobra.Command{
		Use:     "send ID JSON [--every 1s] --dir DIR",
		Short:   "Send a message as a device",
		Example: `  azx hub device send pump-1 '{"temperature":21.5}' --dir hub`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id.Device = args[0]
			body, err := devices.ParseBody(args[1])
			if err != nil {
				return usage(err)
			}
			client, err := serve.Open(cmd.Context(), *dir)
			if err != nil {
				return unreachable(err)
			}
			access, err := client.Access(cmd.Context(), id)
			if err != nil {
				return err
			}
			return sendAs(cmd, access, body, every)
		},
	}
	cmd.Flags().StringVar(&id.Module, "module", "", "send as this module of the device")
	cmd.Flags().DurationVar(&every, "every", 0, "send again and again at this interval, until Ctrl-C")
	return cmd
}

func sendAs(cmd *cobra.Command, a serve.Access, body []byte, every time.Duration) error {
	cfg := devices.Config{Credentials: a.Credentials, Address: a.Address, Roots: a.Roots}
	return devices.SendEvery(cmd.Context(), cfg, body, every, func(count int) {
		fmt.Fprintf(cmd.OutOrStdout(), "sent %d as %s\n", count, cfg.Credentials.ID)
	})
}

// groupCommand is azx hub group.
func groupCommand(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "group",
		Short: "Add consumer groups to a running hub",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "add NAME --dir DIR",
		Short: "Add a consumer group",
		Long: `Add a consumer group: readers of one do not disturb those of another. A hub has $Default and azx to begin with, and
20 at most. One that is there already stays as it is.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := serve.Open(cmd.Context(), *dir)
			if err != nil {
				return unreachable(err)
			}
			if err := client.AddConsumerGroup(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "consumer group "+args[0])
			return err
		},
	})
	return cmd
}

func deviceListCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "ls --dir DIR",
		Short: "List devices and modules, with the number of messages accepted since the hub was started",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := serve.Open(cmd.Context(), *dir)
			if err != nil {
				return unreachable(err)
			}
			rows, err := client.Devices(cmd.Context())
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(table, "ID\tEDGE\tSTATUS\tACCEPTED")
			for _, r := range rows {
				fmt.Fprintf(table, "%s\t%v\t%s\t%d\n", r.ID, r.Edge, r.Status, r.Accepted)
			}
			return table.Flush()
		},
	}
}
