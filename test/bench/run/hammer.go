package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
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
	// beside runs while the clients ask, until its context ends; nil for nothing.
	beside func(context.Context) error
	// pause is from one request of a client to its next; 0 for none.
	pause time.Duration
}

// dial connects so many clients of the loopback address.
func (h *hammered) dial(ctx context.Context, connections int) error {
	for range connections {
		c, err := dial(ctx, h.server.addr, shared.Member{Address: netip.MustParseAddr("127.0.0.1"), Role: shared.Role})
		if err != nil {
			return err
		}
		h.clients = append(h.clients, c)
	}
	return nil
}

// close ends the connections of the clients.
func (h *hammered) close() {
	for _, c := range h.clients {
		c.close()
	}
}

// hammerAll compares servers in so many rounds. It returns the loads by server, then round.
func (b *bench) hammerAll(ctx context.Context, servers []hammered, rounds int, length time.Duration, turns int) ([][]load, error) {
	loads := make([][]load, len(servers))
	for n := range rounds {
		round, err := compareOnce(ctx, servers, n, length, turns)
		if err != nil {
			return nil, err
		}
		for i := range servers {
			loads[i] = append(loads[i], round[i])
			if err := servers[i].server.emptyLog(); err != nil {
				return nil, err
			}
		}
	}
	return loads, nil
}

// tenths is the usual number of turns of compareOnce.
const tenths = 10

// compareOnce loads servers for so long each, in so many turns: other work on the machine comes and goes, and is to meet all of them. Each
// turn begins with another one, the first turn with that of first.
func compareOnce(ctx context.Context, servers []hammered, first int, length time.Duration, turns int) ([]load, error) {
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
			n := (first + turn + i) % len(servers)
			if err := servers[n].hammer(ctx, length/time.Duration(turns), &totals[n]); err != nil {
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

// hammer has all clients ask for so long. Each must get the same answer all the time, unless its answers vary.
func (h hammered) hammer(ctx context.Context, length time.Duration, t *tally) error {
	latencies, errs := make([][]time.Duration, len(h.clients)), make([]error, len(h.clients))
	beside, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error, 1)
	go func() {
		if h.beside == nil {
			ended <- nil
			return
		}
		ended <- h.beside(beside)
	}()
	began := time.Now()
	var asking sync.WaitGroup
	for i, c := range h.clients {
		// The clients begin one after the other, so that pauses do not make them ask at once.
		first := began.Add(h.pause * time.Duration(i) / time.Duration(len(h.clients)))
		asking.Go(func() { latencies[i], errs[i] = c.hammer(ctx, h.check, first, began.Add(length), h.pause) })
	}
	asking.Wait()
	t.took += max(time.Since(began), length) // clients that pause end before
	t.latencies = append(t.latencies, slices.Concat(latencies...)...)
	end()
	return errors.Join(append(errs, <-ended)...)
}

// hammer asks from one time until another.
func (c *client) hammer(ctx context.Context, check func(*client, int) error, due, until time.Time, pause time.Duration) (latencies []time.Duration, err error) {
	var first []byte
	for began := time.Now(); began.Before(until) && ctx.Err() == nil; {
		if pause > 0 {
			if !due.Before(until) {
				break
			}
			time.Sleep(time.Until(due)) // not at all if it is late
			due, began = due.Add(pause), time.Now()
		}
		status, err := c.ask()
		if err != nil {
			return nil, err
		}
		if first == nil {
			if err := check(c, status); err != nil {
				return nil, err
			}
			first = bytes.Clone(c.body)
		}
		if status != http.StatusOK || !c.varies && !bytes.Equal(first, c.body) {
			return nil, fmt.Errorf("wrong answer: %s got %d %d bytes, which differ from those before", c.member.Address, status, len(c.body))
		}
		now := time.Now()
		latencies = append(latencies, now.Sub(began))
		began = now
	}
	return latencies, ctx.Err()
}
