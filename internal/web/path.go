package web

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
)

// CleanPath is chi middleware that routes by the normalised path: runs of slashes collapsed, no trailing slash, decoded
// once. It never redirects, since clients of a metadata service do not follow (imds-reference section 2).
func CleanPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rctx := chi.RouteContext(r.Context())
		rctx.Reset() // it may be that of the connection's last request
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
