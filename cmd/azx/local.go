//go:build !connector

package main

import "github.com/spf13/cobra"

// localCommands are the verbs that the connector itself does without.
func localCommands() []*cobra.Command {
	return []*cobra.Command{demoCommand(), hubCommand(), platformCommand(), extensionCommand()}
}
