package ecs

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
)

func TestID_IsTheSameForTheSameSecretAndRole(t *testing.T) {
	const want = "0e9ad779-e05a-4336-9dfa-8f75a743b5ac"
	if got := ID([]byte("secret"), "web"); got != want {
		t.Errorf("got %s, want %s: clients lose their credentials when the daemon is replaced", got, want)
	}
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for _, secret := range []string{"secret", "secret ", "other", ""} {
		for _, role := range []string{"web", "jobs", "Web", "w", "", " web"} {
			id := ID([]byte(secret), role)
			if !uuid.MatchString(id) || seen[id] {
				t.Errorf("secret %q, role %q: %s", secret, role, id)
			}
			seen[id] = true
		}
	}
}

func TestIDs_FindsOnlyWholeIDs(t *testing.T) {
	secret := []byte("secret")
	web := ID(secret, "web")
	ids := NewIDs(secret, []string{"web", "jobs"})
	for _, tt := range []struct{ name, id, role string }{
		{"web", web, "web"},
		{"jobs", ID(secret, "jobs"), "jobs"},
		{"role of another file", ID(secret, "other"), ""},
		{"another secret", ID([]byte("other"), "web"), ""},
		{"name", "web", ""},
		{"beginning", web[:35], ""},
		{"longer", web + "0", ""},
		{"empty", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if role, ok := ids.Role(tt.id); role != tt.role || ok != (tt.role != "") {
				t.Errorf("got %q %v, want %q", role, ok, tt.role)
			}
		})
	}
	if role, ok := NewIDs(secret, nil).Role(web); ok {
		t.Errorf("without roles: %q", role)
	}
}

// discard is an http.ResponseWriter that keeps its headers and nothing else.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

func TestHandler_GetAllocatesNothing(t *testing.T) {
	ids := NewIDs([]byte("secret"), []string{"web", "jobs"})
	handler := NewHandler(slog.New(slog.DiscardHandler), byRole{ids, map[string]CredentialSource{"web": valid()}})
	r := httptest.NewRequest(http.MethodGet, "/v2/credentials/"+ID([]byte("secret"), "web"), nil)
	w := &discard{http.Header{}}
	if got := testing.AllocsPerRun(1000, func() { handler(w, r) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

// byRole selects as the daemon does.
type byRole struct {
	ids     *IDs
	sources map[string]CredentialSource
}

func (s byRole) Select(_ *http.Request, id string) (CredentialSource, error) {
	if role, ok := s.ids.Role(id); ok {
		return s.sources[role], nil
	}
	return nil, nil
}
