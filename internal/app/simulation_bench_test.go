package app

import (
	"net/http"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/test/bench"
)

// simulationCase is what is active while a leaf is asked for with a token. The journal always is.
type simulationCase struct {
	name, event, fault string
	status             int
	// allocations are those that it may take.
	allocations float64
}

func simulationCases() []simulationCase {
	return []simulationCase{
		{name: "nothing", status: http.StatusOK, allocations: 0},
		{name: "event-for-all", event: `{"spot": "terminate"}`, status: http.StatusOK, allocations: 0},
		{name: "event-for-some", event: `{"spot": "terminate", "clients": ["127.0.0.1"]}`, status: http.StatusOK, allocations: 0},
		{name: "event-for-others", event: `{"spot": "terminate", "clients": ["127.0.0.2"]}`, status: http.StatusOK, allocations: 0},
		{name: "fault-for-others", fault: `{"match": {"paths": ["api/token"]}, "status": 503}`, status: http.StatusOK, allocations: 1},
		{name: "fault", fault: `{"match": {"paths": ["meta-data/instance-id"]}, "status": 503}`, status: http.StatusServiceUnavailable, allocations: 4},
	}
}

// asked returns the handler of a daemon in which a case is active, and a request that it has answered before.
func (c simulationCase) asked(tb testing.TB) (*inProcess, *reused) {
	tb.Helper()
	p := newInProcess(tb, "")
	if c.event != "" {
		if _, _, err := p.PutEvent("e", []byte(c.event), api.Peer{}); err != nil {
			tb.Fatal(err)
		}
	}
	if c.fault != "" {
		if _, _, err := p.PutFault("f", []byte(c.fault), api.Peer{}); err != nil {
			tb.Fatal(err)
		}
	}
	leaf := bench.Cases()[1]
	e := newReused(leaf.Method, leaf.Path, leaf.Header(p.token))
	e.do(p.http)
	if e.status != c.status {
		tb.Fatalf("%s: %d %q", c.name, e.status, e.body)
	}
	return p, e
}

// TestHandler_SimulationAllocates bounds what events and faults cost the requests that they are not for.
func TestHandler_SimulationAllocates(t *testing.T) {
	for _, c := range simulationCases() {
		p, e := c.asked(t)
		got := testing.AllocsPerRun(1000, func() { e.do(p.http) })
		t.Logf("%s: %v allocations", c.name, got)
		if got > c.allocations+raceAllocations {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.allocations)
		}
		if all, err := p.Requests(t.Context(), 0, "", false); err != nil || len(all) != 1000 {
			t.Errorf("%s: the journal has %d requests, %v", c.name, len(all), err)
		}
	}
}

// BenchmarkSimulation answers requests for a leaf while events and faults are active.
func BenchmarkSimulation(b *testing.B) {
	for _, c := range simulationCases() {
		b.Run(c.name, func(b *testing.B) {
			p, e := c.asked(b)
			b.ReportAllocs()
			for b.Loop() {
				e.do(p.http)
			}
		})
	}
}

// BenchmarkSwap makes and ends an event for all clients: two swaps.
func BenchmarkSwap(b *testing.B) {
	for _, bb := range []struct{ name, config string }{
		{"tree", bench.Scales()[2].Config},
		{"identities", bench.Crowd{Roles: 1_000, Clients: 1_000}.Config("mock: true")},
	} {
		b.Run(bb.name, func(b *testing.B) {
			p := newInProcess(b, bb.config)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				id, body := bench.SwapEvent(n)
				if _, _, err := p.PutEvent(id, []byte(body), api.Peer{}); err != nil {
					b.Fatal(err)
				}
				if err := p.DeleteEvents(id, api.Peer{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
