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

func TestHopLimit_HoldsForTokenAnswersOnly(t *testing.T) {
	for _, tt := range []struct{ network, address string }{
		{"tcp4", "127.0.0.1:0"},
		{"tcp6", "[::1]:0"},
	} {
		t.Run(tt.network, func(t *testing.T) {
			target := newTarget()
			target.HopLimit = 3
			h := newRouter(&selector{target: target}, never)
			hops := make(chan int, 1)
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				h.ServeHTTP(w, req)
				hops <- hopsOf(t, web.Conn(req), tt.network)
			}))
			l, err := net.Listen(tt.network, tt.address)
			if err != nil {
				t.Fatal(err)
			}
			srv.Listener = l
			srv.Config.ConnContext = web.WithConn
			srv.Start()
			defer srv.Close()

			for _, step := range []struct {
				method, path string
				hops         int
				closes       bool
			}{
				{method: http.MethodGet, path: "/latest/meta-data/instance-id", hops: 64},
				{method: http.MethodPut, path: "/latest/api/token", hops: 3, closes: true},
				{method: http.MethodGet, path: "/latest/meta-data/instance-id", hops: 64},
			} {
				req, _ := http.NewRequestWithContext(t.Context(), step.method, srv.URL+step.path, nil)
				req.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "60")
				resp, err := srv.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK || resp.Close != step.closes {
					t.Errorf("%s: %s, closes %v, want 200, %v", step.method, resp.Status, resp.Close, step.closes)
				}
				if got := <-hops; got != step.hops {
					t.Errorf("%s: hop limit %d, want %d", step.method, got, step.hops)
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
