package caller

import (
	"net/netip"
	"strconv"
	"testing"

	"mock-ec2-metadata/test/bench"
)

// crowd returns the addresses of so many clients, and a rule for each.
func crowd(clients int) (addresses []netip.Addr, rules []Rule) {
	all := bench.Crowd{Roles: 1, Clients: clients}
	for i := range clients {
		a := all.Member(i).Address
		addresses = append(addresses, a)
		rules = append(rules, Rule{From: []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}})
	}
	return addresses, rules
}

// TestRouter_FindsEachOfManyClients asks for every client of a large configuration, and for an address that no rule is for.
func TestRouter_FindsEachOfManyClients(t *testing.T) {
	addresses, rules := crowd(10_000)
	r := NewRouter(rules)
	for i, a := range addresses {
		if got := r.Route(a, "127.0.0.1:5000"); got != i {
			t.Fatalf("%s: rule %d, want %d", a, got, i)
		}
	}
	if got := r.Route(netip.MustParseAddr("127.0.0.1"), ""); got != None {
		t.Errorf("an address without a rule: rule %d", got)
	}
}

// BenchmarkRoute looks up every client in turn.
func BenchmarkRoute(b *testing.B) {
	for _, clients := range []int{1, 10_000} {
		b.Run(strconv.Itoa(clients), func(b *testing.B) {
			addresses, rules := crowd(clients)
			r := NewRouter(rules)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if r.Route(addresses[i], "127.0.0.1:5000") != i {
					b.Fatal(addresses[i])
				}
				if i++; i == clients {
					i = 0
				}
			}
		})
	}
}

func BenchmarkNewRouter(b *testing.B) {
	_, rules := crowd(10_000)
	b.Run("10000", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			NewRouter(rules)
		}
	})
}
