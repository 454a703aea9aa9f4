// Command mock-ec2-metadata answers like the EC2 Instance Metadata Service and hands out real temporary credentials of
// an IAM role, so that software written for EC2 runs unchanged elsewhere.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"mock-ec2-metadata/internal/cli"
	"mock-ec2-metadata/internal/terminal"
)

// version is set by the linker; see the Makefile.
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	stderr := os.Stderr
	if !terminal.Attached() {
		muteProcesses()
	}
	code := cli.Run(ctx, cli.Process{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: stderr, Version: buildVersion(),
	})
	stop()
	os.Exit(code)
}

// muteProcesses keeps what a credential_process writes to stderr, which may be secret, out of logs: the SDK gives it
// os.Stderr. On a terminal it may be a question to the user.
func muteProcesses() {
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = null
	}
}

// buildVersion is the linker's version, or for a plain go build the commit.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}
