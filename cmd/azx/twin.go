package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"azx/internal/app"
)

// twinCommand is azx twin: the twins of devices and modules.
func twinCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "twin",
		Short: "Read and change the twin of a device or module",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(twinGetCommand(), twinSetCommand())
	return cmd
}

func twinGetCommand() *cobra.Command {
	var hub app.OperatorHub
	cmd := &cobra.Command{
		Use:     "get DEVICE[/MODULE]",
		Short:   "Print a twin",
		Example: "  azx twin get pump-1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			operator, err := app.OpenOperator(cmd.Context(), hub, false)
			if err != nil {
				return err
			}
			defer operator.Close()
			twin, err := operator.Twin(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), twin)
		},
	}
	hubFlags(cmd, &hub)
	return cmd
}

func twinSetCommand() *cobra.Command {
	var hub app.OperatorHub
	var desired, tags, etag string
	cmd := &cobra.Command{
		Use:   "set DEVICE[/MODULE] [--desired JSON] [--tags JSON]",
		Short: "Change desired properties and tags of a twin, and print the whole",
		Long: `Merge JSON objects into the desired properties and the tags of a twin, and print the whole twin. In them a null removes
a key. With --etag nothing changes unless the twin is the one that had this etag.`,
		Example: `  azx twin set pump-1 --desired '{"interval":10,"old":null}'
  azx twin set pump-1 --tags '{"site":"a"}' --etag AAAAAAAAAAE=`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if desired == "" && tags == "" {
				return usage(errors.New("nothing to change: give --desired or --tags"))
			}
			newDesired, err := object("--desired", desired)
			if err != nil {
				return usage(err)
			}
			newTags, err := object("--tags", tags)
			if err != nil {
				return usage(err)
			}
			operator, err := app.OpenOperator(cmd.Context(), hub, false)
			if err != nil {
				return err
			}
			defer operator.Close()
			twin, err := operator.SetTwin(cmd.Context(), args[0], newTags, newDesired, etag)
			if err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), twin)
		},
	}
	hubFlags(cmd, &hub)
	cmd.Flags().StringVar(&desired, "desired", "", "desired properties to merge, a JSON object")
	cmd.Flags().StringVar(&tags, "tags", "", "tags to merge, a JSON object; devices only")
	cmd.Flags().StringVar(&etag, "etag", "", "change only the twin with this etag")
	return cmd
}

// object is a flag that is a JSON object; nil if it is not given.
func object(flag, text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil || fields == nil {
		return nil, fmt.Errorf("%s: not a JSON object", flag)
	}
	return json.RawMessage(text), nil
}
