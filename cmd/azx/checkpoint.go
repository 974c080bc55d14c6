package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"azx/internal/app"
	"azx/internal/config"
)

// checkpointCommand is azx checkpoint: how far the connector has read, and how to change that.
func checkpointCommand() *cobra.Command {
	var file, hub string
	cmd := &cobra.Command{
		Use:   "checkpoint",
		Short: "Show and change how far the connector has read",
		Long: `Show and change how far the connector has read: the folder that checkpoint.file names.
It can be shown at any time, and changed while no connector runs with it. A log is what positions are valid in:
ENDPOINT/EVENT-HUB/CONSUMER-GROUP, as azx checkpoint show prints it. Where the file has several hubs, what changes
something needs --hub.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVarP(&file, "config", "c", "azx.yaml", "the configuration file")
	cmd.PersistentFlags().StringVar(&hub, "hub", "", "a hub Thing of the file, if that has several")
	cmd.AddCommand(checkpointShowCommand(&file, &hub), checkpointSetCommand(&file, &hub), checkpointClearCommand(&file, &hub),
		checkpointCopyCommand(&file, &hub), checkpointImportCommand(&file, &hub))
	return cmd
}

func checkpointShowCommand(file, hub *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show -c azx.yaml",
		Short: "Show how far each partition has been read",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd, *file)
			if err != nil {
				return err
			}
			shown, err := app.ShowCheckpoints(cmd.Context(), cfg, *hub)
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(cmd.OutOrStdout(), shown)
			}
			return printCheckpoints(cmd.OutOrStdout(), shown)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func printCheckpoints(w io.Writer, f app.CheckpointFolder) error {
	fmt.Fprintf(w, "folder %s", f.Folder)
	if f.Holder != "" {
		fmt.Fprintf(w, ", in use by %s", f.Holder)
	}
	fmt.Fprintln(w)
	if len(f.Logs) == 0 {
		fmt.Fprintln(w, "no checkpoints")
	}
	for _, log := range f.Logs {
		fmt.Fprintf(w, "log %s", log.Identity)
		if log.Hub != "" {
			fmt.Fprintf(w, " of %s", log.Hub)
		}
		if log.Current {
			fmt.Fprint(w, " (current)")
		}
		fmt.Fprintln(w)
		printPartitions(w, log.Partitions)
	}
	return nil
}

func printPartitions(w io.Writer, all []app.PartitionCheckpoint) {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "PARTITION\tSEQUENCE\tOFFSET\tENQUEUED")
	for _, p := range all {
		enqueued := "-"
		if p.Enqueued != nil {
			enqueued = p.Enqueued.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", p.Partition, p.Sequence, p.Offset, enqueued)
	}
	_ = table.Flush() // the writer's errors are the terminal's
}

func checkpointSetCommand(file, hub *string) *cobra.Command {
	var log string
	var at app.PartitionCheckpoint
	cmd := &cobra.Command{
		Use:   "set PARTITION --offset OFFSET --sequence NUMBER -c azx.yaml",
		Short: "Put a partition's checkpoint somewhere else",
		Long: `Put a partition's checkpoint somewhere else: reading goes on behind the message with this offset. Behind where it
was, messages are written again, with the same times; ahead of it, those between are left out. Offset and sequence number
of a message are in the quarantine, in the log and in what azx dry-run prints.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := load(cmd, *file)
			if err != nil {
				return err
			}
			at.Partition = args[0]
			log, err := app.SetCheckpoint(cmd.Context(), app.CheckpointsOf{Config: cfg, Hub: *hub, Log: log}, at)
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "partition %s of %s goes on behind sequence %d\n", at.Partition, log, at.Sequence)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&log, "log", "", "the log, if it is not the current one")
	cmd.Flags().StringVar(&at.Offset, "offset", "", "offset of the last message that counts as read")
	cmd.Flags().Int64Var(&at.Sequence, "sequence", 0, "its sequence number")
	_ = cmd.MarkFlagRequired("offset") // an error would mean that there is no such flag
	_ = cmd.MarkFlagRequired("sequence")
	return cmd
}

