package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/metrics"
	"mock-ec2-metadata/internal/privileges"
	"mock-ec2-metadata/internal/server"
	"mock-ec2-metadata/internal/terminal"
)

func newServe(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon (the default command)",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return serve(cmd, f) },
	}
}

// serve runs the daemon until the command's context is done.
func serve(cmd *cobra.Command, f *flags) error {
	ctx := cmd.Context()
	loaded, err := config.Load(f.sources())
	if err != nil {
		return err
	}
	logs := newLogs(cmd.OutOrStdout(), loaded.Config.Log.Format)
	defer logs.Close()

	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // until the process ends: a late one must not kill it

	local, err := startLinkLocal(ctx, f, logs.Logger, loaded.Config)
	if err != nil {
		return err
	}
	defer local.stop()
	opt, err := daemonOptions(f, loaded, logs)
	if err != nil {
		return err
	}
	opt.Listen, opt.Grown = local.listen, settleMemory()
	if opt.Listeners, err = server.Inherit(); err != nil {
		return err
	}
	if sockets := len(opt.Listeners); sockets > 0 {
		opt.WithoutListen = len(f.listen) == 0
		logs.Info("using the service manager's sockets", "sockets", sockets, "also_server_listen", !opt.WithoutListen)
	}
	place := newControlPlace()
	opt.Control = place.open(loaded.Config.Server, logs.Logger)
	opt.AfterBind = func(ctx context.Context) error {
		return leaveRoot(ctx, loaded, logs.Logger, func(u *privileges.User) { place.prepare(loaded, u) })
	}
	if os.Getenv("NOTIFY_SOCKET") != "" {
		opt.Notify = func(state string) error { _, err := systemd.SdNotify(false, state); return err }
	}
	codes := make(chan struct{}, 1) // holds one: an MFA code is wanted
	opt.MFAWanted = func() {
		select {
		case codes <- struct{}{}:
		default:
		}
	}
	addMetrics(ctx, &opt)
	if f.extension != nil {
		if err := f.extension.Serve(ctx, loaded, &opt); err != nil {
			return err
		}
	}
	a, err := app.New(ctx, opt)
	if err != nil {
		return err
	}
	if f.extension != nil {
		go f.extension.Started(ctx, a)
	}
	if terminal.Attached() {
		terminal.IgnoreStop()
		go terminal.NewPrompt(os.Stdin, cmd.ErrOrStderr()).Serve(ctx, codes, a)
	}
	go reloadOn(ctx, hangup, a)
	err = a.Run(ctx)
	logs.Close() // the access log comes before the last line
	logs.Info("stopped")
	return err
}

// addMetrics has the daemon observed, and adds the listener that tells about it, if metrics.listen is set.
func addMetrics(ctx context.Context, opt *app.Options) {
	address := opt.Config.Config.Metrics.Listen
	if address == "" {
		return
	}
	m := metrics.New(opt.Version, time.Now)
	opt.Observer = m
	opt.Metrics = func(a *app.App) (app.Metrics, error) {
		s, err := m.Listen(ctx, address, a, opt.Log)
		if err != nil {
			return nil, err // not s, which would be no nil interface
		}
		return s, nil
	}
}

// daemonOptions are those that serve and exec share.
func daemonOptions(f *flags, loaded *config.Loaded, logs *logs) (app.Options, error) {
	networks, err := app.HostNetworks(f.environ)
	return app.Options{
		Config: loaded, Version: f.version, Log: logs.Logger, Level: logs.level, AccessLog: logs.access, Networks: networks,
		Containers: containerLocator(logs.Logger),
	}, err
}

// reloadOn reloads at each SIGHUP until ctx is done.
func reloadOn(ctx context.Context, hangup <-chan os.Signal, a *app.App) {
	<-a.Started()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_ = a.Reload("SIGHUP") // it logs the error
		}
	}
}
