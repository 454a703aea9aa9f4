package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// asked is what clients ask for in turns.
const asked = "credentials document with a token"

// simulationNone compares the daemon without events and faults with the old one, if there is one.
func (b *bench) simulationNone(ctx context.Context) error {
	if b.base == "" {
		return nil
	}
	file, err := b.configFile("none", configuration)
	if err != nil {
		return err
	}
	var daemons []*server // the old one, then the new one
	for _, program := range []string{b.base, b.daemon} {
		s, err := b.launch(ctx, b.serverCPUs, program, "--config", file)
		if err != nil {
			return err
		}
		defer func() { _ = s.stop() }()
		daemons = append(daemons, s)
	}
	if err := settle(ctx); err != nil {
		return err
	}
	for _, n := range b.connections {
		loads, err := b.inTurns(ctx, n, daemons...)
		if err != nil {
			return err
		}
		b.rows = append(b.rows, noneRow(n, loads[0], loads[1]))
	}
	return nil
}

// noneRow makes the row of so many connections.
func noneRow(connections int, old, ours []load) row {
	rates := ratios(ours, old, load.rate)
	return atLeast(fmt.Sprintf("%s, %d connections, no event, no fault: requests a second, new/old", asked, connections), "%.2f", wantedNone, median(rates),
		fmt.Sprintf("%s; new %s, old %s; by processor time %.2f: %.1f µs a request, old %.1f µs; p99 %.1f ms and %.1f ms",
			spread("%.2f", rates), thousands(medianOf(ours, load.rate)), thousands(medianOf(old, load.rate)), median(ratios(old, ours, load.microseconds)),
			medianOf(ours, load.microseconds), medianOf(old, load.microseconds), medianOf(ours, load.p99Milliseconds), medianOf(old, load.p99Milliseconds)))
}

// inTurns loads servers over so many connections each, in turns of a tenth of a second. It returns the loads by server, then round.
func (b *bench) inTurns(ctx context.Context, connections int, servers ...*server) ([][]load, error) {
	var all []hammered
	for _, s := range servers {
		h := hammered{server: s, check: checkMadeUp}
		defer h.close()
		if err := h.dial(ctx, connections); err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return b.hammerAll(ctx, all, b.rounds, time.Duration(b.seconds)*time.Second, tenths)
}

// checkMadeUp returns an error unless the last answer of a client has credentials.
func checkMadeUp(c *client, status int) error {
	if status != http.StatusOK || keyOf(c.body) == "" {
		return fmt.Errorf("wrong answer: %d with no credentials", status)
	}
	return nil
}
