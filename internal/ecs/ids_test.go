package ecs

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
)

func TestID_IsTheSameForTheSameSecretRoleAndContainer(t *testing.T) {
	if got, want := ID([]byte("secret"), "web", "i-1"), "a7ba346a-99c1-423b-83cd-6438d5864f99"; got != want {
		t.Errorf("got %s, want %s: clients lose their credentials when the daemon is replaced", got, want)
	}
	if got, want := EndpointID([]byte("secret"), "i-1"), "df7a86cb-0288-42ad-a6e6-45938c20a061"; got != want {
		t.Errorf("endpoint: got %s, want %s: clients lose their metadata when the daemon is replaced", got, want)
	}
}

func TestID_DiffersForOtherSecretsRolesAndContainers(t *testing.T) {
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	add := func(id string) {
		t.Helper()
		if !uuid.MatchString(id) || seen[id] {
			t.Errorf("%s is no UUID, or is there twice", id)
		}
		seen[id] = true
	}
	names := []string{"", "w", "e", "we", "web", "Web", " web", "webw", "i-1", "ecs credentials"}
	for _, secret := range []string{"secret", "secret ", "other", ""} {
		for _, container := range names {
			for _, role := range names {
				add(ID([]byte(secret), role, container))
			}
			add(EndpointID([]byte(secret), container))
		}
	}
}

func TestIDs_FindsOnlyWholeIDs(t *testing.T) {
	secret := []byte("secret")
	web := ID(secret, "web", "c1")
	ids := NewIDs(secret, []Grant{{"web", "c1"}, {"web", "c2"}, {"", "c1"}})
	for _, tt := range []struct {
		name, id string
		want     Grant
		ok       bool
	}{
		{"web", web, Grant{"web", "c1"}, true},
		{"web of another container", ID(secret, "web", "c2"), Grant{"web", "c2"}, true},
		{"the file's own", ID(secret, "", "c1"), Grant{"", "c1"}, true},
		{name: "the file's own, of another container", id: ID(secret, "", "c2")},
		{name: "role of another file", id: ID(secret, "other", "c1")},
		{name: "another secret", id: ID([]byte("other"), "web", "c1")},
		{name: "endpoint", id: EndpointID(secret, "c1")},
		{name: "name", id: "web"},
		{name: "beginning", id: web[:35]},
		{name: "longer", id: web + "0"},
		{name: "empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := ids.Find(tt.id); got != tt.want || ok != tt.ok {
				t.Errorf("got %q %v, want %q", got, ok, tt.want)
			}
		})
	}
	if got, ok := NewIDs(secret, nil).Find(web); ok {
		t.Errorf("without grants: %q", got)
	}
}

// discard is an http.ResponseWriter that keeps its headers and nothing else.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

func TestHandler_GetAllocatesNothing(t *testing.T) {
	ids := NewIDs([]byte("secret"), []Grant{{"web", "c1"}, {"jobs", "c1"}})
	finder := byRole{ids: ids, sources: map[string]CredentialSource{"web": valid()}}
	service := &Service{Authorization: NewAuthorization("right", "ecs.authorization_file"), Finder: finder}
	handler := NewHandler(slog.New(slog.DiscardHandler), always{service})
	r := httptest.NewRequest(http.MethodGet, "/v2/credentials/"+ID([]byte("secret"), "web", "c1"), nil)
	r.Header.Set("Authorization", "right")
	w := &discard{http.Header{}}
	if got := testing.AllocsPerRun(1000, func() { handler(w, r) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

// always selects the same service.
type always struct{ service *Service }

func (s always) Select(*http.Request) (*Service, error) { return s.service, nil }

// byRole finds as the daemon does.
type byRole struct {
	*byID
	ids     *IDs
	sources map[string]CredentialSource
}

func (s byRole) ByID(_ *http.Request, id string) (CredentialSource, error) {
	if g, ok := s.ids.Find(id); ok {
		return s.sources[g.Role], nil
	}
	return nil, nil
}
