package guard

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"mock-ec2-metadata/internal/web"
)

// addressed is a connection of which only the addresses are known.
type addressed struct {
	net.Conn
	local string
}

func (s addressed) LocalAddr() net.Addr { return tcp(s.local) }
func (addressed) RemoteAddr() net.Addr  { return tcp("127.0.0.1") }

func tcp(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 80} }

func TestContainerAddress_AllowsItsOwnHostAlone(t *testing.T) {
	const denied = "Access Denied. Called agent through invalid address, please use either [169.254.170.23 fd00:ec2::23] address not "
	g := New(NewNetworks(slog.New(slog.DiscardHandler)), slog.New(slog.DiscardHandler), time.Now)
	g.Use(&Rules{Auto: true, Hosts: []string{"metadata.example.com"}, MaxURL: 2048, MaxHeader: 16384})
	for _, tt := range []struct{ local, host, want string }{ // want is the refusal; "" is none
		{"169.254.170.2", "169.254.170.2", ""},
		{"169.254.170.2", "169.254.170.2:80", ""},
		{"169.254.170.2", "", ""},
		{"169.254.170.2", "localhost", `Host "localhost" is not allowed here: it may be a web page's (DNS rebinding); ask 169.254.170.2`},
		{"169.254.170.2", "169.254.169.254", `Host "169.254.169.254" is not allowed here: it may be a web page's (DNS rebinding); ask 169.254.170.2`},
		{"169.254.170.2", "metadata.example.com", `Host "metadata.example.com" is not allowed here: it may be a web page's (DNS rebinding); ask 169.254.170.2`},
		{"169.254.170.2", "169.254.170.2:80:80", `Host "169.254.170.2:80:80" is not allowed here: it may be a web page's (DNS rebinding); ask 169.254.170.2`},
		{"169.254.170.23", "169.254.170.23", ""},
		{"169.254.170.23", "169.254.170.23:80", ""},
		{"169.254.170.23", "[fd00:ec2::23]", ""},
		{"169.254.170.23", "[fd00:ec2::23]:80", ""},
		{"fd00:ec2::23", "[fd00:ec2::23]:80", ""},
		{"fd00:ec2::23", "169.254.170.23", ""},
		{"169.254.170.23", "", ""},
		{"169.254.170.23", "evil.example", denied + "evil.example"},
		{"169.254.170.23", "evil.example:80", denied + "evil.example"},
		{"169.254.170.23", "localhost", denied + "localhost"},
		{"169.254.170.23", "127.0.0.1", denied + "127.0.0.1"},
		{"169.254.170.23", "[::1]:80", denied + "::1"},
		{"169.254.170.23", "169.254.170.2", denied + "169.254.170.2"},
		{"169.254.170.23", "[fd00:ec2::23]evil.example", denied + "[fd00:ec2::23]evil.example"},
		{"127.0.0.1", "169.254.170.23", ""}, // on a shared port the other rules hold
		{"127.0.0.1", "localhost", ""},
	} {
		t.Run(tt.local+" as "+tt.host, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/v1/credentials", http.NoBody)
			r.Host = tt.host
			r = r.WithContext(web.WithConn(r.Context(), addressed{local: tt.local}))
			w := httptest.NewRecorder()
			g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(w, r)
			if tt.want == "" {
				if w.Code != http.StatusNoContent {
					t.Fatalf("got %d %q", w.Code, w.Body)
				}
				return
			}
			if w.Code != http.StatusForbidden || w.Body.String() != tt.want+"\n" {
				t.Errorf("got %d %q, want %q", w.Code, w.Body, tt.want)
			}
			h := w.Header()
			if h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Server") != "" {
				t.Errorf("headers %v", h)
			}
		})
	}
}
