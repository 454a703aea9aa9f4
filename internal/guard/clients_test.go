package guard

import (
	"net/netip"
	"testing"

	"mock-ec2-metadata/internal/web"
)

func TestClassify_ByAddress(t *testing.T) {
	vpn := allowClients("10.0.0.0/8") // contains the LAN 10.1.0.0/16
	for _, tt := range []struct {
		name   string
		rules  *Rules
		remote string
		want   Class
	}{
		{name: "loopback", rules: defaultRules(), remote: "127.0.0.1:1", want: Local},
		{name: "another loopback address", rules: defaultRules(), remote: "127.200.0.1:1", want: Local},
		{name: "loopback of IPv6", rules: defaultRules(), remote: "[::1]:1", want: Local},
		{name: "loopback, mapped", rules: defaultRules(), remote: "[::ffff:127.0.0.1]:1", want: Local},
		{name: "own address on the network card", rules: defaultRules(), remote: "192.168.1.10:1", want: Local},
		{name: "own address of IPv6", rules: defaultRules(), remote: "[2001:db8:1::10]:1", want: Local},
		{name: "own link-local address", rules: defaultRules(), remote: "[fe80::10%eth0]:1", want: Local},
		{name: "own link-local address on another link", rules: defaultRules(), remote: "[fe80::10%docker0]:1", want: Allowed},
		{name: "own address of a bridge", rules: defaultRules(), remote: "172.17.0.1:1", want: Local},
		{name: "own address of a VPN", rules: defaultRules(), remote: "10.8.0.2:1", want: Local},

		{name: "container", rules: defaultRules(), remote: "172.17.0.2:1", want: Allowed},
		{name: "container, mapped", rules: defaultRules(), remote: "[::ffff:172.17.0.2]:1", want: Allowed},
		{name: "container of IPv6", rules: defaultRules(), remote: "[fd00:17::2]:1", want: Allowed},
		{name: "container, link-local", rules: defaultRules(), remote: "[fe80::2%docker0]:1", want: Allowed},
		{name: "LAN", rules: defaultRules(), remote: "192.168.1.20:1", want: Refused},
		{name: "LAN, mapped", rules: defaultRules(), remote: "[::ffff:192.168.1.20]:1", want: Refused},
		{name: "LAN of IPv6", rules: defaultRules(), remote: "[2001:db8:1::20]:1", want: Refused},
		{name: "LAN, link-local", rules: defaultRules(), remote: "[fe80::20%eth0]:1", want: Refused},
		{name: "link-local on an absent link", rules: defaultRules(), remote: "[fe80::20%eth9]:1", want: Refused},
		{name: "link-local without a link", rules: defaultRules(), remote: "[fe80::20]:1", want: Refused},
		{name: "other end of the VPN", rules: defaultRules(), remote: "10.8.0.1:1", want: Refused},
		{name: "internet", rules: defaultRules(), remote: "203.0.113.5:1", want: Refused},
		{name: "no address", rules: defaultRules(), remote: "", want: Refused},
		{name: "Unix socket", rules: defaultRules(), remote: "@", want: Refused},
		{name: "host name", rules: defaultRules(), remote: "localhost:1", want: Refused},
		{name: "no port", rules: defaultRules(), remote: "127.0.0.1", want: Refused},

		{name: "listed", rules: allowClients("192.168.1.20/32"), remote: "192.168.1.20:1", want: Allowed},
		{name: "listed, mapped", rules: allowClients("192.168.1.20/32"), remote: "[::ffff:192.168.1.20]:1", want: Allowed},
		{name: "not listed", rules: allowClients("192.168.1.20/32"), remote: "192.168.1.21:1", want: Refused},
		{name: "a list replaces auto", rules: allowClients("192.168.1.20/32"), remote: "172.17.0.2:1", want: Refused},
		{name: "listed, link-local", rules: allowClients("fe80::/64"), remote: "[fe80::20%eth0]:1", want: Allowed},
		{name: "all of IPv6 without IPv4", rules: allowClients("::/0"), remote: "192.168.1.20:1", want: Refused},
		{name: "all of IPv4", rules: allowClients("0.0.0.0/0", "::/0"), remote: "203.0.113.5:1", want: Allowed},
		{name: "all of IPv6", rules: allowClients("0.0.0.0/0", "::/0"), remote: "[2001:db8::5]:1", want: Allowed},
		{name: "LAN within a listed VPN", rules: vpn, remote: "10.1.2.3:1", want: Allowed},
		{name: "empty list", rules: allowClients(), remote: "172.17.0.2:1", want: Refused},
		{name: "empty list, loopback", rules: allowClients(), remote: "[::1]:1", want: Local},
		{name: "empty list, own address", rules: allowClients(), remote: "192.168.1.10:1", want: Local},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuard(tt.rules)
			r := request(from(tt.remote))
			if got := g.classify(tt.rules, web.Remote(r)); got != tt.want {
				t.Errorf("class %d, want %d", got, tt.want)
			}
			if got := g.IsLocal(r); got != (tt.want == Local) {
				t.Errorf("local: %v", got)
			}
			if denied := g.judgeClient(tt.rules, r); (denied != nil) != (tt.want == Refused) {
				t.Errorf("refused: %v", denied)
			}
		})
	}
}

func TestClassify_IgnoresHeadersOfProxies(t *testing.T) {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip", "X-Originating-Ip", "Via"} {
		t.Run(name, func(t *testing.T) {
			g := newGuard(defaultRules())
			r := request(from("192.168.1.20:1"))
			header(name, "127.0.0.1")(r)
			if denied := g.judge(r, nil); denied == nil || denied.rule != "clients" || g.IsLocal(r) {
				t.Error("the header allows a client")
			}
			r = request(nil)
			header(name, "192.168.1.20")(r)
			if !g.IsLocal(r) {
				t.Error("the header makes a local client another")
			}
		})
	}
}

func TestSource_IsAddressOrNetworkOf64Bits(t *testing.T) {
	for _, tt := range []struct{ address, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
		{"2001:db8:1:2::", "2001:db8:1:2::"},
		{"fe80::1%eth0", "fe80::%eth0"},
		{"fe80::2%eth1", "fe80::%eth1"},
	} {
		t.Run(tt.address, func(t *testing.T) {
			if got := source(netip.MustParseAddr(tt.address)); got.String() != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("invalid", func(t *testing.T) {
		if got := source(netip.Addr{}); got.IsValid() {
			t.Errorf("got %s", got)
		}
	})
}
