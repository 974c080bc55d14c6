package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"azx/internal/app"
)

// importCommand is azx import: Things for a hub's devices.
func importCommand() *cobra.Command {
	var file string
	var rules []string
	var o app.ImportOptions
	cmd := &cobra.Command{
		Use:   "import -c azx.yaml",
		Short: "Make Things for the devices of a hub",
		Long: `Make a Thing for each device of the hub that has none: of the template of the first rule that fits, else AzureIotThing, with its
gatewayThing, and with its twin and tags filled in. Things that are there are left as they are; with --update their twins and tags
are written too. Nothing is ever deleted.

A rule is TEMPLATE for all devices, edge=TEMPLATE for edge devices, or TAG=TEMPLATE or TAG:VALUE=TEMPLATE for devices with that tag; a tag
within another is written with a dot.

To list devices takes the right to read the registry, as the policy registryRead has it, which a connector's policy may lack: give
another connection string with --registry-connection-string-file.

With --declare a Thing gets remote properties for what its device reports in its twin, or has sent within the last hour, with the base
types that the values have by themselves. A property that is there is never changed. It takes the grant manageThings, and counts for
Things that are made, with --update also for those that are there.

The hub's query language finds the devices, as fast as the quota of queries lets it. For large hubs the hub can export all of them
to a blob container instead: --export-container-uri-file names a file with the container's URI, whose signature allows to read, write and
delete. What it exported is removed at the end. That takes the right to change the registry, and --where is refused.

An import that was ended goes on where it was with the same --state FILE. On a hub of tier S1 it takes a minute for 20,000
devices. Exit codes: 0 done, 5 done but for devices that are named, 3 refused, 4 unreachable: run it again.`,
		Example: `  azx import --dry-run
  azx import --where "tags.site = 'Ulm'" --rule edge=GatewayThing --rule tags.kind:pump=PumpThing --state import.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Rules, err = parseRules(rules); err != nil {
				return usage(err)
			}
			if o.Config, err = load(cmd, file); err != nil {
				return err
			}
			out := cmd.ErrOrStderr()
			p := &progress{out: out, bar: isTerminal(out)}
			o.Expected, o.Told, o.Exported = p.expected, p.told, p.exported
			if o.DryRun {
				o.Each = func(each app.ImportOutcome) { printOutcome(cmd.OutOrStdout(), each) }
			}
			result, err := app.Import(cmd.Context(), o)
			p.end()
			if err == nil || result.Done() > 0 {
				reportImport(out, result, o.DryRun)
			}
			if err == nil && result.Failed > 0 {
				err = partial(fmt.Errorf("%s failed", plural(result.Failed, "device")))
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "azx.yaml", "the configuration file")
	cmd.Flags().StringVar(&o.Hub, "hub", "", "a hub Thing of the file, if that has several")
	cmd.Flags().StringVar(&o.Where, "where", "", "which devices, as the hub's query language has it behind WHERE (default all)")
	cmd.Flags().StringArrayVar(&rules, "rule", nil, "which template: TEMPLATE, edge=TEMPLATE, TAG=TEMPLATE or TAG:VALUE=TEMPLATE; may be repeated")
	cmd.Flags().BoolVar(&o.Update, "update", false, "write twins and tags also to Things that are there")
	cmd.Flags().StringSliceVar(&o.Declare, "declare", nil, "give Things remote properties for what their device has: twin (reports), messages (has sent within an hour), or both")
	cmd.Flags().StringVar(&o.Group, "consumer-group", "", "for --declare messages: the consumer group to look through (default $Default)")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "change nothing, and print what would be done")
	cmd.Flags().StringVar(&o.Registry, "registry-connection-string-file", "", "a file with a connection string of the hub that may read its registry (default that of the connector)")
	cmd.Flags().StringVar(&o.Export, "export-container-uri-file", "", "a file with the URI of a blob container, with its signature, that the hub exports its devices to (default: they are queried)")
	cmd.Flags().StringVar(&o.State, "state", "", "a file that keeps how far the import is")
	cmd.MarkFlagsMutuallyExclusive("where", "export-container-uri-file")
	return cmd
}

func parseRules(texts []string) ([]app.ImportRule, error) {
	rules, err := app.ParseImportRules(texts)
	if err != nil {
		return nil, fmt.Errorf("--rule %w", err)
	}
	return rules, nil
}

// progress tells how far an import is: on a terminal in one line that changes, else in a line for each thousand.
type progress struct {
	out   io.Writer
	bar   bool
	drawn bool
	last  int // the last thousand that was told

	began   bool // an export was told of
	percent int  // the last of it
}

func (p *progress) expected(devices int, atLeast time.Duration) {
	switch {
	case devices > 0 && atLeast > 0:
		fmt.Fprintf(p.out, "%s: the hub's quota of queries lets that take %s at least\n", plural(devices, "device"), atLeast.Round(time.Second))
	case devices > 0:
		fmt.Fprintln(p.out, plural(devices, "device"))
	}
}

// exported tells how far the hub's export is, a line for each change.
func (p *progress) exported(percent int) {
	if percent != p.percent || percent == 0 && !p.began {
		fmt.Fprintf(p.out, "the hub has exported %d %%\n", percent)
	}
	p.percent, p.began = percent, true
}

const barWidth = 40

func (p *progress) told(now app.ImportProgress) {
	counts := fmt.Sprintf("%d created, %d updated, %d left, %d failed", now.Created, now.Updated, now.Skipped, now.Failed)
	done := now.Counts.Done()
	switch {
	case p.bar && now.Total > 0:
		filled := min(barWidth, barWidth*done/now.Total)
		fmt.Fprintf(p.out, "\r[%s%s] %d of %d: %s", strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), done, now.Total, counts)
		p.drawn = true
	case p.bar:
		fmt.Fprintf(p.out, "\r%d: %s", done, counts)
		p.drawn = true
	case done/1000 > p.last:
		p.last = done / 1000
		fmt.Fprintf(p.out, "%d devices: %s\n", done, counts)
	}
}

func (p *progress) end() {
	if p.drawn {
		fmt.Fprintln(p.out)
	}
}

// isTerminal reports whether somebody looks at out.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func printOutcome(out io.Writer, o app.ImportOutcome) {
	text := fmt.Sprintf("%s %s", o.Verdict, o.Thing)
	if o.Template != "" {
		text += " of " + o.Template
	}
	if o.Thing != o.Device {
		text += " for device " + o.Device
	}
	if len(o.Declared) > 0 {
		text += " with " + o.Declared.String()
	}
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	fmt.Fprintln(out, text)
}

// reportImport says what became of an import.
func reportImport(out io.Writer, r app.ImportResult, dryRun bool) {
	for _, reason := range r.Reasons {
		fmt.Fprintf(out, "device %s failed: %s\n", reason.Device, reason.Text)
	}
	if more := r.Failed - len(r.Reasons); more > 0 {
		fmt.Fprintf(out, "and %d more\n", more)
	}
	more := ""
	if r.Declared > 0 {
		more = fmt.Sprintf(", %d properties declared", r.Declared)
	}
	if dryRun {
		more += "; nothing was changed"
	}
	fmt.Fprintf(out, "%s: %d created, %d updated, %d left, %d failed%s\n", plural(r.Done(), "device"), r.Created, r.Updated, r.Skipped, r.Failed, more)
}
