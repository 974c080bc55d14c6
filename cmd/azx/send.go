package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"azx/internal/app"
)

// maxBody is more than a hub takes in a message, in bytes.
const maxBody = 1 << 20

// sendFlags are the flags of azx send.
type sendFlags struct {
	body, file string
	properties []string
	within     time.Duration
	wait       time.Duration
}

// sendCommand is azx send: a cloud-to-device message.
func sendCommand() *cobra.Command {
	var hub app.OperatorHub
	var m app.OperatorMessage
	var f sendFlags
	cmd := &cobra.Command{
		Use:   "send DEVICE (--body TEXT | --file FILE | -)",
		Short: "Send a message to a device",
		Long: `Send a cloud-to-device message through the hub of the configuration, and print its id once the hub has taken it.
The device gets it when it is connected; a hub keeps 50 for each device. A body that is JSON travels as such.

With --wait the command also waits for the outcome and prints it. It then reads the hub's feedback, of which there is
one queue for all back ends: records of other messages are given back, except those that the hub tells together
with this one's.
Exit codes: 0 done, 2 usage, 3 refused by the hub, 4 unreachable, 5 sent, but the device did not take it or the outcome
is not known.`,
		Example: `  azx send pump-1 --body '{"setpoint":40}'
  azx send pump-1 --file update.json --property kind=update --ttl 10m --wait
  echo hello | azx send pump-1 -`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			m.Device = args[0]
			if err := f.complete(cmd, args[1:], &m); err != nil {
				return usage(err)
			}
			operator, err := app.OpenOperator(cmd.Context(), hub, f.wait > 0)
			if err != nil {
				return err
			}
			defer operator.Close()
			sent, err := operator.Send(cmd.Context(), m, f.within, f.wait)
			return reportSent(cmd.OutOrStdout(), sent, err)
		},
	}
	hubFlags(cmd, &hub)
	cmd.Flags().StringVar(&f.body, "body", "", "the body")
	cmd.Flags().StringVar(&f.file, "file", "", "a file with the body; - is the standard input")
	cmd.Flags().StringArrayVar(&f.properties, "property", nil, "an application property, KEY=VALUE; may be given again")
	cmd.Flags().StringVar(&m.Ack, "ack", "", "outcomes that the hub tells: none, positive, negative or full (default none, with --wait full)")
	cmd.Flags().DurationVar(&m.TTL, "ttl", 0, "how long the hub keeps the message, 1s to 48h (default as the hub is set)")
	cmd.Flags().DurationVar(&f.within, "timeout", 30*time.Second, "how long to try to hand the message over")
	cmd.Flags().DurationVar(&f.wait, "wait", 0, "wait for the outcome, --wait alone for a minute")
	cmd.Flags().Lookup("wait").NoOptDefVal = "1m"
	cmd.MarkFlagsMutuallyExclusive("body", "file")
	return cmd
}

// complete checks the flags and fills the message from them. rest is what stands behind the device: "-" or nothing.
func (f *sendFlags) complete(cmd *cobra.Command, rest []string, m *app.OperatorMessage) (err error) {
	if f.wait > 0 && m.Ack == "" {
		m.Ack = "full"
	}
	if m.Properties, err = parseProperties(f.properties); err != nil {
		return err
	}
	given := cmd.Flags().Changed("body") || cmd.Flags().Changed("file")
	switch {
	case m.Ack != "" && m.Ack != "none" && m.Ack != "positive" && m.Ack != "negative" && m.Ack != "full":
		return fmt.Errorf("--ack: %q is not none, positive, negative or full", m.Ack)
	case f.wait < 0 || f.within <= 0:
		return errors.New("--wait and --timeout: want a time such as 30s")
	case f.wait > 0 && m.Ack == "none":
		return errors.New("--wait: with --ack none the hub tells no outcome")
	case m.TTL != 0 && (m.TTL < time.Second || m.TTL > 48*time.Hour):
		return fmt.Errorf("--ttl: %s is not between 1s and 48h", m.TTL)
	case len(rest) == 1 && (rest[0] != "-" || given):
		return errors.New("behind the device comes either --body, --file or -")
	case len(rest) == 0 && !given:
		return errors.New("the message has no body: give --body, --file or -")
	case cmd.Flags().Changed("body"):
		m.Body = []byte(f.body)
		return nil
	case len(rest) == 1:
		f.file = "-"
	}
	m.Body, err = readBody(cmd.InOrStdin(), f.file)
	return err
}

func parseProperties(pairs []string) (map[string]string, error) {
	properties := map[string]string{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("--property: %q is not KEY=VALUE", pair)
		}
		properties[key] = value
	}
	return properties, nil
}

// readBody reads a file, or stdin for "-".
func readBody(stdin io.Reader, name string) ([]byte, error) {
	from := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		from = file
	}
	body, err := io.ReadAll(io.LimitReader(from, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = fmt.Errorf("the body has more than %d bytes; a hub takes 64 KiB", maxBody)
	}
	return body, err
}

// reportSent prints what became of a message. That the hub has it counts as done in part, if more was asked for.
func reportSent(out io.Writer, sent app.Sent, err error) error {
	if sent.MessageID == "" {
		return err
	}
	if failed := printJSON(out, sent); failed != nil {
		return failed
	}
	switch {
	case err != nil:
		return partial(fmt.Errorf("the hub has the message; %w", err))
	case sent.Outcome != "" && sent.Outcome != "Success":
		return partial(fmt.Errorf("the device did not take the message: %s", sent.Outcome))
	}
	return nil
}

// hubFlags adds the flags that say which hub a verb is about.
func hubFlags(cmd *cobra.Command, hub *app.OperatorHub) {
	cmd.Flags().StringVarP(&hub.File, "config", "c", "azx.yaml", "the configuration file")
	cmd.Flags().StringVar(&hub.Hub, "hub", "", "the hub of the file, by its hub Thing (default the only one)")
	cmd.Flags().StringVar(&hub.ConnectionStringFile, "connection-string-file", "", "instead of a configuration: a file with a hub's connection string")
	cmd.Flags().StringVar(&hub.CAFile, "ca-file", "", "with a connection string: PEM file of extra roots")
	cmd.Flags().StringVar(&hub.HTTPS, "https", "", "with a connection string: host:port to dial instead of the hub's port 443")
	cmd.Flags().StringVar(&hub.AMQPS, "amqps", "", "with a connection string: host:port to dial instead of the hub's port 5671")
	for _, file := range []string{"config", "hub"} {
		cmd.MarkFlagsMutuallyExclusive(file, "connection-string-file")
		for _, alone := range []string{"ca-file", "https", "amqps"} {
			cmd.MarkFlagsMutuallyExclusive(file, alone)
		}
	}
}

// printJSON prints a value for people and scripts.
func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
