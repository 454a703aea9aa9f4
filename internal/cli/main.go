package cli

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"mock-ec2-metadata/internal/terminal"
)

// Main runs the command line of this process, a program of this name, and returns the exit code. version is the linker's, or "".
// extension may be nil.
func Main(name, version string, extension Extension) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	stderr := os.Stderr
	if !terminal.Attached() {
		muteProcesses()
	}
	return Run(ctx, Process{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: stderr, Version: buildVersion(version),
		Name: name, Extension: extension,
	})
}

// muteProcesses keeps what a credential_process writes to stderr, which may be secret, out of logs: the SDK gives it
// os.Stderr. On a terminal it may be a question to the user.
func muteProcesses() {
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = null
	}
}

// buildVersion is the linker's version, or for a plain go build the commit.
func buildVersion(version string) string {
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
