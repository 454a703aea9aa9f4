package cli

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/route"
	"mock-ec2-metadata/internal/testutil"
)

// TestLinkLocal_IsRefusedWhereSomethingAnswers has each kind of thing that may be at the service's address, at other addresses.
func TestLinkLocal_IsRefusedWhereSomethingAnswers(t *testing.T) {
	isolate(t)
	page := func(server string, code int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Server", server)
			if r.Method == http.MethodPut {
				w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
				return
			}
			w.WriteHeader(code)
		}))
		t.Cleanup(s.Close)
		return s.URL + "/"
	}
	for _, tt := range []struct{ name, url, want string }{
		{"nothing", "http://" + testutil.FreeAddr(t) + "/", ""},
		{
			"another daemon", start(t).url,
			"another mock-ec2-metadata, i-0123456789abcdef0 with role mock-role (embedded default), already answers at {URL}; stop it, or leave out --link-local",
		},
		{
			"EC2", page("EC2ws", http.StatusNotFound),
			"a real EC2 metadata service already answers at {URL}, and --link-local would hide it from this machine; leave that out, and tell SDKs where the daemon is, for example: export AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:5000/",
		},
		{
			"another mock", page("Mock/1.0", http.StatusNotFound),
			`{URL}status answers 404 Not Found, but not as mock-ec2-metadata does (it is "Mock/1.0"); stop it, or leave out --link-local`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base, err := url.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			err = refuseAnswer(t.Context(), base, "--link-local")
			if want := strings.ReplaceAll(tt.want, "{URL}", tt.url); (want == "") != (err == nil) || err != nil && err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestLinkLocal_AddsTheAddressesThatAreMissing(t *testing.T) {
	all := []string{"169.254.169.254:80"}
	if slices.Contains(route.Services{}.Addresses(), route.IPv6()) {
		all = append(all, "[fd00:ec2::254]:80")
	}
	for _, tt := range []struct {
		listen []string
		want   []string
	}{
		{[]string{"0.0.0.0:5000"}, all},
		{[]string{"127.0.0.1:80", "0.0.0.0:8080", "host:80"}, all},
		{[]string{"0.0.0.0:80"}, all[1:]},
		{[]string{"127.0.0.1:5000", "169.254.169.254:80"}, all[1:]},
		{[]string{":80"}, nil},
		{[]string{"[::]:80"}, nil},
	} {
		t.Run(strings.Join(tt.listen, ","), func(t *testing.T) {
			if got := linkLocalListen(tt.listen); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRoute_RedirectLeadsToIPv4(t *testing.T) {
	const refused = "169.254.169.254 cannot be redirected to {LISTEN}; name an IPv4 address with a port where the daemon listens: --listen 127.0.0.1:5000"
	for _, tt := range []struct{ listen, want string }{
		{"0.0.0.0:5000", "127.0.0.1:5000"},
		{":5001", "127.0.0.1:5001"},
		{"[::]:5001", "127.0.0.1:5001"},
		{"localhost:5001", "127.0.0.1:5001"},
		{"192.168.56.1:5000", "192.168.56.1:5000"},
		{"[::1]:5000", refused},
		{"127.0.0.1:0", refused},
		{"my-host:5000", refused},
	} {
		t.Run(tt.listen, func(t *testing.T) {
			got, err := redirectTarget(tt.listen)
			if tt.want == refused {
				if text := strings.ReplaceAll(refused, "{LISTEN}", tt.listen); err == nil || err.Error() != text {
					t.Errorf("%v, %v; want %s", got, err, text)
				}
			} else if err != nil || got != netip.MustParseAddrPort(tt.want) {
				t.Errorf("%v, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestRoute_ListenFlagsAreForAShell(t *testing.T) {
	got := listenFlags([]string{"127.0.0.1:5000", "[::1]:5000", ":80"})
	if want := " --listen 127.0.0.1:5000 --listen '[::1]:5000' --listen :80"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