func checkpointClearCommand(file, hub *string) *cobra.Command {
	var log string
	cmd := &cobra.Command{
		Use:   "clear PARTITION -c azx.yaml",
		Short: "Take a partition's checkpoint away, so that it begins as start says",
		Long: `Take a partition's checkpoint away, so that it begins as start says. What is known of the presence of its devices goes with it, since
that was as of the checkpoint: they are known again once they are heard of.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := load(cmd, *file)
			if err != nil {
				return err
			}
			log, err := app.ClearCheckpoint(cmd.Context(), app.CheckpointsOf{Config: cfg, Hub: *hub, Log: log}, args[0])
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "partition %s of %s has no checkpoint\n", args[0], log)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&log, "log", "", "the log, if it is not the current one")
	return cmd
}

func checkpointCopyCommand(file, hub *string) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "copy FROM-LOG TO-LOG -c azx.yaml",
		Short: "Take the positions of one log over to another",
		Long: `Take the positions of one log over to another: the same event hub, read by another consumer group. Positions of
another event hub mean nothing; --force copies them all the same, and replaces what the target has.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := load(cmd, *file)
			if err != nil {
				return err
			}
			done, err := app.CopyCheckpoints(cmd.Context(), args[0], app.CheckpointsOf{Config: cfg, Hub: *hub, Log: args[1]}, force)
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "copied to %s\n", args[1])
				printPartitions(cmd.OutOrStdout(), done)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "copy from another event hub, and replace what is there")
	return cmd
}

func checkpointImportCommand(file, hub *string) *cobra.Command {
	var log string
	var force bool
	var from app.LeaseSource
	cmd := &cobra.Command{
		Use:   "import [FOLDER] -c azx.yaml",
		Short: "Take over the positions of another connector's EventProcessorHost",
		Long: `Take over the positions that a connector with the older EventProcessorHost left behind: its lease blobs, which it kept
in a storage container as GROUP/PARTITION. --container reads them there, and --account-file names a file with the
storage account's connection string, or its URL with a shared access signature that allows to read and list. Or FOLDER has
them as files, as the Azure tools download a container:

  az storage blob download-batch --account-name ACCOUNT --source CONTAINER --destination FOLDER

Only the blobs of the file's consumer group are taken, where there are folders for groups. Stop that connector first: what
it reads afterwards would be written twice.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == cmd.Flags().Changed("container") {
				return errors.New("name the blobs once: either FOLDER or --container")
			}
			return cobra.MaximumNArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				from.Folder = args[0]
			}
			cfg, err := load(cmd, *file)
			if err != nil {
				return err
			}
			done, err := app.ImportCheckpoints(cmd.Context(), app.CheckpointsOf{Config: cfg, Hub: *hub, Log: log}, from, force)
			for _, name := range done.Ignored {
				fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %s is no lease\n", name)
			}
			if err == nil {
				fmt.Fprintf(cmd.OutOrStdout(), "imported into %s\n", done.Identity)
				printPartitions(cmd.OutOrStdout(), done.Partitions)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&log, "log", "", "the log, if it is not that of the file's hub")
	cmd.Flags().StringVar(&from.Container, "container", "", "the storage container, instead of FOLDER")
	cmd.Flags().StringVar(&from.AccountFile, "account-file", "", "file with the account's connection string, or its URL with a SAS")
	cmd.MarkFlagsRequiredTogether("container", "account-file")
	cmd.Flags().BoolVar(&force, "force", false, "replace checkpoints that are there")
	return cmd
}

// load reads the configuration and prints its warnings.
func load(cmd *cobra.Command, file string) (*config.Config, error) {
	cfg, warnings, err := config.Load(file)
	for _, w := range warnings {
		fmt.Fprintf(cmd.ErrOrStderr(), "Warning: %s\n", w)
	}
	return cfg, err
}
