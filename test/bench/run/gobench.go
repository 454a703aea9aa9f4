package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"strconv"
	"strings"

	shared "mock-ec2-metadata/test/bench"
)

// figures are the results of one Go benchmark by unit: ns/op, allocs/op and so on.
type figures map[string]float64

// goBench runs the matching Go benchmarks and tests of a package, and returns the figures by the benchmark's name.
func goBench(ctx context.Context, pkg, benchmarks, tests, time string) (map[string]figures, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-run", tests, "-bench", benchmarks, "-benchtime", time, pkg)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return parseGoBench(string(out))
}

// found looks figures up, and remembers which are missing.
type found struct {
	all     map[string]figures
	missing error
}

// of returns a figure of a benchmark.
func (f *found) of(name, unit string) float64 {
	v, ok := f.all["Benchmark"+name][unit]
	if !ok {
		f.missing = errors.Join(f.missing, fmt.Errorf("go test reports no %s of Benchmark%s", unit, name))
	}
	return v
}

// parseGoBench reads lines such as "BenchmarkLookup/tags-2   19024530   60.44 ns/op".
func parseGoBench(out string) (map[string]figures, error) {
	all := map[string]figures{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i] // without the number of processors
			}
		}
		all[name] = figures{}
		for i := 2; i+1 < len(fields); i += 2 {
			f, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("go test printed %q: %w", line, err)
			}
			all[name][fields[i+1]] = f
		}
	}
	return all, nil
}

// Limits of the benchmarks.
const (
	wantedAllocations = 3
	wantedLookup      = 100 // ns
	wantedReload      = 300 // ms; of a file of 5.1 MB nearly all is the YAML parser's, up to 170 ms on 2 processors
	wantedSteady      = 2   // of the mean
	wantedAfter       = 5   // likewise
)

// goBenchmarks measures what clients cannot see.
func (b *bench) goBenchmarks(ctx context.Context) error {
	length := "300ms"
	if b.short {
		length = "20ms"
	}
	all, err := goBench(ctx, "./internal/app", "Handler|Lookup|Reload", "GetAllocatesNothing", length)
	if err != nil {
		return err
	}
	fleet, err := goBench(ctx, "./internal/credentials", "Fleet", "^$", "1x")
	if err != nil {
		return err
	}
	maps.Copy(all, fleet)
	found := &found{all: all}
	of := found.of
	container, pod := shared.ContainerCases("", "")
	for _, c := range append(shared.Cases(), container, pod) {
		ours, bare := "Handler/"+c.Name+"/ours", "Handler/"+c.Name+"/bare"
		r := atMost("own heap allocations, "+c.What, "%.0f", wantedAllocations, of(ours, "allocs/op")-of(bare, "allocs/op"),
			fmt.Sprintf("the handler alone takes %.1f µs, the bare one %.1f µs", of(ours, "ns/op")/1e3, of(bare, "ns/op")/1e3))
		if c.Method != http.MethodGet {
			r.wanted, r.ok = "", ""
		}
		b.rows = append(b.rows, r)
	}
	scales := shared.Scales()
	for _, s := range scales[1:] {
		b.rows = append(b.rows, atMost("look-up among "+s.What, "%.0f ns", wantedLookup, of("Lookup/"+s.Name, "ns/op"),
			fmt.Sprintf("%.0f ns in the embedded default", of("Lookup/"+scales[0].Name, "ns/op"))))
	}
	for _, s := range scales[1:] {
		b.rows = append(b.rows, atMost("reload of "+s.What, "%.0f ms", wantedReload, of("Reload/"+s.Name, "ns/op")/1e6, ""))
	}
	b.rows = append(b.rows,
		atMost("10,000 daemons: the busiest minute at STS after the first hour", "%.1f × mean", wantedSteady,
			of("Fleet", "steady-minute/mean"), fmt.Sprintf("mean %.0f calls a minute; the busiest second %.1f × the mean of seconds",
				of("Fleet", "calls/minute"), of("Fleet", "steady-second/mean"))),
		atMost("10,000 daemons: the busiest minute after an outage of STS of 30 minutes", "%.1f × mean", wantedAfter,
			of("Fleet", "after-minute/mean"),
			fmt.Sprintf("the busiest second %.1f ×; during the outage %.1f ×; all have valid credentials after %.0f s",
				of("Fleet", "after-second/mean"), of("Fleet", "during-minute/mean"), of("Fleet", "seconds-without"))))
	return found.missing
}
