package guard

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

func TestIsGuest_NetworkOfContainersAlone(t *testing.T) {
	list := []attachment{
		at("127.0.0.1/8", "lo", false), at("192.168.1.10/24", "eth0", false), at("172.17.0.1/16", "docker0", true),
		at("192.168.122.1/24", "virbr0", true), at("2001:db8::1/64", "docker0", true), at("fe80::1/64", "docker0", true),
		at("10.8.0.2/24", "tun0", false), at("172.30.0.5/16", "veth0", true),
	}
	n := fixedNetworks(list...)
	n.extra = []netip.Prefix{netip.MustParsePrefix("172.20.0.0/16")}
	n.uplinks = func() (map[string]bool, error) { return map[string]bool{"eth0": true, "veth0": true}, nil }
	n.refresh()
	g := New(n, slog.New(slog.DiscardHandler), time.Now)
	g.Use(allowClients("0.0.0.0/0", "::/0")) // whom the rules allow makes no difference
	for _, tt := range []struct {
		name, from string
		want       bool
	}{
		{name: "container", from: "172.17.0.2:1", want: true},
		{name: "container by IPv6", from: "[2001:db8::2]:1", want: true},
		{name: "container by its link-local address", from: "[fe80::2%docker0]:1", want: true},
		{name: "container by IPv4 in IPv6", from: "[::ffff:172.17.0.2]:1", want: true},
		{name: "virtual machine", from: "192.168.122.7:1", want: true},
		{name: "loopback", from: "127.0.0.1:1"},
		{name: "loopback by IPv6", from: "[::1]:1"},
		{name: "this machine, by the bridge's address", from: "172.17.0.1:1"},
		{name: "LAN", from: "192.168.1.20:1"},
		{name: "link-local address of the LAN", from: "[fe80::2%eth0]:1"},
		{name: "VPN", from: "10.8.0.9:1"},
		{name: "behind a router", from: "203.0.113.9:1"},
		{name: "way out of a container", from: "172.30.0.1:1"},
		{name: "network that only the host sees", from: "172.20.0.2:1"},
		{name: "not an address", from: "@"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPut, tokenPath, nil)
			r.RemoteAddr = tt.from
			if got := g.IsGuest(r); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
