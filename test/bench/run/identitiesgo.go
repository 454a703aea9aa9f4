package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"regexp"
	"strconv"
)

// identitiesGo measures what clients cannot see of many identities.
func (b *bench) identitiesGo(ctx context.Context) error {
	length := "300ms"
	if b.short {
		length = "20ms"
	}
	all, err := goBench(ctx, "./internal/caller", "Route", "^$", length)
	if err != nil {
		return err
	}
	handler, err := goBench(ctx, "./internal/app", "Identities", "IdentitiesAllocateNothingMore", length)
	if err != nil {
		return err
	}
	maps.Copy(all, handler)
	found := &found{all: all}
	of := found.of
	one, many := "Identities/one", "Identities/many"
	b.rows = append(b.rows,
		atMost("heap allocations of a GET with 250 identities, beyond those with one", "%.0f", 0, of(many, "allocs/op")-of(one, "allocs/op"),
			fmt.Sprintf("the handler alone takes %.1f µs, with one identity %.1f µs", of(many, "ns/op")/1e3, of(one, "ns/op")/1e3)),
		atMost("look-up of the identity among 10,000 clients", "%.0f ns", wantedRoute, of("Route/10000", "ns/op"),
			fmt.Sprintf("%.0f ns among one; building the table takes %.1f ms", of("Route/1", "ns/op"), of("NewRouter/10000", "ns/op")/1e6)))
	return errors.Join(found.missing, b.identitiesRenewals(ctx))
}

// renewals is what the test of a day of renewals logs.
var renewals = regexp.MustCompile(`([0-9.]+) calls a minute, ([0-9]+) in the busiest`)

// identitiesRenewals has the test of a virtual day tell how evenly renewals are spread.
func (b *bench) identitiesRenewals(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-run", "^TestColdFleet_RenewalsAreSpread$", "./internal/credentials").CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test: %w\n%s", err, out)
	}
	mean, busiest, err := parseRenewals(string(out))
	if err != nil {
		return err
	}
	b.rows = append(b.rows, atMost("1,000 roles in use through a day: the busiest minute at STS after the first hour", "%.1f × mean", wantedSteady,
		busiest/mean, fmt.Sprintf("mean %.1f calls a minute", mean)))
	return nil
}

func parseRenewals(out string) (mean, busiest float64, err error) {
	match := renewals.FindStringSubmatch(out)
	if match == nil {
		return 0, 0, fmt.Errorf("go test printed no calls a minute:\n%s", out)
	}
	mean, err1 := strconv.ParseFloat(match[1], 64)
	busiest, err2 := strconv.ParseFloat(match[2], 64)
	return mean, busiest, errors.Join(err1, err2)
}
