package app

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"mock-ec2-metadata/internal/ecs"
	"mock-ec2-metadata/internal/imds"
	"mock-ec2-metadata/internal/web"
)

// taskPaths are those of task metadata. No path of a service collides with one of the metadata service, whose first segment is a date,
// 1.0 or latest.
var taskPaths = []string{"/v2/metadata", "/v2/metadataWithTags", "/v2/stats", "/v3", "/v4"}

// services are the handlers of what clients ask.
type services struct {
	metadata, status  http.HandlerFunc
	credentials, task http.HandlerFunc // of ECS
	pods              http.HandlerFunc
	byPath, hasPods   func() bool // whether these are enabled now
	routers           [podIdentityOnly + 1]http.Handler
}

// noteRoutes notes what each request asks for. The metadata service does it itself.
func (s *services) noteRoutes() {
	s.status = web.WithRoute(web.RouteStatus, s.status)
	s.credentials = web.WithRoute(web.RouteECS, s.credentials)
	s.task = web.WithRoute(web.RouteECS, s.task)
	s.pods = web.WithRoute(web.RoutePodIdentity, s.pods)
}

// route makes the router of each surface.
func (s *services) route() {
	s.routers = [...]http.Handler{
		everything:      s.everything(),
		metadataOnly:    s.metadataAlone(),
		ecsOnly:         s.ecsAlone(),
		podIdentityOnly: s.pods,
	}
}

// controlPaths are those of the control API, which is never here, whatever the method or the token (events-reference section 5.7).
const controlPaths = "/v1/*"

func (s *services) everything() http.Handler {
	r := chi.NewRouter()
	r.HandleFunc(statusPath, s.status)
	r.HandleFunc(controlPaths, imds.NotFound)
	r.HandleFunc("/v1/credentials", func(w http.ResponseWriter, r *http.Request) {
		if s.hasPods() && !ecs.HasID(r) { // container-credentials-reference section 0
			s.pods(w, r)
			return
		}
		s.credentials(w, r)
	})
	r.HandleFunc("/v2/credentials", s.credentials)
	r.HandleFunc("/v2/credentials/*", s.credentials)
	s.routeTask(r)
	byPath := func(w http.ResponseWriter, r *http.Request) {
		if s.byPath() {
			s.credentials(w, r)
			return
		}
		s.metadata(w, r)
	}
	for _, path := range []string{"/creds", "/role/*", "/role-arn/*"} {
		r.HandleFunc(path, byPath)
	}
	r.NotFound(s.metadata)
	return r
}

func (s *services) metadataAlone() http.Handler {
	r := chi.NewRouter()
	r.HandleFunc(statusPath, s.status)
	r.HandleFunc(controlPaths, imds.NotFound)
	r.NotFound(s.metadata)
	return r
}

func (s *services) ecsAlone() http.Handler {
	r := chi.NewRouter()
	s.routeTask(r)
	r.NotFound(s.credentials)
	return r
}

func (s *services) routeTask(r chi.Router) {
	for _, path := range taskPaths {
		r.HandleFunc(path, s.task)
		r.HandleFunc(path+"/*", s.task)
	}
}

// isMetadataPath reports whether a normalised path can only be of the metadata service.
func isMetadataPath(path string) bool {
	switch first, _, _ := strings.Cut(path[1:], "/"); first {
	case "status", "v1", "v2", "v3", "v4", "creds", "role", "role-arn":
		return false
	default:
		return true
	}
}
