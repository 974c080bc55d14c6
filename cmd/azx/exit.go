package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"azx/internal/config"
	"azx/internal/fault"
)

// Exit codes that scripts may rely on. Anything that has no code of its own is exitFailure.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2 // the command line is wrong
	exitConfig      = 3 // the configuration or what it names must be changed by a person
	exitUnreachable = 4 // a hub or a platform does not answer, or does not let us in
	exitPartial     = 5 // done in part: what was not done is told
)

// exitError is an error with the exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usage makes err one of the command line.
func usage(err error) error { return &exitError{exitUsage, err} }

// unreachable makes err one of a system that does not answer as it should.
func unreachable(err error) error { return &exitError{exitUnreachable, err} }

// partial makes err one of work that was done in part.
func partial(err error) error { return &exitError{exitPartial, err} }

// execute runs azx with its arguments and returns the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return executeRoot(ctx, rootCommand(), args, stdout, stderr)
}

func executeRoot(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	started := false
	noteStart(root, &started)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	hint := fault.HintOf(err)
	if !started { // the error is of cobra: an unknown command, a bad flag
		err = usage(err)
	}
	code := exitCode(err)
	if hint == "" && code == exitUsage {
		hint = cmd.CommandPath() + " --help"
	}
	fmt.Fprintf(stderr, "Error: %v\n", err)
	if hint != "" {
		fmt.Fprintf(stderr, "Try: %s\n", hint)
	}
	return code
}

// noteStart makes every verb below cmd set started when its own work begins.
func noteStart(cmd *cobra.Command, started *bool) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*started = true
			return run(cmd, args)
		}
	}
	for _, child := range cmd.Commands() {
		noteStart(child, started)
	}
}

// exitCode is the code that err asks for, or that its class means.
func exitCode(err error) int {
	var exit *exitError
	var problem *fault.Problem
	var invalid config.Problems
	switch {
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &invalid):
		return exitConfig
	case !errors.As(err, &problem):
		return exitFailure
	case problem.Class == fault.Transient || problem.Class == fault.Credential:
		return exitUnreachable
	}
	return exitConfig
}
