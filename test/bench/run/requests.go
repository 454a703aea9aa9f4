package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	shared "mock-ec2-metadata/test/bench"
)

// Limits of the requests, as ratios. What they compare is in docs/performance.md.
const (
	wantedNewToOld = 0.95 // requests a second
	wantedPerCPU   = 0.88 // requests for a second of the server's processor time, of the bare server's
	wantedP99      = 1.15 // 99th percentile of the latency, of the bare server's
)

// configuration is the embedded default's as a file, with the access log on.
const configuration = "credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/" + shared.Role + "'}\nlog: {access: true}\n"

// configFile writes a configuration and returns its path.
func (b *bench) configFile(name, content string) (string, error) {
	file := filepath.Join(b.dir, name+".yaml")
	return file, os.WriteFile(file, []byte(content), 0o600)
}

// requests compares the daemon with the bare server and, if there is one, with the old daemon, in interleaved rounds.
func (b *bench) requests(ctx context.Context) error {
	file, err := b.configFile("small", configuration)
	if err != nil {
		return err
	}
	var daemons []*server // the new one, then the old one
	for _, program := range b.daemons() {
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
	for _, s := range daemons {
		if s.token, err = tokenOf(s); err != nil {
			return err
		}
	}
	var latencies []row
	for _, c := range b.cases {
		more, err := b.compare(ctx, c, wantedPerCPU, daemons)
		if err != nil {
			return fmt.Errorf("%s: %w", c.What, err)
		}
		if c.Name == shared.Cases()[0].Name {
			latencies = more
		}
	}
	b.rows = append(b.rows, latencies...)
	return nil
}

// compare measures one case, and returns the rows of the latencies. wanted is the limit by processor time.
func (b *bench) compare(ctx context.Context, c shared.Case, wanted float64, daemons []*server) (latencies []row, err error) {
	answer, file, err := b.capture(c, daemons[0])
	if err != nil {
		return nil, err
	}
	bare, err := b.launch(ctx, b.serverCPUs, b.bare, "--answer", file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = bare.stop() }()
	same, err := c.Ask(http.DefaultClient, bare.url(), "")
	if err != nil {
		return nil, err
	}
	if differ := answer.Differ(same); differ != "" {
		return nil, fmt.Errorf("the bare server does not answer the same: %s", differ)
	}
	for _, connections := range b.connections {
		var targets []target
		for _, s := range append([]*server{bare}, daemons...) {
			targets = append(targets, target{s, c})
		}
		loads, err := b.sample(ctx, connections, targets)
		if err != nil {
			return nil, err
		}
		rows, latency := compared(c, connections, wanted, loads)
		b.rows = append(b.rows, rows...)
		latencies = append(latencies, latency)
	}
	return latencies, nil
}

// target is a server and what it is asked.
type target struct {
	server *server
	asked  shared.Case
}

// sample loads the servers in turn, in each round beginning with another one. It returns the loads by server, then round.
func (b *bench) sample(ctx context.Context, connections int, targets []target) ([][]load, error) {
	loads := make([][]load, len(targets))
	for round := range b.rounds {
		for i := range targets {
			n := (i + round) % len(targets)
			s, c := targets[n].server, targets[n].asked
			l, err := b.wrk(ctx, s, connections, b.seconds, c.Method, c.Path, c.Header(s.token))
			if err != nil {
				return nil, err
			}
			loads[n] = append(loads[n], l)
			if err := s.emptyLog(); err != nil {
				return nil, err
			}
		}
	}
	return loads, nil
}

// compared makes the rows of one case. wanted is the limit by processor time. loads are those of the bare server, the new daemon and, if
// there is one, the old one.
func compared(c shared.Case, connections int, wanted float64, loads [][]load) (rows []row, latency row) {
	bare, ours := loads[0], loads[1]
	what := fmt.Sprintf("%s, %d connections", c.What, connections)
	times := fmt.Sprintf("%.1f µs a request, bare %.1f µs", medianOf(ours, load.microseconds), medianOf(bare, load.microseconds))
	if len(loads) > 2 {
		old := loads[2]
		rates := ratios(ours, old, load.rate)
		rows = append(rows, atLeast(what+": requests a second, new/old", "%.2f", wantedNewToOld, median(rates),
			fmt.Sprintf("%s; new %s, old %s", spread("%.2f", rates), thousands(medianOf(ours, load.rate)), thousands(medianOf(old, load.rate)))))
		times += fmt.Sprintf(", old %.1f µs (%.2f)", medianOf(old, load.microseconds), median(ratios(bare, old, load.microseconds)))
	}
	perCPU := ratios(bare, ours, load.microseconds)
	rows = append(rows, atLeast(what+": by processor time, of bare", "%.2f", wanted, median(perCPU),
		fmt.Sprintf("%s; %s; requests a second %.2f of bare", spread("%.2f", perCPU), times, median(ratios(ours, bare, load.rate)))))
	p99s := ratios(ours, bare, load.p99Milliseconds)
	latency = atMost(fmt.Sprintf("p99 of the GET, %d connections, of bare", connections), "%.2f", wantedP99, median(p99s),
		fmt.Sprintf("%s; %.2f ms, bare %.2f ms", spread("%.2f", p99s), medianOf(ours, load.p99Milliseconds), medianOf(bare, load.p99Milliseconds)))
	return rows, latency
}

// ratios divides a figure of a by that of b, round by round.
func ratios(a, b []load, figure func(load) float64) []float64 {
	r := make([]float64, len(a))
	for i := range a {
		r[i] = figure(a[i]) / figure(b[i])
	}
	return r
}

// medianOf is the median of a figure.
func medianOf(loads []load, figure func(load) float64) float64 {
	values := make([]float64, len(loads))
	for i, l := range loads {
		values[i] = figure(l)
	}
	return median(values)
}

// capture writes the daemon's answer to a file, for the bare server.
func (b *bench) capture(c shared.Case, ours *server) (answer *shared.Answer, file string, err error) {
	if answer, err = c.Ask(http.DefaultClient, ours.url(), ours.token); err != nil {
		return nil, "", err
	}
	if answer.Status != http.StatusOK {
		return nil, "", fmt.Errorf("wrong answer: %d %q", answer.Status, answer.Body)
	}
	file = filepath.Join(b.dir, c.Name+".json")
	return answer, file, answer.Save(file)
}

// settle waits until the daemon has done what it does once after its start, such as making a key.
func settle(ctx context.Context) error { return wait(ctx, 2*time.Second) }

// wait returns after d, or with the context's error.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// tokenOf gets a session token.
func tokenOf(s *server) (string, error) {
	for _, c := range shared.Cases() {
		if c.Method == http.MethodPut {
			a, err := c.Ask(http.DefaultClient, s.url(), "")
			if err != nil {
				return "", err
			}
			return string(a.Body), nil
		}
	}
	return "", errors.New("no case gets a token")
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
