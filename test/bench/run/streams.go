package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// pacedRate is how many requests a second clients send that pause, over pacedConnections.
	pacedRate        = 5_000
	pacedConnections = 16
)

// streams compares requests while a stream of the console is read with those without.
func (b *bench) streams(ctx context.Context) error {
	without, err := b.simulate(ctx, "console", configuration)
	if err != nil {
		return err
	}
	defer func() { _ = without.stop() }()
	with, err := b.simulate(ctx, "console", configuration)
	if err != nil {
		return err
	}
	defer func() { _ = with.stop() }()
	page, err := with.openConsole(ctx, b.daemon)
	if err != nil {
		return err
	}
	var full []load // without a stream, at full speed
	for _, connections := range b.shorten() {
		loads, got, err := b.streamedLoads(ctx, connections, 0, without.server, with.server, page)
		if err != nil {
			return err
		}
		b.rows = append(b.rows, streamedRow(connections, loads[0], loads[1], got))
		if full == nil {
			full = loads[0]
		}
	}
	pause := time.Second * pacedConnections / pacedRate
	loads, got, err := b.streamedLoads(ctx, pacedConnections, pause, without.server, with.server, page)
	if err != nil {
		return err
	}
	b.rows = append(b.rows, pacedRow(loads[0], loads[1], full, got))
	return nil
}

// streamedLoads has clients ask two daemons, of which the second sends a stream while it is loaded. Each round is one turn: a stream has a batch
// each quarter of a second.
func (b *bench) streamedLoads(ctx context.Context, connections int, pause time.Duration, without, with *server, page *page) ([][]load, streamed, error) {
	var got streamed
	both := []hammered{
		{server: without, check: checkMadeUp, pause: pause},
		{server: with, check: checkMadeUp, pause: pause, beside: func(ctx context.Context) error { return page.read(ctx, &got) }},
	}
	for i := range both {
		defer both[i].close()
		if err := both[i].dial(ctx, connections); err != nil {
			return nil, got, err
		}
	}
	loads, err := b.hammerAll(ctx, both, b.rounds, time.Duration(b.seconds)*time.Second, 1)
	if err == nil && got.requests == 0 {
		err = errors.New("wrong answer: the stream had no request")
	}
	return loads, got, err
}

// streamedRow makes the row of so many connections that ask without a pause: loads without a stream, and with.
func streamedRow(connections int, without, with []load, got streamed) row {
	rates := ratios(with, without, load.rate)
	return atLeast(fmt.Sprintf("%s, %d connections, while the console is open: requests a second, of those without", asked, connections), "%.3f",
		wantedStreamed, median(rates), fmt.Sprintf("%s; %s, without %s; processor time %.1f µs a request, without %.1f µs; p99 %.1f ms and %.1f ms; %s",
			spread("%.2f", rates), thousands(medianOf(with, load.rate)), thousands(medianOf(without, load.rate)), medianOf(with, load.microseconds),
			medianOf(without, load.microseconds), medianOf(with, load.p99Milliseconds), medianOf(without, load.p99Milliseconds), got))
}

// pacedRow makes the row of clients that pause: loads without a stream and with, and without one at full speed. Processor time that the
// stream takes is not there for requests.
func pacedRow(without, with, full []load, got streamed) row {
	busy := func(l load) float64 { return l.microseconds() * l.rate() / 1e3 } // ms a second
	more := make([]float64, len(with))
	for i := range with {
		more[i] = busy(with[i]) - busy(without[i])
	}
	return atMost(fmt.Sprintf("the same at %s requests a second, %d connections: processor time of the open console, of the daemon's at full speed",
		thousands(pacedRate), pacedConnections), "%.1f %%", wantedStream, median(more)/medianOf(full, busy)*100,
		fmt.Sprintf("%.1f ms a second (%s), of %.0f ms; the requests take %.0f ms; %s a second, without %s; p99 %.1f ms and %.1f ms; %s", median(more),
			spread("%.1f", more), medianOf(full, busy), medianOf(without, busy), thousands(medianOf(with, load.rate)), thousands(medianOf(without, load.rate)),
			medianOf(with, load.p99Milliseconds), medianOf(without, load.p99Milliseconds), got))
}
