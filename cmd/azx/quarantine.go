package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"azx/internal/app"
	"azx/internal/fault"
)

// quarantineCommand is azx quarantine: messages that could not be delivered.
func quarantineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "Look at messages that could not be delivered, and try them again",
		Long: `Look at messages that could not be delivered, write them again once the cause is mended, or let them go. The connector that
runs with the file on this machine is asked; ls and show read the folder if none runs.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(quarantineLsCommand(), quarantineShowCommand(), quarantineReplayCommand(), quarantineDropCommand(), quarantineResumeCommand())
	return cmd
}

// selecting are the flags that say which records are meant.
type selecting struct {
	file  string
	since string
	all   bool
	by    app.Selection
}

func (s *selecting) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.file, "config", "c", "azx.yaml", "the configuration file of the connector")
	cmd.Flags().StringVar(&s.by.Reason, "reason", "", "records of this reason only")
	cmd.Flags().StringVar(&s.by.Device, "device", "", "records of this device only")
	cmd.Flags().StringVar(&s.since, "since", "", "records put aside since then: 2h, or 2026-01-31T12:00:00Z")
}

// read takes the flags and ids of the command line. needed wants one of them.
func (s *selecting) read(ids []string, needed bool) error {
	for _, text := range ids {
		id, err := strconv.ParseUint(text, 10, 64)
		if err != nil || id == 0 {
			return usage(fmt.Errorf("%q is no id of a record", text))
		}
		s.by.IDs = append(s.by.IDs, id)
	}
	if len(s.by.IDs) > app.MostSelected {
		return usage(fmt.Errorf("more than %d ids", app.MostSelected))
	}
	if s.since != "" {
		if ago, err := time.ParseDuration(s.since); err == nil && ago >= 0 {
			s.by.Since = time.Now().Add(-ago)
		} else if s.by.Since, err = time.Parse(time.RFC3339, s.since); err != nil {
			return usage(fmt.Errorf("--since: %q: want a duration such as 2h or a time such as 2026-01-31T12:00:00Z", s.since))
		}
	}
	switch {
	case needed && s.by.IsAll() && !s.all:
		return usage(errors.New("nothing is selected: name ids, --reason, --device or --since, or say --all"))
	case s.all && !s.by.IsAll():
		return usage(errors.New("--all goes with no other selection"))
	}
	return nil
}

func quarantineLsCommand() *cobra.Command {
	var s selecting
	var most int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls -c azx.yaml",
		Short: "List messages that could not be delivered, the oldest first, and count them by reason",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.read(nil, false); err != nil {
				return err
			}
			if most < 0 || most > 10_000 {
				return usage(fmt.Errorf("--limit: %d is not within 0 and 10000", most))
			}
			cfg, err := load(cmd, s.file)
			if err != nil {
				return err
			}
			l, err := app.ListQuarantine(cmd.Context(), cfg, s.by, most, false)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), l)
			}
			for _, d := range l.Damaged {
				fmt.Fprintln(cmd.ErrOrStderr(), d)
			}
			return printListing(cmd.OutOrStdout(), l)
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&s.by.Superseded, "superseded", false, "only those whose replay found newer values on the platform")
	cmd.Flags().IntVar(&most, "limit", 50, "records to list at most; 0 for the counts alone")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func printListing(w io.Writer, l app.Listing) error {
	for _, r := range l.Records {
		fmt.Fprintf(w, "%d  %s  %s  partition %s, sequence %d  %s", r.ID, r.Time.Format(time.RFC3339), deviceOf(r), r.Partition, r.Sequence, r.Reason)
		if r.State != "" {
			fmt.Fprintf(w, " (%s)", r.State)
		}
		if r.Error != "" {
			fmt.Fprintf(w, ": %s", oneLine(r.Error))
		}
		fmt.Fprintln(w)
	}
	if n := l.Total - len(l.Records); n > 0 && len(l.Records) > 0 {
		fmt.Fprintf(w, "... and %d more: --limit\n", n)
	}
	for _, reason := range slices.Sorted(maps.Keys(l.Reasons)) {
		t := l.Reasons[reason]
		fmt.Fprintf(w, "%s: %d", reason, t.Records)
		if t.Superseded > 0 {
			fmt.Fprintf(w, ", of which %d superseded", t.Superseded)
		}
		fmt.Fprintf(w, " (%d bytes)\n", t.Bytes)
	}
	_, err := fmt.Fprintf(w, "%s\n", plural(l.Total, "message"))
	return err
}

func deviceOf(r app.PutAside) string {
	if r.Module != "" {
		return r.Device + "/" + r.Module
	}
	return r.Device
}

// oneLine keeps a list a list, whatever an error says.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func quarantineShowCommand() *cobra.Command {
	var s selecting
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID -c azx.yaml",
		Short: "Show a message that could not be delivered, with its original bytes",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.read(args, true); err != nil {
				return err
			}
			cfg, err := load(cmd, s.file)
			if err != nil {
				return err
			}
			l, err := app.ListQuarantine(cmd.Context(), cfg, s.by, 1, true)
			if err != nil {
				return err
			}
			if len(l.Records) == 0 {
				return &fault.Problem{Op: "show record " + args[0], Class: fault.Fatal, Cause: app.ErrNoRecord, Hint: "azx quarantine ls"}
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), l.Records[0])
			}
			return printRecord(cmd.OutOrStdout(), l.Records[0])
		},
	}
	cmd.Flags().StringVarP(&s.file, "config", "c", "azx.yaml", "the configuration file of the connector")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON, the body in base64")
	return cmd
}

func printRecord(w io.Writer, r app.PutAside) error {
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "%-12s %s\n", name, oneLine(text))
		}
	}
	line("id", strconv.FormatUint(r.ID, 10))
	line("put aside", r.Time.Format(time.RFC3339Nano))
	line("reason", strings.TrimSpace(r.Reason+" "+r.State))
	line("stage", r.Stage)
	line("error", r.Error)
	line("hint", r.Hint)
	line("device", deviceOf(r))
	line("Thing", r.Thing)
	line("hub", r.Hub)
	line("from", fmt.Sprintf("partition %s, sequence %d, offset %s, enqueued %s", r.Partition, r.Sequence, r.Offset, r.Enqueued.Format(time.RFC3339Nano)))
	line("content", r.ContentType+" "+r.ContentEncoding)
	for _, k := range slices.Sorted(maps.Keys(r.Properties)) {
		line("property", k+": "+r.Properties[k])
	}
	if utf8.Valid(r.Body) {
		_, err := fmt.Fprintf(w, "%-12s %d bytes\n%s\n", "body", len(r.Body), r.Body)
		return err
	}
	_, err := fmt.Fprintf(w, "%-12s %d bytes that are no text: --json has them\n", "body", len(r.Body))
	return err
}

func quarantineReplayCommand() *cobra.Command {
	var s selecting
	cmd := &cobra.Command{
		Use:   "replay [ID...] -c azx.yaml",
		Short: "Have the connector write messages again that could not be delivered",
		Long: `Have the connector write messages again, with their own times. A value is written only if it is newer than the platform's: a
