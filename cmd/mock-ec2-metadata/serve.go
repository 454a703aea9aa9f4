package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/server"
	"mock-ec2-metadata/internal/web"
)

// serve runs the daemon until ctx is done.
func serve(ctx context.Context, f *flags, stdout, stderr io.Writer) error {
	loaded, err := config.Load(f.sources())
	if err != nil {
		return err
	}
	log := newLogs(stdout, loaded.Config.Log.Format)
	defer log.lines.Close() // after the last word

	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // until the process ends: a late one must not kill it

	paceCollector()
	local, err := startLinkLocal(ctx, f, log.Logger, loaded.Config.Server.Listen)
	if err != nil {
		return err
	}
	defer local.stop()
	s, err := listen(ctx, f, loaded, log.Logger, local.listen)
	if err != nil {
		return err
	}
	if err := leaveRoot(ctx, loaded, log.Logger); err != nil {
		s.Close()
		return err
	}
	return serveOn(ctx, log, f.sources(), loaded, s, func(background context.Context, d *daemon) {
		if onTerminal() {
			neverStop()
			go newPrompt(os.Stdin, stderr).serve(background, d.codes.calls, d.waitsForMFA, d.codes.give)
		}
		go d.reloadOn(background, hangup)
		d.tellManager(ctx, background)
	})
}

// listen takes the sockets that the service manager has opened, in place of server.listen, or binds that. Those of --listen
// and more are bound in either case.
func listen(ctx context.Context, f *flags, loaded *config.Loaded, log *slog.Logger, more []string) (*server.Server, error) {
	inherited, err := server.Inherit()
	if err != nil {
		return nil, err
	}
	addresses := loaded.Config.Server.Listen
	switch {
	case len(inherited) == 0:
	case len(f.listen) == 0:
		addresses = nil
		log.Info("the service manager's sockets take the place of server.listen", "sockets", len(inherited))
	default:
		log.Info("the service manager's sockets are served beside --listen", "sockets", len(inherited))
	}
	return server.Listen(ctx, log, slices.Concat(addresses, more), inherited...)
}

// serveOn runs a daemon on the addresses that s has bound until ctx is done. What started is given to run in the background
// ends after the last request has been answered.
func serveOn(ctx context.Context, log *logs, sources config.Sources, loaded *config.Loaded, s *server.Server,
	started func(background context.Context, d *daemon),
) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	d, err := newDaemon(background, log.Logger, log.level, sources, loaded)
	if err != nil {
		s.Close()
		return err
	}
	defer func() { stop(); d.wait() }()
	s.Limit(d.guard.Limit)
	d.logStart(s.Addrs())
	started(background, d)
	// Not at once: making a key takes the processor that the first requests need. It is the last that the start needs memory for.
	prepare := time.AfterFunc(time.Second, func() {
		identity := d.current.Load().identity
		identity.Prepare()
		identity.Wait()
		trim(log.Logger)
	})
	defer prepare.Stop()
	err = s.Serve(ctx, d.routes(log.lines))
	log.Info("stopped")
	return err
}

// logs is where the daemon's lines go, those of the access log among them.
type logs struct {
	*slog.Logger
	level *slog.LevelVar // can change while it is in use
	lines *web.LineWriter
}

func newLogs(w io.Writer, format string) *logs {
	l := &logs{level: new(slog.LevelVar), lines: web.NewLineWriter(w)}
	options := &slog.HandlerOptions{Level: l.level}
	if format == "json" {
		l.Logger = slog.New(slog.NewJSONHandler(l.lines, options))
	} else {
		l.Logger = slog.New(slog.NewTextHandler(l.lines, options))
	}
	return l
}

// serverName is in each answer: old detectors look for it (imds-reference section 3.4). Nobody may change it.
var serverName = []string{"EC2ws"}

// routes puts the daemon's own page beside the service. The access log goes to lines.
func (d *daemon) routes(lines io.Writer) http.Handler {
	r := chi.NewRouter()
	r.Use(web.CleanPath)
	own := &web.Adapter{Log: d.log, Render: renderStatusError}
	r.HandleFunc("/status", own.Handle(d.serveStatus))
	imds.Mount(r, d.log, d, func(r *http.Request) bool { return slices.Contains(r.Header[credentials.OriginHeader], d.origin) })

	access := &web.AccessLog{
		Out:     lines,
		JSON:    d.atStart.Log.Format == "json", // which takes a restart
		Enabled: func() bool { return d.current.Load().loaded.Config.Log.Access && d.level.Level() <= slog.LevelInfo },
		Version: func(r *http.Request) string {
			if web.Clean(r.URL.Path) == "/status" {
				return ""
			}
			return imds.Version(r)
		},
	}
	return d.guard.Wrap(access.Wrap(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header()["Server"] = serverName
		r.ServeHTTP(w, req)
	})))
}

// logStart says what is served where.
func (d *daemon) logStart(addrs []net.Addr) {
	g := d.current.Load()
	for _, addr := range addrs {
		d.log.Info("serving", "url", "http://"+reachable(addr.String())+"/", "listen", addr.String(), "config", g.loaded.Name(),
			"instance_id", g.instance.ID, "role", g.instance.Role, "version", buildVersion())
	}
	d.logWarnings()
}

// reloadOn reloads at each SIGHUP.
func (d *daemon) reloadOn(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			d.reload(ctx, "SIGHUP")
		}
	}
}
