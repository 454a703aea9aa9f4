package podidentity

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// refusing is a Memory of a verifier that refuses tokens that begin with bad.
func refusing() (*Memory, *counting) {
	c := &counting{do: func(token string) (*Claims, error) {
		if strings.HasPrefix(token, "bad") {
			return nil, &Refusal{"bad"}
		}
		return podOf(token), nil
	}}
	return Remember(c, MemoryOptions{Limit: time.Minute, Remote: true, Now: time.Now}), c
}

// flood sends so many different bad tokens as the addresses in turn, and returns how many were verified.
func flood(t *testing.T, m *Memory, c *counting, n int, from ...string) int {
	t.Helper()
	before := c.asked.Load()
	for i := range n {
		_, _ = m.verifyFor(t.Context(), netip.MustParseAddr(from[i%len(from)]), fmt.Sprint("bad", i, time.Now().UnixNano(), from[0]))
	}
	return int(c.asked.Load() - before)
}

// wantOutcome checks the outcome of a token that is not remembered.
func wantOutcome(t *testing.T, m *Memory, from, token string, want error) {
	t.Helper()
	if _, err := m.verifyFor(t.Context(), netip.MustParseAddr(from), token); !errors.Is(err, want) {
		t.Errorf("%s from %s: got %v, want %v", token, from, err, want)
	}
}

func TestPlaces_BoundAFloodOfBadTokensOfAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := refusing()
		for i := range 1000 { // many pods start, one after the other
			wantOutcome(t, m, "10.0.0.1", fmt.Sprint("good", i), nil)
		}
		if got := flood(t, m, c, 3000, "10.0.0.1"); got != clientBurst {
			t.Errorf("%d bad tokens were verified", got)
		}
		asked := c.asked.Load()
		wantOutcome(t, m, "10.0.0.1", "good1", nil) // who is remembered does not notice
		if c.asked.Load() != asked {
			t.Error("a token is verified that is remembered")
		}
		wantOutcome(t, m, "10.0.0.1", "new", errTooMany)
		time.Sleep(time.Second)
		wantOutcome(t, m, "10.0.0.1", "new", nil)
		if got := flood(t, m, c, 3000, "10.0.0.1"); got != clientRate {
			t.Errorf("%d bad tokens were verified in a second", got)
		}
		if len(m.refused) > maxRemembered || len(m.running) != 0 {
			t.Errorf("%d refusals, %d running", len(m.refused), len(m.running))
		}
	})
}

func TestPlaces_BadTokensOfAClientShutOutNobodyElse(t *testing.T) {
	for _, tt := range []struct {
		name         string
		flood, other string
	}{
		{"IPv4", "10.0.0.1", "10.0.0.2"},
		{"IPv6", "fd00::1", "fd00:0:0:1::1"},
		{"link-local of other interfaces", "fe80::1%eth0", "fe80::1%eth1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, c := refusing()
				for second := range 60 {
					flood(t, m, c, 1200, tt.flood)
					wantOutcome(t, m, tt.other, fmt.Sprint("good", second), nil)
					time.Sleep(time.Second)
				}
				if got := int(c.asked.Load()); got != clientBurst+59*clientRate+60 {
					t.Errorf("%d tokens were verified", got)
				}
			})
		})
	}
}

func TestPlaces_IPv6ClientCountsByItsNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := refusing()
		flood(t, m, c, clientBurst, "fd00::1", "fd00::2", "fd00::ffff:ffff:ffff:ffff")
		wantOutcome(t, m, "fd00::3", "new", errTooMany)
		wantOutcome(t, m, "fd00:0:0:1::", "new", nil)
	})
}

func TestPlaces_ClientsHaveASharedCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := refusing()
		from := addresses(4000)
		if got := flood(t, m, c, 4000, from...); got != sharedBurst {
			t.Errorf("%d bad tokens were verified", got)
		}
		wantOutcome(t, m, "192.168.0.1", "new", errTooManyOfAll)
		time.Sleep(time.Second)
		if got := flood(t, m, c, 4000, from...); got != sharedRate {
			t.Errorf("%d bad tokens were verified in a second", got)
		}
	})
}

func TestPlaces_NineClientsThatFloodShutOutNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := refusing()
		for second := range 60 {
			flood(t, m, c, 9*clientBurst, addresses(9)...)
			for i := range 2 * clientRate {
				wantOutcome(t, m, "192.168.0.1", fmt.Sprint("good", second, i), nil)
			}
			time.Sleep(time.Second)
		}
	})
}

// addresses are different IPv4 addresses.
func addresses(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("10.0.%d.%d", i/256, i%256)
	}
	return list
}

func TestPlaces_RememberABoundedNumberOfClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := refusing()
		check := func(want int) {
			t.Helper()
			if len(m.places.clients) != want || m.places.recent.Len() != want {
				t.Errorf("%d and %d clients, want %d", len(m.places.clients), m.places.recent.Len(), want)
			}
		}
		from := addresses(maxClients + 1)
		for _, a := range from[:maxClients] {
			wantOutcome(t, m, a, "good"+a, nil)
		}
		check(maxClients)
		wantOutcome(t, m, from[0], "good again", nil) // so the second is the oldest
		wantOutcome(t, m, from[maxClients], "good", nil)
		check(maxClients)
		_, first := m.places.clients[netip.MustParseAddr(from[0])]
		_, second := m.places.clients[netip.MustParseAddr(from[1])]
		if !first || second {
			t.Errorf("the first is remembered: %v, the second: %v", first, second)
		}
	})
}

func TestPlaces_FloodThatIsRefusedDoesNotDisplaceClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(time.Now())
		victim := netip.MustParseAddr("192.168.0.1")
		p.of(victim, time.Now())
		p.shared.free = 0
		for _, a := range addresses(2 * maxClients) {
			if _, err := p.take(netip.MustParseAddr(a), time.Now()); !errors.Is(err, errTooManyOfAll) {
				t.Fatal(err)
			}
		}
		if len(p.clients) != 1 || p.clients[victim] == nil {
			t.Errorf("%d clients", len(p.clients))
		}
	})
}

func TestPlaces_ComeBackToAClientThatIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(time.Now())
		c, err := p.take(netip.MustParseAddr("192.168.0.1"), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addresses(maxClients) {
			p.of(netip.MustParseAddr(a), time.Now())
		}
		p.giveBack(c)
		if p.shared.free != sharedBurst || c.bucket.free != clientBurst || len(p.clients) != maxClients {
			t.Errorf("%v places, %v of the client, %d clients", p.shared.free, c.bucket.free, len(p.clients))
		}
	})
}
