package app_test

import (
	"testing"
	"time"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/metrics"
	"mock-ec2-metadata/test/bench"
)

// variant is a daemon without metrics.listen, or with.
type variant struct {
	name     string
	observer app.Observer
}

func variants() []variant {
	return []variant{{"off", nil}, {"on", metrics.New("test", time.Now)}}
}

// TestHandler_MetricsAllocateNothing counts allocations: other load on the machine does not change them.
func TestHandler_MetricsAllocateNothing(t *testing.T) {
	for _, c := range bench.Cases() {
		allocations := map[string]float64{}
		for _, v := range variants() {
			allocations[v.name] = testing.AllocsPerRun(1000, app.Answering(t, c, v.observer))
		}
		t.Logf("%s: %v allocations, without metrics %v", c.What, allocations["on"], allocations["off"])
		if allocations["on"] > allocations["off"]+app.RaceAllocations {
			t.Errorf("%s: %v allocations, without metrics %v", c.What, allocations["on"], allocations["off"])
		}
	}
}

// BenchmarkObserved compares the handler with metrics with the one without.
func BenchmarkObserved(b *testing.B) {
	for _, c := range bench.Cases() {
		for _, v := range variants() {
			b.Run(c.Name+"/"+v.name, func(b *testing.B) {
				answer := app.Answering(b, c, v.observer)
				b.ReportAllocs()
				for b.Loop() {
					answer()
				}
			})
		}
	}
}
