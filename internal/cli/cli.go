// Package cli holds the commands, a file per command: each parses flags, calls another package and prints. It has no state
// and no handlers.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Exit codes of all commands. Those of exec are beside it.
const (
	exitFailure  = 1
	exitUsage    = 2
	exitNoDaemon = 3 // of the commands that use the control socket
)

// Process is what a command gets from the process that it runs in.
type Process struct {
	Args    []string // without the program's name
	Environ []string // "KEY=value"
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Version string
}

// Run executes one command line, reports an error to Stderr and returns the exit code.
func Run(ctx context.Context, p Process) int { return exitCode(p.Stderr, execute(ctx, p)) }

func execute(ctx context.Context, p Process) error {
	root := newRoot(p)
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	return root.ExecuteContext(ctx)
}

// usageError is a wrong command line, as opposed to a failure.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

// exitError ends the process with a code of its own; without err it prints nothing.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitCode reports err and returns the code for it.
func exitCode(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	own, ok := errors.AsType[*exitError](err)
	if ok && own.err == nil {
		return own.code
	}
	fmt.Fprintf(stderr, "mock-ec2-metadata: %v\n", err)
	if _, ok := errors.AsType[*usageError](err); ok {
		fmt.Fprintln(stderr, "mock-ec2-metadata help shows the commands and flags.")
		return exitUsage
	}
	if ok {
		return own.code
	}
	return exitFailure
}
