//go:build linux

package imds

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"mock-ec2-metadata/internal/web"
)

func TestHopLimit_HoldsForTokenAnswersOnly(t *testing.T) {
	for _, tt := range []struct {
		name, network, address string
		guest                  bool
		limit, hops            int
	}{
		{name: "IPv4", network: "tcp4", address: "127.0.0.1:0", limit: 3, hops: 3},
		{name: "IPv6", network: "tcp6", address: "[::1]:0", limit: 3, hops: 3},
		{name: "one hop", network: "tcp4", address: "127.0.0.1:0", limit: 1, hops: 1},
		{name: "guest", network: "tcp4", address: "127.0.0.1:0", guest: true, limit: 3, hops: 2},
		{name: "guest by IPv6", network: "tcp6", address: "[::1]:0", guest: true, limit: 2, hops: 1},
		{name: "guest, largest limit", network: "tcp4", address: "127.0.0.1:0", guest: true, limit: 63, hops: 62},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := newTarget()
			target.HopLimit = tt.limit
			h := newGuestRouter(slog.New(slog.DiscardHandler), &selector{target: target}, never, func(*http.Request) bool { return tt.guest })
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
				{method: http.MethodPut, path: "/latest/api/token", hops: tt.hops, closes: true},
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
