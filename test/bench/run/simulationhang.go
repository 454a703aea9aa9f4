package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"
)

const (
	hanging    = 300
	places     = 256 // of requests that may wait in faults
	hungClient = "127.0.0.2"
)

// simulationHang compares what others get while requests of one client hang in a fault with what they get of a daemon without events
// and faults. Both are loaded in turns of a tenth of a second.
func (b *bench) simulationHang(ctx context.Context) error {
	without, err := b.simulate(ctx, "hang", configuration)
	if err != nil {
		return err
	}
	defer func() { _ = without.stop() }()
	hung, err := b.simulate(ctx, "hang", configuration)
	if err != nil {
		return err
	}
	defer func() { _ = hung.stop() }()
	if err := hung.put(ctx, true, "hang", `{"match": {"clients": ["`+hungClient+`"]}, "hang": true}`); err != nil {
		return err
	}
	waiting, err := hung.hang(ctx)
	if err != nil {
		return err
	}
	connections := b.connections
	if b.short {
		connections = connections[:1]
	}
	for _, n := range connections {
		loads, err := b.inTurns(ctx, n, without.server, hung.server)
		if err != nil {
			return err
		}
		b.rows = append(b.rows, hungRow(n, loads[0], loads[1]))
	}
	select {
	case err := <-waiting:
		return fmt.Errorf("wrong answer: one of %d requests that hang has ended: %v", places, err) //nolint:errorlint // may be nil: an answer
	default:
	}
	began := time.Now()
	if err := hung.remove(ctx, true, "hang"); err != nil {
		return err
	}
	if err := awaitResets(ctx, waiting, places); err != nil {
		return fmt.Errorf("after the end of the fault: %w", err)
	}
	b.rows = append(b.rows, row{
		fmt.Sprintf("%d requests of one client in a fault that hangs: how many wait", hanging), strconv.Itoa(places), strconv.Itoa(places), verdict(true),
		fmt.Sprintf("the others were reset at once; %.0f ms after the end of the fault all were", milliseconds(time.Since(began))),
	})
	return nil
}

// hungRow makes the row of so many connections: loads without requests that hang, and with.
func hungRow(connections int, without, with []load) row {
	p99s, rates := ratios(with, without, load.p99Milliseconds), ratios(with, without, load.rate)
	return atMost(fmt.Sprintf("%s, %d connections, while %d requests of another client hang: p99, of that without", asked, connections, hanging),
		"%.2f", wantedHung, median(p99s), fmt.Sprintf("%s; %.2f ms, without %.2f ms; requests a second %.2f of those without (%s), %s; processor time %.1f µs a request, without %.1f µs",
			spread("%.2f", p99s), medianOf(with, load.p99Milliseconds), medianOf(without, load.p99Milliseconds), median(rates), spread("%.2f", rates),
			thousands(medianOf(with, load.rate)), medianOf(with, load.microseconds), medianOf(without, load.microseconds)))
}

// hang sends requests from one address that a fault leaves without an answer, and waits until those beyond the limit are reset. The
// channel gets how each of the others ends: with the daemon at the latest.
func (s *server) hang(ctx context.Context) (<-chan error, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(hungClient)}}
	ends := make(chan error, hanging)
	for range hanging {
		conn, err := d.DialContext(ctx, "tcp", s.addr)
		if err != nil {
			return nil, err
		}
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", leaf, s.addr); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		go func() {
			_, err := conn.Read(make([]byte, 1))
			_ = conn.Close()
			ends <- err
		}()
	}
	return ends, awaitResets(ctx, ends, hanging-places)
}

// awaitResets waits until so many connections have been reset. Any other end of one is an error.
func awaitResets(ctx context.Context, ends <-chan error, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for i := range n {
		select {
		case err := <-ends:
			if err == nil {
				return errors.New("wrong answer: a request that hangs got an answer")
			}
			if !errors.Is(err, syscall.ECONNRESET) {
				return fmt.Errorf("wrong answer: a request that hangs ended with %w", err)
			}
		case <-ctx.Done():
			return fmt.Errorf("wrong answer: %d connections were reset, not %d", i, n)
		}
	}
	return nil
}
