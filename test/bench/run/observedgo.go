package main

import (
	"context"
	"fmt"
	"slices"

	shared "mock-ec2-metadata/test/bench"
)

// observedGo compares what the handler allocates with metrics with what it does without.
func (b *bench) observedGo(ctx context.Context) error {
	length := "300ms"
	if b.short {
		length = "20ms"
	}
	all, err := goBench(ctx, "./internal/app", "Observed", "MetricsAllocateNothing", length)
	if err != nil {
		return err
	}
	found := &found{all: all}
	for _, c := range shared.Cases() {
		if !slices.Contains(observedCases, c.Name) {
			continue
		}
		of := func(with, unit string) float64 { return found.of("Observed/"+c.Name+"/"+with, unit) }
		b.rows = append(b.rows, atMost("heap allocations with metrics, beyond those without, "+c.What, "%.0f", 0, of("on", "allocs/op")-of("off", "allocs/op"),
			fmt.Sprintf("the handler alone takes %.2f µs, without %.2f µs", of("on", "ns/op")/1e3, of("off", "ns/op")/1e3)))
	}
	return found.missing
}
