package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// scrapeHeader is how a monitoring system asks for metrics.
type scrapeHeader struct{ accept, encoding string }

var (
	// byPrometheus is what Prometheus 3 asks for first.
	byPrometheus = scrapeHeader{"application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", "gzip"}
	plain        = scrapeHeader{"text/plain;version=0.0.4", "identity"}
)

// scraped is one answer. took ends with its last byte.
type scraped struct {
	body []byte
	took time.Duration
}

// scrape asks for the metrics once, over a connection that is kept.
func (o *observed) scrape(ctx context.Context, h scrapeHeader) (scraped, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.metrics, http.NoBody)
	if err != nil {
		return scraped{}, err
	}
	req.Header.Set("Accept", h.accept)
	req.Header.Set("Accept-Encoding", h.encoding)
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return scraped{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || len(body) == 0) {
		err = fmt.Errorf("wrong answer: /metrics: %d %.100q", resp.StatusCode, body)
	}
	return scraped{body, time.Since(began)}, err
}

// scrapes measures how long a scrape takes, and what one a second does to requests.
func (b *bench) scrapes(ctx context.Context) error {
	on := variant{withMetrics, b.daemon, true}
	daemons, stop, err := b.observeAll(ctx, []variant{on, on})
	if err != nil {
		return err
	}
	defer stop()
	for _, connections := range b.shorten() {
		loads, err := b.scrapedLoads(ctx, connections, daemons[0], daemons[1])
		if err != nil {
			return err
		}
		b.rows = append(b.rows, scrapedRow(connections, loads[0], loads[1]))
	}
	return b.scrapeTimes(ctx, daemons[1])
}

// scrapeTimes measures scrapes of a daemon that has answered requests.
func (b *bench) scrapeTimes(ctx context.Context, o *observed) error {
	times := 300
	if b.short {
		times = 20
	}
	var asked, text []float64 // ms
	var compressed, whole scraped
	before, err := o.processorTime()
	if err != nil {
		return err
	}
	for range times {
		if compressed, err = o.scrape(ctx, byPrometheus); err != nil {
			return err
		}
		asked = append(asked, milliseconds(compressed.took))
	}
	after, err := o.processorTime()
	if err != nil {
		return err
	}
	for range times {
		if whole, err = o.scrape(ctx, plain); err != nil {
			return err
		}
		text = append(text, milliseconds(whole.took))
	}
	series := countSeries(whole.body)
	if series == 0 {
		return errors.New("wrong answer: /metrics has no series")
	}
	b.rows = append(b.rows, atMost(fmt.Sprintf("a scrape as Prometheus asks, idle (median of %d)", times), "%.2f ms", wantedScrape, median(asked),
		fmt.Sprintf("%s; %.2f ms of processor time; %d series, %.1f kB in OpenMetrics with gzip; as plain text %.2f ms, %.1f kB", spread("%.1f", asked),
			milliseconds(after-before)/float64(times), series, float64(len(compressed.body))/1e3, median(text), float64(len(whole.body))/1e3)))
	return nil
}

// countSeries counts the samples of an answer in the plain format.
func countSeries(text []byte) (n int) {
	for line := range bytes.Lines(text) {
		if line[0] != '#' && line[0] != '\n' {
			n++
		}
	}
	return n
}

// scrapedLoads has clients ask two daemons with metrics, of which the second is scraped once a second while it is loaded.
func (b *bench) scrapedLoads(ctx context.Context, connections int, quiet, busy *observed) ([][]load, error) {
	both := []hammered{{server: quiet.server, check: checkMadeUp}, {server: busy.server, check: checkMadeUp}}
	turn := time.Duration(b.seconds) * time.Second / tenths
	due := time.Second / 2 // of load until the next scrape
	both[1].beside = func(ctx context.Context) error {
		if due -= turn; due > 0 {
			return nil
		}
		due += time.Second
		if _, err := busy.scrape(ctx, byPrometheus); ctx.Err() == nil { // else the turn ended before the scrape
			return err
		}
		return nil
	}
	for i := range both {
		defer both[i].close()
		if err := both[i].dial(ctx, connections); err != nil {
			return nil, err
		}
	}
	return b.hammerAll(ctx, both, b.rounds, turn*tenths, tenths)
}

// scrapedRow makes the row of so many connections: loads without scrapes, and with.
func scrapedRow(connections int, without, with []load) row {
	p99s, rates := ratios(with, without, load.p99Milliseconds), ratios(with, without, load.rate)
	return atMost(fmt.Sprintf("%s, %d connections, one scrape a second: p99, of that without", asked, connections), "%.2f", wantedScrapedP99, median(p99s),
		fmt.Sprintf("%s; %.2f ms, without %.2f ms; requests a second %.3f of those without (%s)", spread("%.2f", p99s),
			medianOf(with, load.p99Milliseconds), medianOf(without, load.p99Milliseconds), median(rates), spread("%.2f", rates)))
}
