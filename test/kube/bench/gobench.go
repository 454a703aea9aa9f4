//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// goBenchmarks measures what clients cannot see.
func (b *bench) goBenchmarks(ctx context.Context) error {
	length, count := "100ms", 7
	if b.short {
		length, count = "20ms", 1
	}
	all := map[string]float64{}
	for _, run := range []struct{ pkg, benchmark, unit string }{
		{"./internal/kube", "Locate_HitOfTenThousand", "ns/op"},
		{"./internal/podproc", "Find", "ns/op"},
		{"./internal/app", "Cluster/fixed", "allocs/op"},
		{"./internal/app", "Cluster/pods", "allocs/op"},
		{"./internal/app", "Cluster/pods", "ns/op"},
		{"./internal/app", "Cluster/fixed", "ns/op"},
	} {
		got, err := goBench(ctx, run.pkg, run.benchmark, run.unit, length, count)
		if err != nil {
			return err
		}
		all[run.benchmark+" "+run.unit] = got
	}
	const pods, fixed = "Cluster/pods ", "Cluster/fixed "
	b.rows = append(b.rows,
		atMost("heap allocations of a pod's GET, beyond those with one target", "%.0f", 0, all[pods+"allocs/op"]-all[fixed+"allocs/op"],
			fmt.Sprintf("the handler alone takes %.1f µs, with one target %.1f µs", all[pods+"ns/op"]/1e3, all[fixed+"ns/op"]/1e3)),
		atMost("look-up of the pod among 10,000", "%.0f ns", wantedLookup, all["Locate_HitOfTenThousand ns/op"], ""),
		atMost("one scan of /proc, 110 pods", "%.1f ms", wantedScan, all["Find ns/op"]/1e6, "of 630 processes in files; procfs itself takes longer"),
	)
	return nil
}

// goBench runs one Go benchmark of a package a few times and returns the least figure: other load on the machine only adds to it.
func goBench(ctx context.Context, pkg, name, unit, length string, count int) (float64, error) {
	var pattern []string
	for part := range strings.SplitSeq(name, "/") {
		pattern = append(pattern, part+"$")
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-count="+strconv.Itoa(count), "-run", "^$", "-bench", strings.Join(pattern, "/"), "-benchmem", "-benchtime", length, pkg)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	var all []float64
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		for i := 2; i+1 < len(fields) && strings.HasPrefix(fields[0], "Benchmark"); i += 2 {
			if fields[i+1] == unit {
				figure, err := strconv.ParseFloat(fields[i], 64)
				if err != nil {
					return 0, fmt.Errorf("go test printed %q: %w", line, err)
				}
				all = append(all, figure)
			}
		}
	}
	if len(all) == 0 {
		return 0, fmt.Errorf("%s: no %s in\n%s", strings.Join(cmd.Args, " "), unit, out)
	}
	return slices.Min(all), nil
}
