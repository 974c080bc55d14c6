//go:build connector

package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// localCommands only say that they are elsewhere: this is the connector alone.
func localCommands() (all []*cobra.Command) {
	for _, verb := range []string{"demo", "hub", "platform", "extension"} {
		all = append(all, &cobra.Command{
			Use: verb, Short: "(not in this build)", DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return usage(fmt.Errorf("azx %s is not in this build, which is the connector alone; build azx without -tags connector", verb))
			},
		})
	}
	return all
}
