package app

import (
	"io"
	"log/slog"
	"net/http"
	"slices"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/ecs"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/podidentity"
	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/web"
)

// statusPath is the daemon's own page beside the service.
const statusPath = "/status"

// serverName is in each answer: old detectors look for it (imds-reference section 3.4). It is shared: do not change it.
var serverName = []string{"EC2ws"}

// handler answers all requests: guard, access log, routes.
func (a *App) handler() http.Handler {
	inJSON := a.builder.start.Log.Format == "json" // log.format needs a restart
	hooks := imds.Hooks{Routes: inJSON}
	if a.opt.Observer != nil {
		hooks = imds.Hooks{Routes: true, Token: a.opt.Observer.Token}
	}
	own := &web.Adapter{Log: a.log, Render: renderStatusError}
	all := services{
		metadata:    imds.NewHandler(a.log, selector{a}, a.isOwn, a.guard.IsGuest, hooks),
		status:      own.Handle(a.serveStatus),
		credentials: ecs.NewHandler(a.log, ecsSelector{a}),
		task:        ecs.NewMetadataHandler(a.log, metadataSelector{a}),
		pods:        podidentity.NewHandler(a.log, podSelector{a}),
		byPath:      func() bool { return a.State().Config.Config.ECS.ByPath },
		hasPods:     func() bool { return a.State().pods != nil },
	}
	if hooks.Routes {
		all.noteRoutes()
	}
	all.route()

	lines := a.opt.AccessLog
	if lines == nil {
		lines = io.Discard
	}
	access := &web.AccessLog{
		Out:  lines,
		JSON: inJSON,
		Enabled: func() bool {
			return a.State().Config.Config.Log.Access && a.opt.Level.Level() <= slog.LevelInfo
		},
		Version: func(r *http.Request) string {
			if at := a.surfaceOf(r); at == ecsOnly || at == podIdentityOnly || !isMetadataPath(web.Path(r)) {
				return ""
			}
			return imds.Version(r)
		},
		LogPath: ecs.LogPath,
		Quiet:   a.isHealthCheck,
		Record:  a.record,
	}
	if a.opt.Observer != nil {
		access.Count = a.opt.Observer.Request
	}
	return web.CleanPath(a.guard.Wrap(a.answerHealth(access.Wrap(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header()["Server"] = serverName
		all.routers[a.surfaceOf(req)].ServeHTTP(w, req)
	})))))
}

// isHealthCheck tells whether this program asks for the status on this machine, which health checks do every few seconds. The access
// log has such requests at the level debug alone.
func (a *App) isHealthCheck(r *http.Request) bool {
	if r.UserAgent() != api.StatusAgent || web.Path(r) != statusPath || a.opt.Level.Level() <= slog.LevelDebug {
		return false
	}
	return web.Remote(r).IsLoopback()
}

// isOwn tells whether the daemon itself asks: its profile takes credentials from a metadata service, which is this one.
func (a *App) isOwn(r *http.Request) bool {
	return slices.Contains(r.Header[sts.OriginHeader], a.origin)
}
