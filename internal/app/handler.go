package app

import (
	"io"
	"log/slog"
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"

	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/sts"
	"mock-ec2-metadata/internal/web"
)

// statusPath is the daemon's own page beside the service.
const statusPath = "/status"

// serverName is in each answer: old detectors look for it (imds-reference section 3.4). It is shared: do not change it.
var serverName = []string{"EC2ws"}

// handler answers all requests: guard, access log, routes.
func (a *App) handler() http.Handler {
	r := chi.NewRouter()
	own := &web.Adapter{Log: a.log, Render: renderStatusError}
	r.HandleFunc(statusPath, own.Handle(a.serveStatus))
	r.NotFound(imds.NewHandler(a.log, selector{a}, a.isOwn, a.guard.IsGuest))

	lines := a.opt.AccessLog
	if lines == nil {
		lines = io.Discard
	}
	access := &web.AccessLog{
		Out:  lines,
		JSON: a.builder.start.Log.Format == "json", // log.format needs a restart
		Enabled: func() bool {
			return a.State().Config.Config.Log.Access && a.opt.Level.Level() <= slog.LevelInfo
		},
		Version: func(r *http.Request) string {
			if web.Path(r) == statusPath {
				return ""
			}
			return imds.Version(r)
		},
	}
	return web.CleanPath(a.guard.Wrap(access.Wrap(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header()["Server"] = serverName
		r.ServeHTTP(w, req)
	}))))
}

// isOwn tells whether the daemon itself asks: its profile takes credentials from a metadata service, which is this one.
func (a *App) isOwn(r *http.Request) bool {
	return slices.Contains(r.Header[sts.OriginHeader], a.origin)
}

// selector selects the same instance for every client.
type selector struct{ app *App }

// Select returns the target of the state in force, and the normalised path.
func (s selector) Select(r *http.Request) (*imds.Target, string, error) {
	return s.app.State().Target, web.Path(r), nil
}
