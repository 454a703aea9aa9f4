package main

import (
	"context"
	"fmt"
	"time"

	shared "mock-ec2-metadata/test/bench"
)

// identitiesRate compares a daemon whose clients have many identities with one whose clients, at the same addresses, have one.
func (b *bench) identitiesRate(ctx context.Context) error {
	connections, addresses := 256, 250
	if b.short {
		connections, addresses = 32, 30
	}
	crowd := b.crowd()
	w, err := b.newWorld(crowd)
	if err != nil {
		return err
	}
	defer w.close()
	var both []hammered // one identity, then many
	for _, c := range []shared.Crowd{{}, crowd} {
		s, err := b.serve(ctx, w, b.daemon, c)
		if err != nil {
			return err
		}
		defer func() { _ = s.stop() }()
		if c.Roles > 0 {
			if err := w.askAll(ctx, s, 0, addresses); err != nil {
				return err
			}
		}
		h := hammered{server: s, check: w.check}
		for i := range connections {
			m := crowd.Member(i % addresses)
			if c.Roles == 0 {
				m.Role = shared.Role
			}
			one, err := dial(ctx, s.addr, m)
			if err != nil {
				return err
			}
			defer one.close()
			h.clients = append(h.clients, one)
		}
		both = append(both, h)
	}
	loads, err := b.hammerAll(ctx, both, b.rounds, time.Duration(b.seconds)*time.Second, tenths)
	if err != nil {
		return err
	}
	b.rows = append(b.rows, manyToOne(fmt.Sprintf("credentials document with a token, %d connections from %d addresses to %d roles", connections, addresses, addresses), loads[0], loads[1]))
	return nil
}

// manyToOne makes the row that compares many identities with one.
func manyToOne(what string, one, many []load) row {
	rates := ratios(many, one, load.rate)
	return atLeast(what+": requests a second, of one identity's", "%.2f", wantedOneIdentity, median(rates),
		fmt.Sprintf("%s; %s, with one identity %s; by processor time %.2f: %.1f µs a request, with one %.1f µs; p99 %.1f ms and %.1f ms",
			spread("%.2f", rates), thousands(medianOf(many, load.rate)), thousands(medianOf(one, load.rate)),
			median(ratios(one, many, load.microseconds)), medianOf(many, load.microseconds), medianOf(one, load.microseconds),
			medianOf(many, load.p99Milliseconds), medianOf(one, load.p99Milliseconds)))
}
