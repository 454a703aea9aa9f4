package podidentity

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/web"
)

// reloading is a Selector whose service is stale as often as it is told. Each selection has another world.
type reloading struct {
	worlds []*world // the last one stays
	asked  int
}

func (s *reloading) Select(r *http.Request) (*Service, error) {
	w := s.worlds[min(s.asked, len(s.worlds)-1)]
	s.asked++
	return w.Select(r)
}

func TestHandler_StartsAgainByTheNewConfiguration(t *testing.T) {
	current := func() *world { return newWorld(t) }
	stale := func() *world { w := newWorld(t); w.findErr = ErrStale; return w }
	always := []*world{stale()}
	withErr := func(err error) *world { w := newWorld(t); w.err = err; return w }
	other := newWorld(t)
	other.verifier = verifierFunc(func(context.Context, string) (*Claims, error) { return nil, &Refusal{"of another cluster"} })
	for _, tt := range []struct {
		name   string
		worlds []*world
		code   int
		body   string
		asked  int
	}{
		{"once", []*world{stale(), current()}, 200, document, 2},
		{"four times", []*world{stale(), stale(), stale(), stale(), current()}, 200, document, 5},
		{"always", always, 503, "(ServiceUnavailableException): the configuration is changing; try again, fault: server\n", maxSelections},
		{"switched off", []*world{stale(), withErr(&web.Error{Status: 404})}, 404, "404 page not found\n", 2},
		{"client refused", []*world{stale(), withErr(&web.Error{Status: 403})}, 403, "Forbidden\n", 2},
		{"another verifier", []*world{stale(), other}, 400, "(InvalidTokenException): of another cluster, fault: client\n", 2},
		{"another error", []*world{{verifier: current().verifier, now: atStart, findErr: errors.New("x")}, current()}, 503, "(ServiceUnavailableException): the role cannot be served now; try again, fault: server\n", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &reloading{worlds: tt.worlds}
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/v1/credentials", nil)
			r.Header.Set("Authorization", good())
			NewHandler(discard(), s)(w, r)
			if w.Code != tt.code || w.Body.String() != tt.body || s.asked != tt.asked {
				t.Errorf("got %d after %d selections: %s", w.Code, s.asked, w.Body)
			}
		})
	}
}

func TestHandler_StartsAgainWithin900ms(t *testing.T) {
	token := good()
	synctest.Test(t, func(t *testing.T) {
		slow := verifierFunc(func(context.Context, string) (*Claims, error) {
			time.Sleep(600 * time.Millisecond)
			return &Claims{Namespace: "shop", ServiceAccount: "web", Expires: start.Add(time.Hour)}, nil
		})
		memory := Remember(slow, MemoryOptions{Now: atStart})
		s := &reloading{worlds: []*world{
			{verifier: memory, now: atStart, findErr: ErrStale},
			{verifier: memory, now: atStart, source: hangingSource{}}, // the token is remembered there
		}}
		began := time.Now()
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/v1/credentials", nil)
		r.Header.Set("Authorization", token)
		NewHandler(discard(), s)(w, r)
		if took := time.Since(began); w.Code != 503 || took != maxWait || !strings.Contains(w.Body.String(), "not available yet") {
			t.Errorf("got %d after %s: %s", w.Code, took, w.Body)
		}
	})
}
