package cli

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/route"
	"mock-ec2-metadata/internal/testutil"
)

func TestContainerServiceAt_KnowsTheAddresses(t *testing.T) {
	for address, block := range map[string]string{
		"169.254.169.254": "", "fd00:ec2::254": "", "169.254.170.2": "ecs", "169.254.170.23": "pod_identity", "fd00:ec2::23": "pod_identity",
	} {
		if s, ok := containerServiceAt(netip.MustParseAddr(address)); s.block != block || ok != (block != "") {
			t.Errorf("%s: %q, %v, want %q", address, s.block, ok, block)
		}
	}
}

func TestServicesOf_AreThoseEnabled(t *testing.T) {
	c := &config.Config{}
	if got := servicesOf(c); got != (route.Services{}) {
		t.Errorf("got %+v", got)
	}
	c.ECS.Enabled = true
	if got := servicesOf(c); got != (route.Services{ECS: true}) {
		t.Errorf("got %+v", got)
	}
	c.ECS.Enabled, c.PodIdentity.Enabled = false, true
	if got := servicesOf(c); got != (route.Services{PodIdentity: true}) {
		t.Errorf("got %+v", got)
	}
}

// TestContainerService_IsRefusedWhereSomethingAnswers has each kind of thing that may be at the addresses, at other addresses.
func TestContainerService_IsRefusedWhereSomethingAnswers(t *testing.T) {
	isolate(t)
	ecs, _ := containerServiceAt(route.ECS())
	podIdentity, _ := containerServiceAt(route.PodIdentityIPv4())
	page := func(path string, code int, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path {
				http.NotFound(w, r)
				return
			}
			http.Error(w, body, code)
		}))
		t.Cleanup(s.Close)
		return s.URL + "/"
	}
	for _, tt := range []struct {
		name    string
		service containerService
		url     string
		want    string
	}{
		{"nothing", ecs, "http://" + testutil.FreeAddr(t) + "/", ""},
		{
			"an ECS agent", ecs, page("/v2/credentials/", 400, `{"code":"NoIdInRequest"}`),
			"a real ECS agent, or an imitation, already answers at {URL}, and --link-local would hide it from this machine; stop it, or set ecs.enabled: false",
		},
		{
			"an EKS agent", podIdentity, page("/v1/credentials", 400, "Service account token cannot be empty"),
			"a real agent of EKS Pod Identity, or an imitation, already answers at {URL}, and --link-local would hide it from this machine; stop it, or set pod_identity.enabled: false",
		},
		{
			"another program", podIdentity, page("/", 200, "welcome"),
			"{URL}status answers 404 Not Found, but not as mock-ec2-metadata does; stop it, or set pod_identity.enabled: false",
		},
		{
			"another daemon", ecs, start(t).url,
			"another mock-ec2-metadata, i-0123456789abcdef0 with role mock-role (embedded default), already answers at {URL}; stop it, or set ecs.enabled: false",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base, err := url.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			err = tt.service.refuseAnswer(t.Context(), base, "--link-local")
			if want := strings.ReplaceAll(tt.want, "{URL}", tt.url); (want == "") != (err == nil) || err != nil && err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}
