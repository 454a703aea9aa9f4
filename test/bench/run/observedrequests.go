package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	shared "mock-ec2-metadata/test/bench"
)

// observedCases are the names of the requests that are compared.
var observedCases = []string{"leaf-v2", "credentials", "token"}

// observedRequests compares the daemon with metrics with the older build, or with itself without metrics.
func (b *bench) observedRequests(ctx context.Context) error {
	variants := b.variants()
	daemons, stop, err := b.observeAll(ctx, variants)
	if err != nil {
		return err
	}
	defer stop()
	for _, c := range shared.Cases() {
		if !slices.Contains(observedCases, c.Name) {
			continue
		}
		for _, connections := range b.shorten() {
			loads, err := b.observedLoads(ctx, c, connections, daemons)
			if err != nil {
				return fmt.Errorf("%s: %w", c.What, err)
			}
			b.rows = append(b.rows, observedRows(fmt.Sprintf("%s, %d connections", c.What, connections), variants, loads)...)
		}
	}
	return nil
}

// observedLoads has clients ask all daemons for the same, in turns of a tenth of a second.
func (b *bench) observedLoads(ctx context.Context, c shared.Case, connections int, daemons []*observed) ([][]load, error) {
	var all []hammered
	for _, d := range daemons {
		h := hammered{server: d.server}
		defer h.close()
		if err := h.dial(ctx, connections); err != nil {
			return nil, err
		}
		if err := h.askFor(c); err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return b.hammerAll(ctx, all, b.rounds, time.Duration(b.seconds)*time.Second, tenths)
}

// askFor has the clients send a request, and compares what they get with the answer to a request of its own.
func (h *hammered) askFor(c shared.Case) error {
	answer, err := c.Ask(http.DefaultClient, h.server.url(), h.clients[0].token)
	if err != nil {
		return err
	}
	if answer.Status != http.StatusOK || len(answer.Body) == 0 {
		return fmt.Errorf("wrong answer: %d %.100q", answer.Status, answer.Body)
	}
	for _, client := range h.clients {
		request := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", c.Method, c.Path, client.host)
		for name, values := range c.Header(client.token) {
			request = fmt.Appendf(request, "%s: %s\r\n", name, values[0])
		}
		client.request, client.varies = append(request, "\r\n"...), c.Method == http.MethodPut
	}
	h.check = func(c *client, status int) error {
		if status != http.StatusOK || len(c.body) != len(answer.Body) || !c.varies && string(c.body) != string(answer.Body) {
			return fmt.Errorf("wrong answer: %d with %d bytes, not the %d of another client", status, len(c.body), len(answer.Body))
		}
		return nil
	}
	return nil
}

// observedRows makes the rows of one request: of the last variant, of the first one's.
func observedRows(what string, variants []variant, loads [][]load) []row {
	last := len(loads) - 1
	first, ours := loads[0], loads[last]
	rates, times := ratios(ours, first, load.rate), ratios(first, ours, load.microseconds)
	var rated, timed, p99 []float64
	for _, l := range loads {
		rated, timed, p99 = append(rated, medianOf(l, load.rate)), append(timed, medianOf(l, load.microseconds)), append(p99, medianOf(l, load.p99Milliseconds))
	}
	between := func(ratio func([]load) float64) string {
		if last < 2 {
			return ""
		}
		return fmt.Sprintf("; %s %.3f", variants[1].name, ratio(loads[1]))
	}
	return []row{
		atLeast(what+", with metrics: requests a second, of "+before(variants), "%.3f", wantedObserved, median(rates), spread("%.2f", rates)+
			between(func(l []load) float64 { return median(ratios(l, first, load.rate)) })+"; "+each(thousands, "", variants, rated)),
		atLeast("the same by processor time", "%.3f", wantedObserved, median(times), spread("%.2f", times)+
			between(func(l []load) float64 { return median(ratios(first, l, load.microseconds)) })+"; "+each(tenth, " µs", variants, timed)+
			"; p99 "+each(tenth, " ms", variants, p99)),
	}
}
