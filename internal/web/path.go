package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
)

// CleanPath is the outermost middleware: it normalises the path of a request once, for Path and for chi. It never redirects,
// since clients of a metadata service do not follow redirects (imds-reference section 2).
func CleanPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rctx := chi.RouteContext(r.Context())
		if rctx == nil { // the server does not use WithConn
			rctx = chi.NewRouteContext()
			r = r.WithContext(context.WithValue(r.Context(), chi.RouteCtxKey, rctx))
		}
		rctx.Reset() // it may be that of the connection's last request
		if info := infoOf(r); info != nil {
			info.caller, info.fault, info.route = Caller{}, "", RouteOther
		}
		rctx.RoutePath = Clean(r.URL.Path)
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions, http.MethodPatch:
		default:
			// chi refuses methods it does not know before it looks at the path; every surface refuses POST itself.
			rctx.RouteMethod = http.MethodPost
		}
		next.ServeHTTP(w, r)
	})
}

// Path is the normalised path of a request: it starts with a slash, has no empty segment, and ends with none unless it is "/".
// The request must have come through CleanPath.
func Path(r *http.Request) string { return chi.RouteContext(r.Context()).RoutePath }

// Clean collapses runs of slashes and drops a trailing one. Dot segments stay: no key of the tree holds one.
func Clean(p string) string {
	if !strings.Contains(p, "//") {
		if len(p) > 1 && strings.HasSuffix(p, "/") {
			p = p[:len(p)-1]
		}
		if strings.HasPrefix(p, "/") {
			return p
		}
		return "/" + p
	}
	var b strings.Builder
	b.Grow(len(p))
	for part := range strings.SplitSeq(p, "/") {
		if part != "" {
			b.WriteByte('/')
			b.WriteString(part)
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}
