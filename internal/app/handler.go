package app

import (
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"mock-ec2-metadata/internal/ecs"
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
	metadata := imds.NewHandler(a.log, selector{a}, a.isOwn, a.guard.IsGuest)
	byID := ecs.NewHandler(a.log, containerSelector{a})
	containers := func(w http.ResponseWriter, r *http.Request) {
		if isServiceAddress(web.Local(r)) {
			metadata(w, r) // as on EC2, where a request that software is tricked into reaches one service only
			return
		}
		byID(w, r)
	}
	r.HandleFunc("/v1/credentials", containers)
	r.HandleFunc("/v2/credentials", containers)
	r.HandleFunc("/v2/credentials/*", containers)
	r.NotFound(metadata)

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
			if path := web.Path(r); path == statusPath || strings.HasPrefix(path, "/v1/credentials") || strings.HasPrefix(path, "/v2/credentials") {
				return ""
			}
			return imds.Version(r)
		},
		LogPath: ecs.LogPath,
	}
	return web.CleanPath(a.guard.Wrap(access.Wrap(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header()["Server"] = serverName
		r.ServeHTTP(w, req)
	}))))
}

// isServiceAddress reports whether an address is EC2's of the metadata service (imds-reference section 1). Container credentials
// have others (container-credentials-reference section 10.2).
func isServiceAddress(a netip.Addr) bool {
	return a == netip.AddrFrom4([4]byte{169, 254, 169, 254}) || a.WithZone("") == netip.MustParseAddr("fd00:ec2::254")
}

// isOwn tells whether the daemon itself asks: its profile takes credentials from a metadata service, which is this one.
func (a *App) isOwn(r *http.Request) bool {
	return slices.Contains(r.Header[sts.OriginHeader], a.origin)
}
