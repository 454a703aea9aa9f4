package guard

import (
	"net/netip"
	"testing"
)

func TestClients(t *testing.T) {
	vpn := listed("10.0.0.0/8") // holds the office's network 10.1.0.0/16
	for _, tt := range []struct {
		name   string
		rules  *Rules
		remote string
		want   Class
	}{
		{"loopback", usual(), "127.0.0.1:1", Local},
		{"all of it", usual(), "127.200.0.1:1", Local},
		{"loopback of IPv6", usual(), "[::1]:1", Local},
		{"mapped", usual(), "[::ffff:127.0.0.1]:1", Local},
		{"own address on the network card", usual(), "192.168.1.10:1", Local},
		{"own address of IPv6", usual(), "[2001:db8:1::10]:1", Local},
		{"own address on the link", usual(), "[fe80::10%eth0]:1", Local},
		{"the same address on another link", usual(), "[fe80::10%docker0]:1", Admitted},
		{"own address of a bridge", usual(), "172.17.0.1:1", Local},
		{"own address of a VPN", usual(), "10.8.0.2:1", Local},

		{"container", usual(), "172.17.0.2:1", Admitted},
		{"container, mapped", usual(), "[::ffff:172.17.0.2]:1", Admitted},
		{"container of IPv6", usual(), "[fd00:17::2]:1", Admitted},
		{"container on the link", usual(), "[fe80::2%docker0]:1", Admitted},
		{"office", usual(), "192.168.1.20:1", Refused},
		{"office, mapped", usual(), "[::ffff:192.168.1.20]:1", Refused},
		{"office of IPv6", usual(), "[2001:db8:1::20]:1", Refused},
		{"office on the link", usual(), "[fe80::20%eth0]:1", Refused},
		{"on a link that is not there", usual(), "[fe80::20%eth9]:1", Refused},
		{"on no link", usual(), "[fe80::20]:1", Refused},
		{"from behind the VPN", usual(), "10.8.0.1:1", Refused},
		{"from the internet", usual(), "203.0.113.5:1", Refused},
		{"no address", usual(), "", Refused},
		{"a path", usual(), "@", Refused},
		{"a name", usual(), "localhost:1", Refused},
		{"no port", usual(), "127.0.0.1", Refused},

		{"listed", listed("192.168.1.20/32"), "192.168.1.20:1", Admitted},
		{"listed, mapped", listed("192.168.1.20/32"), "[::ffff:192.168.1.20]:1", Admitted},
		{"not listed", listed("192.168.1.20/32"), "192.168.1.21:1", Refused},
		{"a list replaces auto", listed("192.168.1.20/32"), "172.17.0.2:1", Refused},
		{"listed on the link", listed("fe80::/64"), "[fe80::20%eth0]:1", Admitted},
		{"IPv4 is none of all IPv6", listed("::/0"), "192.168.1.20:1", Refused},
		{"all", listed("0.0.0.0/0", "::/0"), "203.0.113.5:1", Admitted},
		{"all of IPv6", listed("0.0.0.0/0", "::/0"), "[2001:db8::5]:1", Admitted},
		{"VPN that holds the office's", vpn, "10.1.2.3:1", Admitted},
		{"nobody", listed(), "172.17.0.2:1", Refused},
		{"nobody but this machine", listed(), "[::1]:1", Local},
		{"and its addresses", listed(), "192.168.1.10:1", Local},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGuard(tt.rules)
			r := request(from(tt.remote))
			if got := g.classify(tt.rules, remote(r)); got != tt.want {
				t.Errorf("%s is %d, want %d", tt.remote, got, tt.want)
			}
			if got := g.IsLocal(r); got != (tt.want == Local) {
				t.Errorf("%s is this machine: %v", tt.remote, got)
			}
			if no := g.judgeClient(tt.rules, r); (no != nil) != (tt.want == Refused) {
				t.Errorf("%s is refused: %v", tt.remote, no)
			}
		})
	}
}

// TestHeadersSayNothing sends what proxies tell about clients: only the socket counts.
func TestHeadersSayNothing(t *testing.T) {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip", "X-Originating-Ip", "Via"} {
		r := request(from("192.168.1.20:1"))
		header(name, "127.0.0.1")(r)
		g := newGuard(usual())
		if no := g.judge(r); no == nil || no.rule != "clients" || g.IsLocal(r) {
			t.Errorf("%s lets a client in", name)
		}
		r = request(nil)
		header(name, "192.168.1.20")(r)
		if !g.IsLocal(r) {
			t.Errorf("%s makes this machine a stranger", name)
		}
	}
}

func TestSource(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":            "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::",
		"2001:db8:1:2::":       "2001:db8:1:2::",
		"fe80::1%eth0":         "fe80::%eth0",
		"fe80::2%eth1":         "fe80::%eth1",
	} {
		if got := source(netip.MustParseAddr(in)); got.String() != want {
			t.Errorf("source(%s) = %s, want %s", in, got, want)
		}
	}
	if got := source(netip.Addr{}); got.IsValid() {
		t.Errorf("the source of nothing is %s", got)
	}
}
