package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// TestAccessLog_CountsWhatIsWorthALine with and without lines, and without anything else that is told.
func TestAccessLog_CountsWhatIsWorthALine(t *testing.T) {
	for _, lines := range []bool{true, false} {
		var counted []string
		a := &AccessLog{
			Out:     io.Discard,
			Enabled: func() bool { return lines },
			Version: func(r *http.Request) string { return r.Header.Get("V") },
			Quiet:   func(r *http.Request) bool { return r.Header.Get("Quiet") != "" },
			Count: func(route Route, status int, version string) {
				counted = append(counted, fmt.Sprint(route, status, version))
			},
		}
		h := CleanPath(a.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/token":
				SetRoute(r, RouteToken)
				w.WriteHeader(http.StatusUnauthorized)
			case "/aborted":
				panic(http.ErrAbortHandler)
			default:
				_, _ = io.WriteString(w, "x")
			}
		})))
		ask := func(path string, header http.Header) {
			defer func() { _ = recover() }()
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header = header
			h.ServeHTTP(httptest.NewRecorder(), r.WithContext(WithConn(context.Background(), nil)))
		}
		ask("/token", http.Header{"V": {"v2"}})
		ask("/", http.Header{"V": {"v1"}})
		ask("/", http.Header{"Quiet": {"yes"}})
		ask("/token", http.Header{"Quiet": {"but refused"}})
		ask("/aborted", http.Header{"Quiet": {"but not answered"}})
		if want := []string{"token 401v2", "other 200v1", "token 401", "other 0"}; !slices.Equal(counted, want) {
			t.Errorf("lines: %t: counted %q, want %q", lines, counted, want)
		}
	}
}

func TestCleanPath_ForgetsTheRouteOfTheLastRequest(t *testing.T) {
	ctx := WithConn(context.Background(), nil)
	var routes []Route
	h := CleanPath(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		routes = append(routes, routeOf(r))
		WithRoute(RouteECS, func(_ http.ResponseWriter, r *http.Request) { routes = append(routes, routeOf(r)) })(nil, r)
	}))
	for range 2 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
	}
	if want := []Route{RouteOther, RouteECS, RouteOther, RouteECS}; !slices.Equal(routes, want) {
		t.Errorf("routes %v, want %v", routes, want)
	}
}
