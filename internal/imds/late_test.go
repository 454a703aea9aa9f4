package imds

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
)

// successor selects the first target once, and the second from then on.
type successor struct{ first, second *Target }

func (s *successor) Select(r *http.Request) (*Target, string, error) {
	t := s.first
	s.first = s.second
	return (&selector{target: t}).Select(r)
}

func TestObserve_LateRequestIsAnsweredByTheNextTarget(t *testing.T) {
	for _, tt := range []struct {
		name string
		next func(t *Target)
		put  bool
		want int
		ttl  bool
	}{
		{name: "a value", next: func(*Target) {}, want: http.StatusOK, ttl: true},
		{name: "a token", next: func(*Target) {}, put: true, want: http.StatusOK, ttl: true},
		{name: "disabled", next: func(t *Target) { t.Disabled = true }, want: http.StatusForbidden},
		{name: "a token while disabled", next: func(t *Target) { t.Disabled = true }, put: true, want: http.StatusForbidden},
		{name: "tokens forgotten", next: func(t *Target) { t.TokensSince = time.Now().Add(time.Hour) }, want: http.StatusUnauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old, seen := newTarget(), 0
			next := *old
			tt.next(&next)
			old.Observe = func(string) bool { seen++; return true }
			next.Observe = old.Observe
			r := withToken(http.MethodGet, idPath, string(old.Tokens.Issue(60)))
			if tt.put {
				r = putToken()
			}
			w := httptest.NewRecorder()
			newRouter(&successor{old, &next}, never).ServeHTTP(w, r)
			if w.Code != tt.want || (w.Header().Get(ttlHeader) != "") != tt.ttl || seen != 1 {
				t.Errorf("%d %v %q, observed %d times", w.Code, w.Header(), w.Body, seen)
			}
		})
	}
}

func TestObserve_LateRequestUnderFaultsIsAnsweredOnce(t *testing.T) {
	target, rule := faulty(t, config.Fault{Match: config.FaultMatch{Paths: []string{"meta-data/mac"}}, Status: 503})
	seen := 0
	target.Observe = func(string) bool { seen++; return true }
	for _, path := range []string{idPath, "/latest/meta-data/mac"} {
		handle(target, get(path))
	}
	if seen != 2 || rule.Hits() != 1 {
		t.Errorf("observed %d times, %d hits", seen, rule.Hits())
	}
}
