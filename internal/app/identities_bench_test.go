package app

import (
	"net/http"
	"testing"

	"mock-ec2-metadata/test/bench"
)

// reusedCrowd returns a request for its credentials from each of so many clients, which have asked before. A crowd without roles is one
// identity, whose clients have the same addresses.
func reusedCrowd(tb testing.TB, crowd bench.Crowd, clients int) (http.Handler, []*reused) {
	tb.Helper()
	p := newInProcess(tb, crowd.Config("mock: true"))
	all := make([]*reused, clients)
	for i := range all {
		m := bench.Crowd{Roles: clients, Clients: clients}.Member(i)
		if crowd.Roles == 0 {
			m.Role = bench.Role
		}
		ask := func(method, path string, header http.Header) *reused {
			e := newReused(method, path, header)
			e.request.RemoteAddr = m.Address.String() + ":40000"
			e.do(p.http)
			if e.status != http.StatusOK || len(e.body) == 0 {
				tb.Fatalf("%s of %s: %d %q", path, m.Address, e.status, e.body)
			}
			return e
		}
		token := ask(http.MethodPut, "/latest/api/token", http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"21600"}})
		all[i] = ask(http.MethodGet, "/latest/meta-data/iam/security-credentials/"+m.Role, http.Header{"X-Aws-Ec2-Metadata-Token": {string(token.body)}})
	}
	return p.http, all
}

const crowdSize = 250

// TestHandler_IdentitiesAllocateNothingMore compares clients that have an identity each with clients that share one. The average is a
// whole number, so that what happens in the background now and then does not count.
func TestHandler_IdentitiesAllocateNothingMore(t *testing.T) {
	average := func(crowd bench.Crowd) float64 {
		handler, all := reusedCrowd(t, crowd, crowdSize)
		i := 0
		return testing.AllocsPerRun(20*crowdSize, func() {
			all[i%crowdSize].do(handler)
			i++
		})
	}
	one, many := average(bench.Crowd{}), average(bench.Crowd{Roles: crowdSize, Clients: crowdSize})
	t.Logf("%v allocations with many identities, %v with one", many, one)
	if many-one > raceAllocations {
		t.Errorf("%v allocations with many identities, %v with one", many, one)
	}
}

// BenchmarkIdentities answers clients with one identity and with an identity each, in turn.
func BenchmarkIdentities(b *testing.B) {
	for _, bb := range []struct {
		name  string
		crowd bench.Crowd
	}{{"one", bench.Crowd{}}, {"many", bench.Crowd{Roles: crowdSize, Clients: crowdSize}}} {
		b.Run(bb.name, func(b *testing.B) {
			handler, all := reusedCrowd(b, bb.crowd, crowdSize)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				all[i].do(handler)
				if i++; i == len(all) {
					i = 0
				}
			}
		})
	}
}
