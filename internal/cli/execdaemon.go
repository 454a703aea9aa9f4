package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/control"
	"mock-ec2-metadata/internal/probe"
	"mock-ec2-metadata/internal/terminal"
)

// daemonFor returns the URL of a daemon that serves what the configuration says: one that runs already, or a new one, which
// stop ends.
func daemonFor(cmd *cobra.Command, f *flags) (address string, stop func(), err error) {
	loaded, err := config.Load(f.sources())
	if err != nil {
		return "", nil, err
	}
	stderr := cmd.ErrOrStderr()
	found, s, err := probe.First(cmd.Context(), app.Places(f.listen, app.ListenAddress(f.listen, loaded)))
	if err == nil {
		mismatch := app.Mismatch(loaded, found, s)
		if mismatch == "" {
			for _, problem := range s.Problems() {
				fmt.Fprintf(stderr, "mock-ec2-metadata: the daemon at %s is degraded: %s\n", api.URL(found), problem)
			}
			return api.URL(found), func() {}, nil
		}
		fmt.Fprintf(stderr, "mock-ec2-metadata: %s; another one is started for this command%s\n", mismatch, noFile(loaded))
	}
	if cmd.Context().Err() != nil {
		return "", nil, errors.New("interrupted")
	}
	return startDaemon(cmd.Context(), f, stderr)
}

// startDaemon runs a daemon in this process, as the same user: the command is to have all its rights.
func startDaemon(ctx context.Context, f *flags, stderr io.Writer) (address string, stop func(), err error) {
	own := *f
	own.listen = []string{"127.0.0.1:0"}
	if own.logLevel == "" {
		own.logLevel = "warn"
	}
	loaded, err := config.Load(own.sources())
	if err != nil {
		return "", nil, err
	}
	logs := newLogs(stderr, loaded.Config.Log.Format)
	opt, err := daemonOptions(&own, loaded, logs)
	if err != nil {
		logs.Close()
		return "", nil, err
	}
	mode := loaded.Config.Server.Control
	if mode != control.Off {
		mode = control.Auto // a path belongs to the daemon of serve
	}
	opt.Control = newControlPlace().open(mode, logs.Logger)
	a, err := app.New(ctx, opt)
	if err != nil {
		logs.Close()
		return "", nil, err
	}
	// Signals are for the command; the daemon ends with it.
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(running) }()
	stop = func() {
		end()
		if err := <-ended; err != nil {
			logs.Error("the command's daemon failed", "error", err)
		}
		logs.Close()
	}
	a.Settle(ctx)
	if terminal.Attached() {
		terminal.NewPrompt(os.Stdin, stderr).Answer(ctx, a)
	}
	if ctx.Err() != nil {
		stop()
		return "", nil, errors.New("interrupted")
	}
	return api.URL(a.Addrs()[0].String()), stop, nil
}

// noFile is the way out for a command that runs where the configuration is not; "" with a file.
func noFile(loaded *config.Loaded) string {
	if loaded.File != "" {
		return ""
	}
	return fmt.Sprintf(". There is no %s in this directory: run the command where it is, or name it with --config or MOCK_EC2_METADATA_CONFIG", config.DefaultFile)
}
