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

// wantedRatios are the least requests a second, by the case's name, and the most of the 99th percentile, as parts of what
// the bare server does.
var wantedRatios = map[string]float64{"leaf-v1": 0.92, "leaf-v2": 0.88, "credentials": 0.88, "listing": 0.90, "token": 0.80}

const wantedP99 = 1.15

// configuration has what the embedded default has, in a file, and an access log.
const configuration = "credentials: {mock: true, iam_role: 'arn:aws:iam::123456789012:role/" + shared.Role + "'}\nlog: {access: true}\n"

// configFile writes a configuration and gives its name.
func (b *bench) configFile(name, content string) (string, error) {
	file := filepath.Join(b.dir, name+".yaml")
	return file, os.WriteFile(file, []byte(content), 0o600)
}

// requests compares requests a second and latencies with those of the bare server, in rounds of one and the other.
func (b *bench) requests(ctx context.Context) error {
	file, err := b.configFile("small", configuration)
	if err != nil {
		return err
	}
	ours, err := b.launch(ctx, b.serverCPUs, b.daemon, "--config", file)
	if err != nil {
		return err
	}
	defer func() { _ = ours.stop() }()
	if err := settle(ctx); err != nil {
		return err
	}
	token, err := tokenOf(ours)
	if err != nil {
		return err
	}
	var latencies []row
	for _, c := range b.cases {
		more, err := b.compare(ctx, c, ours, token)
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

// compare measures one case, and gives the rows of the latencies.
func (b *bench) compare(ctx context.Context, c shared.Case, ours *server, token string) (latencies []row, err error) {
	answer, file, err := b.capture(c, ours, token)
	if err != nil {
		return nil, err
	}
	bare, err := b.launch(ctx, b.serverCPUs, b.bare, "--answer", file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = bare.stop() }()
	same, err := c.Ask(http.DefaultClient, bare.url(), token)
	if err != nil {
		return nil, err
	}
	if differ := answer.Differ(same); differ != "" {
		return nil, fmt.Errorf("the bare server does not answer the same: %s", differ)
	}
	for _, connections := range b.connections {
		r, err := b.alternate(ctx, c, connections, bare, ours, token)
		if err != nil {
			return nil, err
		}
		what := fmt.Sprintf("%s, %d connections", c.What, connections)
		b.rows = append(b.rows, atLeast(what, "%.2f", wantedRatios[c.Name], median(r.rates),
			fmt.Sprintf("%s; %s and bare %s a second; by processor time %.2f",
				spread("%.2f", r.rates), thousands(median(r.ours)), thousands(median(r.bare)), median(r.perCPU))))
		what = fmt.Sprintf("p99 of the GET, %d connections", connections)
		latencies = append(latencies, atMost(what, "%.2f", wantedP99, median(r.p99s),
			fmt.Sprintf("%s; %.2f ms and bare %.2f ms", spread("%.2f", r.p99s), median(r.ourP99), median(r.bareP99))))
	}
	return latencies, nil
}

// capture puts what the daemon answers into a file, for the bare server.
func (b *bench) capture(c shared.Case, ours *server, token string) (answer *shared.Answer, file string, err error) {
	if answer, err = c.Ask(http.DefaultClient, ours.url(), token); err != nil {
		return nil, "", err
	}
	if answer.Status != http.StatusOK {
		return nil, "", fmt.Errorf("wrong answer: %d %q", answer.Status, answer.Body)
	}
	file = filepath.Join(b.dir, c.Name+".json")
	return answer, file, answer.Save(file)
}

// ratios are those of ours to bare in each round, and what they are made of.
type ratios struct {
	rates, p99s, perCPU []float64
	ours, bare          []float64 // requests a second
	ourP99, bareP99     []float64 // in milliseconds
}

// alternate measures both servers in each round, each time the other one first.
func (b *bench) alternate(ctx context.Context, c shared.Case, connections int, bare, ours *server, token string) (*ratios, error) {
	r := &ratios{}
	for round := range b.rounds {
		var got [2]load
		for i := range got {
			which := (i + round) % 2
			var err error
			if got[which], err = b.wrk(ctx, []*server{bare, ours}[which], connections, b.seconds, c.Method, c.Path, c.Header(token)); err != nil {
				return nil, err
			}
		}
		if err := ours.emptyLog(); err != nil {
			return nil, err
		}
		theirs, own := got[0], got[1]
		r.rates = append(r.rates, own.perSecond/theirs.perSecond)
		r.p99s = append(r.p99s, float64(own.p99)/float64(theirs.p99))
		r.perCPU = append(r.perCPU, own.perCPU/theirs.perCPU)
		r.ours, r.bare = append(r.ours, own.perSecond), append(r.bare, theirs.perSecond)
		r.ourP99, r.bareP99 = append(r.ourP99, milliseconds(own.p99)), append(r.bareP99, milliseconds(theirs.p99))
	}
	return r, nil
}

// settle waits until what the daemon does once after its start is over, such as making a key.
func settle(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * time.Second):
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
