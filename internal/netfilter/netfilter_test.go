package netfilter

import (
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded is what the tools print in a network namespace that has the rules of a case. Made with nft 1.0.6 and iptables 1.8.9.
type recorded struct {
	Name    string
	Saved   string          // by iptables-save
	Listing json.RawMessage // by nft -j list ruleset
	Text    string          // by nft -a list ruleset
}

// recordings reads a file of testdata, by the names of the cases.
func recordings(t *testing.T, file string) map[string]recorded {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var list []recorded
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	all := map[string]recorded{}
	for _, r := range list {
		all[r.Name] = r
	}
	return all
}

// machineOf is a machine without a network card. If it is local, it has the service's addresses, and the interface br0.
func machineOf(local bool) Machine {
	m := Machine{LeadsOut: func(string) bool { return false }}
	for _, a := range []string{serviceIPv4, "fd00:ec2::254"} {
		m.Service = append(m.Service, Place{Address: netip.MustParseAddr(a), Local: local})
	}
	if local {
		m.Virtual = []string{"br0"}
	}
	return m
}

const serviceIPv4 = "169.254.169.254"

// blames are the rules that take requests away, each with its mark and its chain, without ours.
func blames(chains []*Chain, m Machine) []string {
	var all []string
	found, _ := Find(chains, m)
	for _, b := range found {
		mark, what := "note", "policy"
		if b.Sure {
			mark = "FAIL"
		}
		if b.rule != nil {
			what = b.rule.show
		}
		if _, ours, _ := b.Redirects(); !ours {
			all = append(all, mark+" "+b.chain.name+": "+what)
		}
	}
	return all
}

// blameTest names the rules that are blamed.
type blameTest struct {
	name string
	// both are blamed everywhere, apart only where the service's addresses are not on this machine, local where they are.
	both, apart, local []string
}

func (tt blameTest) run(t *testing.T, chains []*Chain) {
	t.Helper()
	for local, more := range map[bool][]string{false: tt.apart, true: tt.local} {
		want := slices.Concat(tt.both, more)
		if diff := cmp.Diff(want, blames(chains, machineOf(local))); diff != "" {
			t.Errorf("local %v (-want +got):\n%s", local, diff)
		}
	}
}

// TestFind_IptablesRules has rules that iptables-legacy and iptables-nft save alike.
func TestFind_IptablesRules(t *testing.T) {
	all := recordings(t, "iptables.json")
	for _, tt := range []blameTest{
		{
			name: "somebody redirects",
			both: []string{`FAIL OUTPUT: -A OUTPUT -d 169.254.169.254/32 -p tcp -j DNAT --to-destination 192.0.2.9:80`},
		},
		{
			name: "kube2iam",
			both: []string{`FAIL PREROUTING: -A PREROUTING -d 169.254.169.254/32 -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8181`},
		},
		{
			name:  "drop in forward",
			apart: []string{`FAIL FORWARD: -A FORWARD -d 169.254.0.0/16 -j DROP`},
			local: []string{`note FORWARD: -A FORWARD -d 169.254.0.0/16 -j DROP`},
		},
		{
			name:  "reject in forward",
			apart: []string{`FAIL FORWARD: -A FORWARD -d 169.254.169.254/32 -p tcp -m multiport --dports 22,80:90 -m comment --comment "it\'s \"no\" metadata" -j REJECT --reject-with icmp-port-unreachable`},
			local: []string{`note FORWARD: -A FORWARD -d 169.254.169.254/32 -p tcp -m multiport --dports 22,80:90 -m comment --comment "it\'s \"no\" metadata" -j REJECT --reject-with icmp-port-unreachable`},
		},
		{name: "nat.sh"},
		{name: "nat.sh before another"},
		{
			name: "nat.sh after another",
			both: []string{`FAIL OUTPUT: -A OUTPUT -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.9:5000`},
		},
		{
			name: "the daemon", // where it listens is the caller's to know
			both: []string{
				`FAIL OUTPUT: -A OUTPUT -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 127.0.0.1:5000`,
				`FAIL PREROUTING: -A PREROUTING -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 5000`,
			},
		},
		{
			name: "another port of the daemon",
			both: []string{`FAIL OUTPUT: -A OUTPUT -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 127.0.0.1:5001`},
		},
		{
			name: "redirect",
			both: []string{`FAIL OUTPUT: -A OUTPUT -p tcp -m tcp --dport 80 -m owner ! --uid-owner 13 -j REDIRECT --to-ports 3128`},
		},
		{
			name: "tproxy",
			both: []string{`FAIL PREROUTING: -A PREROUTING -p tcp -m tcp --dport 80 -j TPROXY --on-port 3129 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xffffffff`},
		},
		{name: "udp"},
		{name: "another port"},
		{
			name: "port range",
			both: []string{`FAIL OUTPUT: -A OUTPUT -d 169.254.169.254/32 -p tcp -m tcp --dport 1:1023 -j DROP`},
		},
		{name: "another address"},
		{
			name: "range",
			both: []string{`FAIL OUTPUT: -A OUTPUT -m iprange --dst-range 169.254.0.0-169.254.255.255 -j DROP`},
		},
		{
			name:  "all but one network",
			local: []string{`FAIL OUTPUT: -A OUTPUT ! -d 10.0.0.0/8 -p tcp -j REJECT --reject-with tcp-reset`},
		},
		{
			name: "user",
			both: []string{`FAIL OUTPUT: -A OUTPUT -d 169.254.169.254/32 -m owner ! --uid-owner 0 -j DROP`},
		},
		{
			name: "source",
			both: []string{`FAIL PREROUTING: -A PREROUTING -s 172.17.0.0/16 -d 169.254.169.254/32 -j DNAT --to-destination 10.0.0.1`},
		},
		{name: "source alone"},
		{name: "states"},
		{
			name: "new",
			both: []string{`FAIL OUTPUT: -A OUTPUT -d 169.254.169.254/32 -m conntrack --ctstate NEW -j DROP`},
		},
		{name: "mark"},
		{
			name: "mark and the address",
			both: []string{`note OUTPUT: -A OUTPUT -d 169.254.169.254/32 -m mark --mark 0x1 -j DROP`},
		},
		{name: "limit"},
		{name: "flags"},
		{
			name: "syn",
			both: []string{`FAIL OUTPUT: -A OUTPUT -d 169.254.169.254/32 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP`},
		},
		{name: "accepted before"},
		{
			name: "accepted for some",
			both: []string{`FAIL OUTPUT: -A OUTPUT -d 169.254.169.254/32 -j DROP`},
		},
		{
			name: "jumps",
			both: []string{`FAIL TWO: -A TWO -p tcp -j DROP`},
		},
		{name: "returns"},
		{name: "goto"},
		{
			name:  "published port",
			local: []string{`FAIL DOCKER: -A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80`},
		},
		{
			name:  "policy",
			local: []string{`FAIL INPUT: policy`},
		},
		{name: "policy with a door"},
		{name: "forward policy"},
		{name: "masquerade"},
		{
			name: "raw",
			both: []string{`FAIL PREROUTING: -A PREROUTING -d 169.254.169.254/32 -j DROP`},
		},
		{
			name:  "outside",
			apart: []string{`FAIL FORWARD: -A FORWARD -d 169.254.169.254/32 -i eth0 -j DROP`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, there := all[tt.name]
			if !there {
				t.Fatal("there is no such recording")
			}
			delete(all, tt.name)
			chains := ParseIptables("iptables-legacy", "ip", r.Saved)
			tt.run(t, chains)
		})
	}
	for name := range all {
		t.Errorf("the recording %q has no test", name)
	}
}

// TestFind_NFTRules has the rules of nft, and those of an iptables-nft that is not installed.
func TestFind_NFTRules(t *testing.T) {
	all := recordings(t, "nft.json")
	for _, tt := range []blameTest{
		{
			name: "somebody redirects",
			both: []string{`FAIL o: ip daddr 169.254.169.254 tcp dport 80 dnat to 192.0.2.9:80`},
		},
		{name: "nat.sh"},
		{
			name: "set",
			both: []string{`FAIL out: ip daddr { 10.0.0.0/8, 169.254.169.254 } drop`},
		},
		{
			name: "interval set",
			both: []string{`FAIL out: ip daddr { 1.1.1.1-1.1.1.9, 169.254.0.0/16 } drop`},
		},
		{name: "set without it"},
		{
			name: "named set",
			both: []string{`FAIL out: ip daddr @s reject with icmp port-unreachable`},
		},
		{name: "named set without it"},
		{name: "empty named set"},
		{
			name: "set with a timeout",
			both: []string{`FAIL out: ip daddr @s drop`},
		},
		{
			name:  "not in the set",
			local: []string{`FAIL out: ip daddr != { 10.0.0.0/8, 192.168.0.0/16 } drop`},
		},
		{
			name: "pairs",
			both: []string{`FAIL out: ip daddr . tcp dport { 169.254.169.254 . 80, 10.0.0.0/8 . 1-99 } reject with tcp reset`},
		},
		{name: "pairs of another port"},
		{
			name: "verdict map",
			both: []string{`FAIL sub: tcp dport { 80, 443 } drop comment "web"`},
		},
		{name: "verdict map without it"},
		{
			name: "address map",
			both: []string{`FAIL pre: dnat to ip daddr map { 10.0.0.9 : 10.0.0.1, 169.254.169.254 : 10.0.0.2 }`},
		},
		{name: "address map without it"},
		{
			name: "named address map",
			both: []string{`FAIL pre: dnat to ip daddr map @m`},
		},
		{
			name: "redirect",
			both: []string{`FAIL pre: iifname "docker0" tcp dport 80 redirect to :3128`},
		},
		{
			name: "tproxy",
			both: []string{`FAIL pre: ip daddr 169.254.0.0/16 tcp dport 80 tproxy ip to 127.0.0.1:3129 accept`},
		},
		{name: "udp"},
		{name: "not of udp"},
		{name: "another port"},
		{
			name: "port range",
			both: []string{`FAIL out: ip daddr 169.254.169.254 tcp dport 1-1023 drop`},
		},
		{
			name: "l4proto",
			both: []string{`FAIL out: ip daddr 169.254.169.254 meta l4proto { tcp, udp } th dport 80 drop`},
		},
		{name: "another address"},
		{name: "all but it"},
		{
			name: "IPv6 address",
			both: []string{`FAIL out: ip6 daddr fd00:ec2::254 drop`},
		},
		{
			name: "IPv6 network",
			both: []string{`FAIL out: ip6 daddr fc00::/7 tcp dport 80 reject with icmpv6 port-unreachable`},
		},
		{name: "accepted before"},
		{name: "established"},
		{
			name: "new",
			both: []string{`FAIL out: ct state new ip daddr 169.254.169.254 drop`},
		},
		{
			name: "user",
			both: []string{`FAIL out: meta skuid 1000 ip daddr 169.254.169.254 drop`},
		},
		{
			name: "mark",
			both: []string{`note out: meta mark & 0x000000ff == 0x00000001 ip daddr 169.254.169.254 drop`},
		},
		{name: "limit"},
		{name: "returned"},
		{name: "goto"},
		{
			name:  "policy",
			local: []string{`FAIL in: policy`},
		},
		{
			name:  "policy with a door",
			local: []string{`FAIL in: policy`},
		},
		{
			name:  "forward",
			apart: []string{`FAIL f: ip daddr 169.254.169.254 reject with icmp host-prohibited`},
			local: []string{`note f: ip daddr 169.254.169.254 reject with icmp host-prohibited`},
		},
		{
			name:  "local type",
			local: []string{`FAIL pre: fib daddr type local tcp dport 80 dnat to 172.17.0.2:80`},
		},
		{name: "ingress"},
		{
			name:  "bridge",
			apart: []string{`FAIL f: ip daddr 169.254.169.254 drop`},
			local: []string{`note f: ip daddr 169.254.169.254 drop`},
		},
		{
			name: "syn",
			both: []string{`FAIL out: tcp flags syn ip daddr 169.254.169.254 drop`},
		},
		{
			name:  "firewalld", // br0 is in the public zone
			local: []string{`FAIL filter_INPUT: reject with icmpx admin-prohibited`},
		},
		{
			name:  "iptables",
			apart: []string{`note OUTPUT: ip daddr 169.254.169.254 tcp dport 80 counter packets 0 bytes 0 dnat to 192.0.2.1:5000`, `FAIL PREROUTING: iifname "docker0" ip daddr 169.254.169.254 tcp dport 80 counter packets 0 bytes 0 dnat to 192.0.2.9:80`, `FAIL FORWARD: ip daddr 169.254.0.0/16 counter packets 0 bytes 0 reject`},
			local: []string{`note OUTPUT: ip daddr 169.254.169.254 tcp dport 80 counter packets 0 bytes 0 dnat to 192.0.2.1:5000`, `FAIL PREROUTING: iifname "docker0" ip daddr 169.254.169.254 tcp dport 80 counter packets 0 bytes 0 dnat to 192.0.2.9:80`, `note FORWARD: ip daddr 169.254.0.0/16 counter packets 0 bytes 0 reject`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, there := all[tt.name]
			if !there {
				t.Fatal("there is no such recording")
			}
			delete(all, tt.name)
			chains, err := ParseNFT(r.Listing, r.Text)
			if err != nil {
				t.Fatal(err)
			}
			tt.run(t, chains)
		})
	}
	for name := range all {
		t.Errorf("the recording %q has no test", name)
	}
}
