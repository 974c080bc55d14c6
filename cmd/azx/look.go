package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"azx/internal/app"
	"azx/internal/config"
	"azx/internal/tail"
)

// dryRunCommand is azx dry-run: what the connector would write.
func dryRunCommand() *cobra.Command {
	var file, start string
	var o app.DryRunOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "dry-run -c azx.yaml",
		Short: "Read real messages, and print what the connector would write",
		Long: `Read the messages that the connector would read next, up to the newest one there is, and print what it would write: by
the connector's own rules, with the properties that the platform's Things have now. Nothing is written, and no checkpoint
moves. What the platform would say to a write cannot be known.

Messages are read without taking a partition from anybody. Where a connector reads the consumer group, look through
another one: --consumer-group '$Default'.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Messages < 1 {
				return usage(fmt.Errorf("--messages: %d is less than 1", o.Messages))
			}
			if start != "" {
				at, err := config.ParseStart(start)
				if err != nil {
					return usage(fmt.Errorf("--start: %w", err))
				}
				if at.Latest {
					return usage(errors.New("--start: from the latest message on there is nothing to look at; see azx tail"))
				}
				o.Start = &at
			}
			if o.Config, err = load(cmd, file); err != nil {
				return err
			}
			sum, err := app.DryRun(cmd.Context(), o, printer(cmd.OutOrStdout(), asJSON))
			if err != nil {
				return err
			}
			more := ""
			if sum.Waiting {
				more = "; there are more (--messages)"
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d would be written, %d skipped, %d put aside; nothing was written, and no checkpoint moved%s\n",
				plural(sum.Messages, "message"), sum.Delivered, sum.Skipped, sum.Quarantined, more)
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "azx.yaml", "the configuration file")
	cmd.Flags().StringVar(&start, "start", "", "begin here and not at the checkpoints: earliest or an RFC 3339 time")
	cmd.Flags().StringVar(&o.Device, "device", "", "messages of this device only")
	cmd.Flags().IntVar(&o.Messages, "messages", 100, "how many messages at most")
	cmd.Flags().StringVar(&o.Hub, "hub", "", "a hub Thing of the file, if that has several")
	cmd.Flags().StringVar(&o.Group, "consumer-group", "", "look through this consumer group (default: that of the connector)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// tailCommand is azx tail: messages as they pass.
func tailCommand() *cobra.Command {
	var file, stage string
	var o app.TailOptions
	var within time.Duration
	var most int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "tail --device ID -c azx.yaml",
		Short: "Watch messages pass through the connector",
		Long: `Watch messages pass through the connector that runs with this file, on this machine: as they were received from the
hub, as they were decoded, or what the platform has acknowledged and what was not written, and why. The connector goes on
as ever: if more passes than can be shown, the rest is counted. A stream lasts ten minutes at most.

If no connector runs, or with --standalone, the hub is read beside others, from now on; that shows no writes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Stage, err = tail.ParseStage(stage); err != nil {
				return usage(fmt.Errorf("--stage: %w", err))
			}
			if o.Config, err = load(cmd, file); err != nil {
				return err
			}
			o.Notice = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) }
			ctx := cmd.Context()
			if within > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, within)
				defer cancel()
			}
			err = app.Tail(ctx, o, atMost(most, printer(cmd.OutOrStdout(), asJSON)))
			if errors.Is(err, errEnough) || ctx.Err() != nil {
				return nil
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "azx.yaml", "the configuration file")
	cmd.Flags().StringVar(&o.Device, "device", "", "messages of this device only")
	cmd.Flags().StringVar(&stage, "stage", string(tail.Written), "received, decoded or written")
	cmd.Flags().DurationVar(&within, "for", 0, "stop after this time; 0 goes on until Ctrl-C")
	cmd.Flags().IntVar(&most, "messages", 0, "stop after so many messages; 0 goes on")
	cmd.Flags().BoolVar(&o.Standalone, "standalone", false, "read the hub, also if a connector runs")
	cmd.Flags().StringVar(&o.Hub, "hub", "", "with --standalone: a hub Thing of the file, if that has several")
	cmd.Flags().StringVar(&o.Group, "consumer-group", "", "read the hub through this consumer group (default: that of the connector)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

var errEnough = errors.New("enough messages")

// atMost ends with errEnough after so many messages, 0 for any number.
func atMost(most int, tell func(app.Seen) error) func(app.Seen) error {
	told := 0
	return func(s app.Seen) error {
		if err := tell(s); err != nil {
			return err
		}
		if told++; told == most {
			return errEnough
		}
		return nil
	}
}

func printer(w io.Writer, asJSON bool) func(app.Seen) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		return func(s app.Seen) error { return encoder.Encode(s) }
	}
	return func(s app.Seen) error { return printSeen(w, s) }
}

// printSeen prints a message in a line, and what is known of it below.
func printSeen(w io.Writer, s app.Seen) error {
	device := s.Device
	if s.Module != "" {
		device += "/" + s.Module
	}
	_, err := fmt.Fprintf(w, "%s  %s partition %s, sequence %d, offset %s: %s\n", s.Enqueued.Format("2006-01-02T15:04:05.000Z07:00"), s.Hub, s.Partition, s.Sequence, s.Offset, device)
	if s.BodyBytes > 0 {
		fmt.Fprintf(w, "  %s %s, %d bytes: %s\n", s.ContentType, s.ContentEncoding, s.BodyBytes, s.Body)
	}
	for _, k := range slices.Sorted(maps.Keys(s.Properties)) {
		fmt.Fprintf(w, "  property %s: %s\n", k, s.Properties[k])
	}
	for _, r := range s.Readings {
		fmt.Fprintf(w, "  %s: %s\n", r.Key, r.Value)
	}
	for _, v := range s.Writes {
		fmt.Fprintf(w, "  write %s.%s = %s (%s) at %s\n", s.Thing, v.Property, v.Value, v.Type, v.Time.Format("2006-01-02T15:04:05.000Z07:00"))
	}
	if s.Reason != "" {
		fmt.Fprintf(w, "  %s: %s", s.Result, s.Reason)
		if s.Error != "" {
			fmt.Fprintf(w, ": %s", s.Error)
		}
		fmt.Fprintln(w)
	}
	if s.Hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", s.Hint)
	}
	return err
}