message of which none is stays, as superseded. One that is refused again stays, with the new reason. A message that was
delivered is not written a second time. Exit code 5: some were not delivered.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.read(args, true); err != nil {
				return err
			}
			cfg, err := load(cmd, s.file)
			if err != nil {
				return err
			}
			t, err := app.ReplayQuarantine(cmd.Context(), cfg, s.by)
			if err != nil {
				return err
			}
			return printReplayed(cmd.OutOrStdout(), t)
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&s.all, "all", false, "all of them")
	return cmd
}

// printReplayed prints what has become of messages; the error has the exit code.
func printReplayed(w io.Writer, t app.ReplayTally) error {
	fmt.Fprintf(w, "delivered %d, superseded %d\n", t.Delivered, t.Superseded)
	var left []string
	for _, reason := range slices.Sorted(maps.Keys(t.Refused)) {
		left = append(left, fmt.Sprintf("%d refused (%s)", t.Refused[reason], reason))
	}
	if t.Elsewhere > 0 {
		left = append(left, fmt.Sprintf("%d of partitions that this connector does not read now", t.Elsewhere))
	}
	if t.Unfinished > 0 {
		left = append(left, fmt.Sprintf("%d without an answer", t.Unfinished))
	}
	if len(left) == 0 {
		return nil
	}
	return partial(&fault.Problem{Op: "replay", Class: fault.Rejected, Cause: errors.New(strings.Join(left, ", ")), Hint: "they stay: azx quarantine ls"})
}

func quarantineDropCommand() *cobra.Command {
	var s selecting
	cmd := &cobra.Command{
		Use:   "drop [ID...] -c azx.yaml",
		Short: "Have the connector let messages go that could not be delivered",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.read(args, true); err != nil {
				return err
			}
			cfg, err := load(cmd, s.file)
			if err != nil {
				return err
			}
			d, err := app.DropQuarantine(cmd.Context(), cfg, s.by)
			if err == nil {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "dropped %s\n", plural(d.Dropped, "message"))
			}
			return err
		},
	}
	s.flags(cmd)
	cmd.Flags().BoolVar(&s.by.Superseded, "superseded", false, "only those whose replay found newer values on the platform")
	cmd.Flags().BoolVar(&s.all, "all", false, "all of them")
	return cmd
}

func quarantineResumeCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "resume -c azx.yaml",
		Short: "Have the connector read on that paused because everything was refused",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd, file)
			if err != nil {
				return err
			}
			r, err := app.ResumeReading(cmd.Context(), cfg)
			switch {
			case err == nil && len(r.Hubs) == 0:
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "nothing paused")
			case err == nil:
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "reading goes on: %s\n", strings.Join(r.Hubs, ", "))
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "azx.yaml", "the configuration file of the connector")
	return cmd
}
