package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	shared "mock-ec2-metadata/test/bench"
)

// hammered is a server and the clients that load it.
type hammered struct {
	server  *server
	clients []*client
	check   func(*client, int) error // says what is wrong with the last answer of a client, which has this status
}

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
	loads := make([][]load, 2)
	for range b.rounds {
		round, err := compareOnce(ctx, both, time.Duration(b.seconds)*time.Second)
		if err != nil {
			return err
		}
		for i := range both {
			loads[i] = append(loads[i], round[i])
			if err := both[i].server.emptyLog(); err != nil {
				return err
			}
		}
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

// compareOnce loads servers for so long each, in turn for a tenth of it: other work on the machine comes and goes, and is to
// meet all of them.
func compareOnce(ctx context.Context, servers []hammered, length time.Duration) ([]load, error) {
	const turns = 10
	used, totals := make([]time.Duration, len(servers)), make([]tally, len(servers))
	for i, h := range servers {
		before, err := h.server.processorTime()
		if err != nil {
			return nil, err
		}
		used[i] = -before
	}
	for turn := range turns {
		for i := range servers {
			n := (i + turn) % len(servers)
			if err := servers[n].hammer(ctx, length/turns, &totals[n]); err != nil {
				return nil, err
			}
		}
	}
	loads := make([]load, len(servers))
	for i, h := range servers {
		after, err := h.server.processorTime()
		if err != nil {
			return nil, err
		}
		if loads[i], err = totals[i].load(used[i] + after); err != nil {
			return nil, err
		}
	}
	return loads, nil
}

// tally is what the clients of a server have measured.
type tally struct {
	latencies []time.Duration
	took      time.Duration
}

// load returns the result; used is the server's processor time.
func (t *tally) load(used time.Duration) (load, error) {
	n := len(t.latencies)
	if n == 0 || used <= 0 {
		return load{}, errors.New("nothing was answered")
	}
	slices.Sort(t.latencies)
	return load{perSecond: float64(n) / t.took.Seconds(), p99: t.latencies[n*99/100], cpu: used / time.Duration(n)}, nil
}

// hammer has all clients ask without a pause for so long. Each must get the same credentials of its own role all the time.
func (h hammered) hammer(ctx context.Context, length time.Duration, t *tally) error {
	latencies, errs := make([][]time.Duration, len(h.clients)), make([]error, len(h.clients))
	began := time.Now()
	var asking sync.WaitGroup
	for i, c := range h.clients {
		asking.Go(func() { latencies[i], errs[i] = c.hammer(ctx, h.check, began.Add(length)) })
	}
	asking.Wait()
	t.took += time.Since(began)
	t.latencies = append(t.latencies, slices.Concat(latencies...)...)
	return errors.Join(errs...)
}

// hammer asks without a pause until a time.
func (c *client) hammer(ctx context.Context, check func(*client, int) error, until time.Time) (latencies []time.Duration, err error) {
	var first []byte
	for began := time.Now(); began.Before(until) && ctx.Err() == nil; {
		status, err := c.credentials()
		if err != nil {
			return nil, err
		}
		if first == nil {
			if err := check(c, status); err != nil {
				return nil, err
			}
			first = bytes.Clone(c.body)
		}
		if status != http.StatusOK || !bytes.Equal(first, c.body) {
			return nil, fmt.Errorf("wrong answer: %s got %d %d bytes, which differ from those before", c.member.Address, status, len(c.body))
		}
		now := time.Now()
		latencies = append(latencies, now.Sub(began))
		began = now
	}
	return latencies, ctx.Err()
}
