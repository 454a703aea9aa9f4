package fault

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
)

// full is a set of MaxFaults rules with all that a match and a dose can have, none of which takes get("meta-data/mac").
func full(t testing.TB) *Set {
	percent, seed := 0, 7
	var s *Set
	for i := range MaxFaults {
		s = s.With(compiled(t, fmt.Sprint(i), config.Fault{
			Match: config.FaultMatch{
				Paths: []string{"api/token", "meta-data/*"}, Methods: []string{"PUT", "GET"}, Version: "v2",
				Clients: []string{"2001:db8::/32", "172.17.0.0/16"}, UserAgent: "Botocore",
			},
			Dose: config.FaultDose{Percent: &percent, Seed: &seed, For: time.Hour},
		}), nil)
	}
	return s
}

func TestMatch_AllocatesNothing(t *testing.T) {
	q := get("meta-data/mac")
	q.Client = netip.MustParseAddr("::ffff:172.17.0.2")
	zone := *q
	zone.Client = netip.MustParseAddr("fe80::1%eth0")
	percent := 50
	taking := full(t).With(compiled(t, "last", config.Fault{Dose: config.FaultDose{Percent: &percent}}), nil)
	slow := throttle(t, 1, 1)
	slow.throttled(q.Client, noon)
	for name, do := range map[string]func(){
		"nil":     func() { (*Set)(nil).Match(q, noon) },
		"100":     func() { taking.Match(q, noon) },
		"zone":    func() { taking.Match(&zone, noon) },
		"hit":     func() { slow.hit() },
		"bucket":  func() { slow.throttled(q.Client, noon) },
		"expired": func() { taking.Match(q, noon.Add(2*time.Hour)) },
	} {
		if n := testing.AllocsPerRun(100, do); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	other := only(b, config.Fault{Match: config.FaultMatch{Paths: []string{"api/token"}}})
	for _, bench := range []struct {
		name string
		set  *Set
	}{{"none", nil}, {"another path", other}, {"one", only(b, config.Fault{})}, {"100 rules", full(b)}} {
		b.Run(bench.name, func(b *testing.B) {
			q := get("meta-data/mac")
			b.ReportAllocs()
			for b.Loop() {
				bench.set.Match(q, noon)
			}
		})
	}
}

func BenchmarkThrottled(b *testing.B) {
	r := throttle(b, 5, 5)
	client := netip.MustParseAddr("172.17.0.2")
	b.ReportAllocs()
	for b.Loop() {
		r.throttled(client, noon)
	}
}
