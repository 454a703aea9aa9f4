package netfilter

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFind_RingsEnd has chains that jump to each other, which no kernel loads.
func TestFind_RingsEnd(t *testing.T) {
	var saved strings.Builder
	saved.WriteString("*filter\n:OUTPUT ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n")
	for range 20 {
		saved.WriteString("-A OUTPUT -j A\n-A A -s 10.0.0.1/32 -j B\n-A B -s 10.0.0.1/32 -j A\n-A A -s 10.0.0.1/32 -g A\n")
	}
	saved.WriteString("COMMIT\n")
	got, complete := Find(ParseIptables("iptables-legacy", "ip", saved.String()), machineOf(true))
	if len(got) > 0 || complete {
		t.Errorf("got %v, complete %v", got, complete)
	}
}

// TestFind_NetworkCardLeadsOut has a rule for requests that come in by a network card, which no client does.
func TestFind_NetworkCardLeadsOut(t *testing.T) {
	m := machineOf(false)
	m.LeadsOut = func(name string) bool { return name == "eth0" }
	chains := ParseIptables("iptables-legacy", "ip", recordings(t, "iptables.json")["outside"].Saved)
	if got := blames(chains, m); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

// TestFind_TellsThatClientsComeByOthers has a rule that spares the interface that this machine's clients are behind.
func TestFind_TellsThatClientsComeByOthers(t *testing.T) {
	const saved = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 169.254.169.254/32 ! -i br+ -j DNAT --to-destination 10.0.0.1\nCOMMIT\n"
	found, complete := Find(ParseIptables("iptables-legacy", "ip", saved), machineOf(true))
	if len(found) != 1 || found[0].Sure || !complete {
		t.Fatalf("got %v, complete %v", found, complete)
	}
	want := "iptables-legacy, table nat, chain PREROUTING: the rule `-A PREROUTING -d 169.254.169.254/32 ! -i br+ -j DNAT --to-destination 10.0.0.1` redirects (to 10.0.0.1) the requests of containers and virtual machines to 169.254.169.254 (but at present none of those that come by br0); unless you need it, remove it: sudo iptables-legacy -w -t nat -D PREROUTING -d 169.254.169.254/32 ! -i br+ -j DNAT --to-destination 10.0.0.1"
	if diff := cmp.Diff(want, found[0].String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestString_AdvisesExceptions has rules that are not for the service alone.
func TestString_AdvisesExceptions(t *testing.T) {
	firewalld, err := ParseNFT(recordings(t, "nft.json")["firewalld"].Listing, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		chains []*Chain
		want   string // the end
	}{
		{"nft", firewalld, "; make an exception: sudo nft insert rule inet firewalld filter_INPUT position 13 ip daddr 169.254.169.254 tcp dport 80 accept"},
		{
			"a port that Docker publishes", ParseIptables("iptables-nft", "ip", recordings(t, "iptables.json")["published port"].Saved),
			"; make an exception: sudo iptables-nft -w -t nat -I DOCKER -d 169.254.169.254 -p tcp --dport 80 -j ACCEPT",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, _ := Find(tt.chains, machineOf(true))
			if len(found) != 1 {
				t.Fatalf("found %d", len(found))
			}
			if got := found[0].String(); !strings.HasSuffix(got, tt.want) {
				t.Errorf("got %q, want the end %q", got, tt.want)
			}
		})
	}
}

func TestPass_ChainsRunByPriority(t *testing.T) {
	r := recordings(t, "nft.json")
	ours, err := ParseNFT(r["nat.sh"].Listing, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, foreign string
		want          int
	}{
		{"after ours", "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 169.254.169.254/32 -j DNAT --to-destination 10.0.0.1\nCOMMIT\n", 0},
		{"before ours", "*mangle\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 169.254.169.254/32 -j DROP\nCOMMIT\n", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := blames(append(ParseIptables("iptables-nft", "ip", tt.foreign), ours...), machineOf(false)); len(got) != tt.want {
				t.Errorf("got %q, want %d", got, tt.want)
			}
		})
	}
}

func TestSplit_KnowsQuotes(t *testing.T) {
	got := split(`-A X  -m comment --comment "it\'s \"no\" \\ metadata" -j "" DROP`)
	want := []string{"-A", "X", "-m", "comment", "--comment", `it's "no" \ metadata`, "-j", "", "DROP"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestIptablesCondition_Fits(t *testing.T) {
	for _, tt := range []struct {
		rule string // conditions of a rule that drops
		want fit
	}{
		{"-d 169.254.0.0/255.255.0.0", unsure},
		{"-d 0.0.0.0/0", always},
		{"-s 0.0.0.0/0", always},
		{"-s 10.0.0.0/8", some},
		{"-p all", always},
		{"-p 6", always},
		{"-p 17", never},
		{"-m udp", never},
		{"-m socket --transparent", unsure},
		{"-p tcp -m tcp --sport 1024:65535", always},
		{"-p tcp -m tcp --sport 40000:50000", unsure},
		{"-p tcp -m multiport --sports 22,80", never},
		{"-p tcp -m multiport --ports 22,80", always},
		{"-p tcp -m multiport --ports 22,40000", unsure},
		{"-p tcp -m multiport ! --dports 22,80", never},
		{"-m addrtype --dst-type LOCAL", never},
		{"-m addrtype ! --dst-type LOCAL", always},
		{"-m addrtype --dst-type UNICAST --limit-iface-in", always},
		{"-m addrtype --src-type LOCAL", some},
		{"-m set --match-set bad dst", unsure},
		{"-m set --match-set bad src", unsure},
		{"-m conntrack --ctorigdst 169.254.169.254", always},
		{"-m conntrack --ctorigdst 169.254.169.253", never},
		{"-o eth0", some},
		{"-i eth0", never},
		{"! -i eth0", always},
		{"-m physdev --physdev-in vnet0", some},
		{"-f", never},
		{"! -f", always},
		{"-m comment --comment \"-p udp -d 10.0.0.1\"", always},
		{"-m comment --comment -f", always},
		{"-m comment --comment !", always},
		{"-m time --timestart 08:00:00", unsure},
		{"-m string --string x --algo bm", unsure},
		{"-m mac --mac-source 02:00:00:00:00:01", some},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			r := parseIptablesRule(split(tt.rule+" -j DROP"), &table{})
			if got, _ := r.fit(request{to: netip.MustParseAddr(serviceIPv4)}, named{}); got != tt.want || r.do != drop {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func FuzzParseIptables(f *testing.F) {
	for _, r := range []string{
		"*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 169.254.169.254/32 -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8181\nCOMMIT\n",
		"*nat\n-A X", ":\n*\n*a\n:A\n-A A -j A", "*a\n:A DROP\n-A A ! -d -j DNAT --to-destination [::1]:x",
	} {
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, saved string) {
		for _, c := range ParseIptables("iptables", "ip", saved) {
			for _, r := range c.rules {
				if !strings.HasPrefix(r.undo, "sudo iptables -w -t "+c.table.name+" -D") {
					t.Errorf("%q is undone by %q", r.show, r.undo)
				}
			}
		}
		blames(ParseIptables("iptables", "ip", saved), machineOf(true))
	})
}

func FuzzParseNFT(f *testing.F) {
	for _, r := range []string{
		`{"nftables": [{"chain": {"family": "ip", "table": "t", "name": "o", "type": "nat", "hook": "output", "prio": -100, "policy": "drop"}},` +
			`{"rule": {"family": "ip", "table": "t", "chain": "o", "handle": 2, "expr": [{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": {"set": ["@s", {"range": [1, 2]}]}}}, {"vmap": {"key": {"concat": []}, "data": "@m"}}, {"dnat": {"addr": {"map": {}}}}]}}]}`,
		`{"nftables": [{"set": null}, {"rule": {"expr": [null, 1, {"jump": null}]}}]}`,
	} {
		f.Add(r, "table ip t {\nx # handle 2\n")
	}
	f.Fuzz(func(_ *testing.T, listing, text string) {
		chains, err := ParseNFT([]byte(listing), text)
		if err == nil {
			blames(chains, machineOf(true))
		}
	})
}

func TestFit_NotKeepsWhatIsUnknown(t *testing.T) {
	for f, want := range map[fit]fit{never: always, unsure: unsure, some: some, always: never} {
		t.Run(fmt.Sprint(f), func(t *testing.T) {
			if got := f.not(); got != want {
				t.Errorf("got %d, want %d", got, want)
			}
		})
	}
}
