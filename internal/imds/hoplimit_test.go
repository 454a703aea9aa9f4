//go:build linux

package imds

import (
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"mock-ec2-metadata/internal/web"
)

// TestHopLimit looks at the socket of each answer: the token's alone is limited, and closed.
func TestHopLimit(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			target := newTarget()
			target.HopLimit = 3
			h := newRouter(&selector{target: target}, never)
			hops := make(chan int, 1)
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				h.ServeHTTP(w, req)
				hops <- hopsOf(t, web.Conn(req), network)
			}))
			l, err := net.Listen(network, map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network])
			if err != nil {
				t.Fatal(err)
			}
			srv.Listener = l
			srv.Config.ConnContext = web.WithConn
			srv.Start()
			defer srv.Close()

			for _, tt := range []struct {
				method, path string
				hops         int
				closes       bool
			}{
				{http.MethodGet, "/latest/meta-data/instance-id", 64, false},
				{http.MethodPut, "/latest/api/token", 3, true},
				{http.MethodGet, "/latest/meta-data/instance-id", 64, false},
			} {
				req, _ := http.NewRequestWithContext(t.Context(), tt.method, srv.URL+tt.path, nil)
				req.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "60")
				resp, err := srv.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK || resp.Close != tt.closes {
					t.Errorf("%s: %s, closes %v, want 200, %v", tt.method, resp.Status, resp.Close, tt.closes)
				}
				if got := <-hops; got != tt.hops {
					t.Errorf("%s: hop limit %d, want %d", tt.method, got, tt.hops)
				}
			}
		})
	}
}

func hopsOf(t *testing.T, conn net.Conn, network string) int {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Error(err)
		return 0
	}
	hops := 0
	if err := raw.Control(func(fd uintptr) {
		level, option := syscall.IPPROTO_IP, syscall.IP_TTL
		if network == "tcp6" {
			level, option = syscall.IPPROTO_IPV6, syscall.IPV6_UNICAST_HOPS
		}
		hops, err = syscall.GetsockoptInt(int(fd), level, option)
	}); err != nil {
		t.Error(err)
	}
	return hops
}
