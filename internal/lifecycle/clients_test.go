package lifecycle

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
)

// sees reports whether a client sees the only event of a set.
func sees(s Set, client string, entry int, after time.Duration) bool {
	return s.Select(netip.MustParseAddr(client), entry, start.Add(after)) != Selection{}
}

func TestSelect_ClientsOfAnEvent(t *testing.T) {
	b := valid()
	s := one(t, config.Event{ASG: "InService", Clients: []string{"172.17.0.0/16", "::ffff:127.0.0.2", "fe80::/10", "clients[1]"}, In: time.Minute}, b)
	for _, tt := range []struct {
		client string
		entry  int
		want   bool
	}{
		{"172.17.3.4", -1, true},
		{"::ffff:172.17.3.4", -1, true},
		{"127.0.0.2", 0, true},
		{"fe80::1%eth0", -1, true},
		{"10.0.0.1", 1, true},
		{"10.0.0.1", 0, false},
		{"127.0.0.1", -1, false},
	} {
		if got := sees(s, tt.client, tt.entry, time.Minute); got != tt.want {
			t.Errorf("%s, %d: %t", tt.client, tt.entry, got)
		}
		if sees(s, tt.client, tt.entry, time.Minute-1) {
			t.Errorf("%s: sees a pending event", tt.client)
		}
	}
	if s.Restricted(start) || !s.Restricted(start.Add(time.Minute)) {
		t.Error("restricted at the wrong time")
	}
	if one(t, config.Event{ASG: "InService"}, b).Restricted(start) {
		t.Error("an event for all restricts")
	}
	wantEqual(t, []string{"172.17.0.0/16", "::ffff:127.0.0.2", "fe80::/10", "clients[1]"}, s.Events()[0].ClientNames())
}

func TestSelect_OthersSeeTheBase(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate", Then: "gone", Clients: []string{"127.0.0.2"}}, b)
	now := start.Add(time.Hour)
	some := s.Select(netip.MustParseAddr("127.0.0.2"), -1, now)
	if r := s.Apply(some, b.Instance, nil, now); !r.Gone || body(treeOf(t, r), "spot") == absent {
		t.Error("its client does not see it")
	}
	if r := s.Apply(s.Select(netip.MustParseAddr("127.0.0.1"), -1, now), b.Instance, b.UserData, now); r.Gone || body(treeOf(t, r), "spot") != absent {
		t.Error("another client sees it")
	}
}

func TestSelect_SpotInstanceIsOneBeforeTheNotice(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate", AfterRequests: &config.AfterRequests{Count: 3}, Clients: []string{"127.0.0.2"}}, b)
	r := s.Apply(s.Select(netip.MustParseAddr("127.0.0.2"), -1, start), b.Instance, nil, start)
	wantLeaves(t, treeOf(t, r), map[string]string{"instance-life-cycle": "spot", "spot": absent})
}

func TestSelect_FirstClientsOfAnActiveEvent(t *testing.T) {
	b := valid()
	s := one(t, config.Event{Spot: "terminate", FirstClients: 2, In: time.Minute}, b)
	e := s.Events()[0]
	if sees(s, "10.0.0.9", -1, 0) || len(e.ClientNames()) != 0 || e.ClientNames() == nil {
		t.Error("a client before the activation is one of the first")
	}
	for _, tt := range []struct {
		client string
		want   bool
	}{
		{"2001:db8::1", true}, {"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::3", false}, {"10.0.0.9", false}, {"2001:db8::2", true},
	} {
		if got := sees(s, tt.client, -1, time.Minute); got != tt.want {
			t.Errorf("%s: %t", tt.client, got)
		}
	}
	wantEqual(t, []string{"2001:db8::1", "2001:db8::2"}, e.ClientNames())
}

func TestSelect_FirstClientsAreCountedOnceByMany(t *testing.T) {
	b := valid()
	s := one(t, config.Event{ASG: "Standby", FirstClients: 100}, b)
	var seen atomic.Int64
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 1000 {
				client := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
				if s.Select(client, worker, start) != (Selection{}) && worker == 0 {
					seen.Add(1)
				}
				s.Events()[0].ClientNames()
			}
		})
	}
	all.Wait()
	if got := len(s.Events()[0].ClientNames()); got != 100 || seen.Load() > 100 {
		t.Errorf("%d clients, one worker saw %d", got, seen.Load())
	}
}

func TestSelect_AllocatesNothingForKnownClients(t *testing.T) {
	b := valid()
	var s Set
	for i := range MaxEvents {
		spec := config.Event{Tags: &config.EventTags{}, Clients: []string{fmt.Sprintf("10.0.%d.0/24", i), "clients[0]"}}
		if i%2 == 0 {
			spec = config.Event{Tags: &config.EventTags{}, FirstClients: 3}
		}
		s = mustAdd(t, s, fmt.Sprint(i), spec, b, start)
	}
	client := netip.MustParseAddr("10.0.7.1")
	got := s.Select(client, -1, start)
	if n := testing.AllocsPerRun(100, func() {
		if s.Select(client, -1, start) != got {
			t.Error("another selection")
		}
		s.Request("meta-data/mac")
		s.Restricted(start)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got == (Selection{}) || got.has(9) || !got.has(7) || !got.has(98) {
		t.Errorf("selection %b", got)
	}
}

func TestClients_Overlap(t *testing.T) {
	for _, tt := range []struct {
		a, b []string
		want bool
	}{
		{nil, []string{"127.0.0.1"}, true},
		{nil, nil, true},
		{[]string{"10.0.0.0/8"}, []string{"10.1.0.0/16"}, true},
		{[]string{"10.0.0.0/8"}, []string{"11.0.0.0/8", "::/0"}, false},
		{[]string{"::ffff:10.0.0.0/104"}, []string{"10.9.9.9"}, true},
		{[]string{"clients[0]"}, []string{"clients[1]"}, false},
		{[]string{"clients[0]", "clients[1]"}, []string{"clients[1]"}, true},
		{[]string{"clients[0]"}, []string{"127.0.0.1"}, true},
	} {
		a, err := parseClients(&config.Event{Clients: tt.a}, 2)
		b, err2 := parseClients(&config.Event{Clients: tt.b}, 2)
		if err != nil || err2 != nil || a.overlap(&b) != tt.want || b.overlap(&a) != tt.want {
			t.Errorf("%q and %q: want %t; %v %v", tt.a, tt.b, tt.want, err, err2)
		}
	}
}

func TestClients_Refused(t *testing.T) {
	for _, tt := range []struct {
		spec config.Event
		want string
	}{
		{config.Event{Clients: []string{"127.0.0.1", "clients[2]"}}, "clients[1]: the configuration has 2 entries of clients, the first is clients[0]; name one of them, or a network"},
		{config.Event{Clients: []string{"clients[-1]"}}, `clients[0]: "clients[-1]" is no address, network or entry; write e.g. 172.17.0.0/16 or clients[0]`},
		{config.Event{FirstClients: 10001}, "first_clients: 10001 is more than 10000; name networks in clients"},
	} {
		tt.spec.ASG = "Standby"
		_, _, err := Set{}.Add("e1", tt.spec, valid(), start)
		refused(t, err, false, tt.want)
	}
}
