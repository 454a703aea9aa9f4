// Package cli holds the commands, a file per command: each parses flags, calls another package and prints. It has no state
// and no handlers.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
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
	// Name is the program's, for messages; "" is mock-ec2-metadata.
	Name string
	// Extension adds what only the program for clusters has; nil: nothing.
	Extension Extension
}

// Extension is what the program for Kubernetes adds. Package kubecli implements it.
type Extension interface {
	// Extend adds commands and flags to the command tree.
	Extend(root *cobra.Command, environ []string)
	// Node tells about the node that the daemon runs on, as config.Sources has it.
	Node(name string) config.Node
	// Serve completes the options of the daemon. What it starts ends with ctx.
	Serve(ctx context.Context, loaded *config.Loaded, opt *app.Options) error
	// Started is called when the daemon runs.
	Started(ctx context.Context, a *app.App)
}

// Commands returns the command tree as shells and manuals need it: with completion, which cobra adds late. Nothing is run.
func Commands(p Process) *cobra.Command {
	root := newRoot(p)
	root.InitDefaultCompletionCmd()
	return root
}

// Run executes one command line, reports an error to Stderr and returns the exit code.
func Run(ctx context.Context, p Process) int {
	help, err := execute(ctx, p)
	return exitCode(p.Stderr, cmp.Or(p.Name, "mock-ec2-metadata"), help, err)
}

// execute runs the command line. help is the command that shows the help of the one that was run.
func execute(ctx context.Context, p Process) (help string, err error) {
	root := newRoot(p)
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if cmd.HasParent() {
		return cmd.CommandPath() + " --help", err
	}
	return cmd.Name() + " help", err
}

// usageError is a wrong command line, as opposed to a failure.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

// UsageError makes err a wrong command line.
func UsageError(err error) error { return &usageError{err} }

// NoDaemonError makes err that of a command that found no daemon.
func NoDaemonError(err error) error { return &exitError{exitNoDaemon, err} }

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

// printable is a text that may hold what a server or a program has said, safe for a terminal. It keeps lines and tabs.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// exitCode reports err and returns the code for it. help is the command that shows the help of the one that failed.
func exitCode(stderr io.Writer, program, help string, err error) int {
	if err == nil {
		return 0
	}
	own, ok := errors.AsType[*exitError](err)
	if ok && own.err == nil {
		return own.code
	}
	fmt.Fprintf(stderr, "%s: %s\n", program, printable(err.Error()))
	if _, ok := errors.AsType[*usageError](err); ok {
		fmt.Fprintln(stderr, help+" shows the commands and flags.")
		return exitUsage
	}
	if ok {
		return own.code
	}
	return exitFailure
}
