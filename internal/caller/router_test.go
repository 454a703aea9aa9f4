package caller

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestRoute_ListenerThenLongestPrefixThenFirstRule(t *testing.T) {
	r := NewRouter([]Rule{
		0: {From: prefixes("10.0.0.0/8")},
		1: {From: prefixes("10.1.0.0/16", "2001:db8::/32")},
		2: {From: prefixes("10.1.0.0/16")},
		3: {Listen: []string{"127.0.0.1:5001"}},
		4: {Listen: []string{"127.0.0.1:5001", "[::1]:5002"}, From: prefixes("10.1.2.0/24")},
		5: {Listen: []string{"127.0.0.1:5003"}, From: prefixes("10.1.2.0/24")},
	})
	for _, tt := range []struct {
		address, listener string
		want              int
	}{
		{"10.9.9.9", "0.0.0.0:5000", 0},
		{"10.1.9.9", "0.0.0.0:5000", 1},
		{"::ffff:10.1.9.9", "0.0.0.0:5000", 1},
		{"2001:db8::1", "", 1},
		{"2001:db8::1%eth0", "", 1},
		{"192.168.0.1", "", None},
		{"::1", "", None},
		{"10.1.2.3", "0.0.0.0:5001", 1},
		{"10.1.2.3", "127.0.0.1:5001", 4},
		{"10.1.3.3", "127.0.0.1:5001", 3},
		{"::1", "127.0.0.1:5001", 3},
		{"10.1.2.3", "[::1]:5002", 4},
		{"10.1.3.3", "[::1]:5002", 1},
		{"127.0.0.1", "[::1]:5002", None},
		{"10.1.3.3", "127.0.0.1:5003", 1},
	} {
		if got := r.Route(netip.MustParseAddr(tt.address), tt.listener); got != tt.want {
			t.Errorf("%s at %q: rule %d, want %d", tt.address, tt.listener, got, tt.want)
		}
	}
	if got := r.Route(netip.Addr{}, ""); got != None {
		t.Errorf("no address: rule %d", got)
	}
}

// naive looks at all rules.
func naive(rules []Rule, a netip.Addr, listener string) int {
	for _, own := range []bool{true, false} {
		best, bits := None, -1
		for i, r := range rules {
			if (len(r.Listen) > 0) != own || own && r.Listen[0] != listener {
				continue
			}
			from := r.From
			if len(from) == 0 {
				from = prefixes("0.0.0.0/0", "::/0")
			}
			for _, p := range from {
				if p.Contains(a) && p.Bits() > bits {
					best, bits = i, p.Bits()
				}
			}
		}
		if best != None {
			return best
		}
	}
	return None
}

// FuzzRoute compares the router with one that looks at all rules. Rules and clients are of few bits, so that they meet often.
func FuzzRoute(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Add(uint64(7), uint64(99))
	f.Fuzz(func(t *testing.T, seed1, seed2 uint64) {
		random := rand.New(rand.NewPCG(seed1, seed2))
		address := func() netip.Addr {
			if random.IntN(3) == 0 {
				b := [16]byte{0x20, 1, 0xd, 0xb8, 15: byte(random.IntN(4))}
				b[4+random.IntN(4)] = byte(random.IntN(256))
				return netip.AddrFrom16(b)
			}
			var b [4]byte
			binary.BigEndian.PutUint32(b[:], 10<<24|random.Uint32N(1<<10))
			return netip.AddrFrom4(b)
		}
		listeners := []string{"", "a", "b"}
		var rules []Rule
		for range random.IntN(20) {
			var r Rule
			for range random.IntN(3) {
				a := address()
				p, err := a.Prefix(random.IntN(a.BitLen() + 1))
				if err != nil {
					t.Fatal(err)
				}
				r.From = append(r.From, p)
			}
			if l := listeners[random.IntN(3)]; l != "" || len(r.From) == 0 {
				r.Listen = []string{l + "a"}
			}
			rules = append(rules, r)
		}
		router := NewRouter(rules)
		for range 50 {
			a, listener := address(), listeners[random.IntN(3)]+"a"
			if got, want := router.Route(a, listener), naive(rules, a, listener); got != want {
				t.Fatalf("%s at %q: rule %d, want %d of %+v", a, listener, got, want, rules)
			}
		}
	})
}
