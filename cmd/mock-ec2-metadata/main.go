// Command mock-ec2-metadata answers like the EC2 Instance Metadata Service and hands out real temporary credentials of
// an IAM role, so that software written for EC2 runs unchanged elsewhere.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	stderr := os.Stderr
	if !onTerminal() {
		muteProcesses()
	}
	code := exitCode(stderr, run(ctx, os.Args[1:], os.Environ(), os.Stdout, stderr))
	stop()
	os.Exit(code)
}

// muteProcesses keeps what a credential_process writes to stderr, which may be secret, out of logs: the SDK gives it
// os.Stderr. On a terminal it is for whoever sits there, such as a question.
func muteProcesses() {
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = null
	}
}

// run executes one command line.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	root := newRoot(environ)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// usageError is a wrong command line, as opposed to a failure.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

// exitCode reports err and says what to exit with.
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
