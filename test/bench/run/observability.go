package main

import (
	"context"
	"fmt"
	"strings"
)

// Limits of metrics and console. What they compare is in docs/performance.md.
const (
	wantedObserved       = 0.99 // requests a second, and requests for a second of processor time, with metrics
	wantedObservedStart  = 1.10 // ratio of the medians
	wantedUnobservedIdle = 1.08 // ratio of the medians
	wantedMetricsIdle    = 0.5  // MB
	wantedScrape         = 1.5  // ms
	wantedScrapedP99     = 1.05 // of that without scrapes
	wantedStreamed       = 0.97 // requests a second with a stream
	wantedStream         = 3.0  // % of the processor time at full speed
)

// observability measures metrics and the console.
func (b *bench) observability(ctx context.Context) error {
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"requests", b.observedRequests},
		{"go", b.observedGo},
		{"start", b.observedStart},
		{"memory", b.observedMemory},
		{"scrapes", b.scrapes},
		{"console", b.streams},
		{"nothing on", b.unobserved},
	} {
		if err := part.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// variant is a way to run the daemon.
type variant struct {
	name    string // for the report
	program string
	metrics bool // metrics.listen is set
}

// Names of variants.
const (
	oldBuild       = "the old build"
	withoutMetrics = "without metrics"
	withMetrics    = "with metrics"
)

// variants returns the ways to run the daemon: first the older build, if there is one, then the new one without metrics and with.
func (b *bench) variants() []variant {
	all := []variant{{withoutMetrics, b.daemon, false}, {withMetrics, b.daemon, true}}
	if b.base != "" {
		all = append([]variant{{oldBuild, b.base, false}}, all...)
	}
	return all
}

// observed is a daemon that tells about itself.
type observed struct {
	*server
	metrics string // the URL of its metrics; "" without
}

// observe starts a variant with the small configuration.
func (b *bench) observe(ctx context.Context, v variant) (*observed, error) {
	file, err := b.configFile("small", configuration)
	if err != nil {
		return nil, err
	}
	o, args := &observed{}, []string{"--config", file}
	if v.metrics {
		addr, err := freeAddress()
		if err != nil {
			return nil, err
		}
		o.metrics = "http://" + addr + "/metrics"
		args = append(args, "--set", "metrics.listen="+addr)
	}
	o.server, err = b.launch(ctx, b.serverCPUs, v.program, args...)
	return o, err
}

// observeAll starts all variants, and waits until they are idle. It stops them if one does not start.
func (b *bench) observeAll(ctx context.Context, variants []variant) (all []*observed, stop func(), err error) {
	stop = func() {
		for _, o := range all {
			_ = o.stop()
		}
	}
	for _, v := range variants {
		o, err := b.observe(ctx, v)
		if err != nil {
			stop()
			return nil, nil, err
		}
		all = append(all, o)
	}
	if err := settle(ctx); err != nil {
		stop()
		return nil, nil, err
	}
	return all, stop, nil
}

// shorten returns the connections to measure with.
func (b *bench) shorten() []int {
	if b.short {
		return b.connections[:1]
	}
	return b.connections
}

// each lists a figure of each variant, such as "the old build 5.1, without metrics 5.2 ms".
func each(format func(float64) string, unit string, variants []variant, figures []float64) string {
	parts := make([]string, len(variants))
	for i, v := range variants {
		parts[i] = v.name + " " + format(figures[i])
	}
	return strings.Join(parts, ", ") + unit
}

// before names what variants are compared with, the first of them.
func before(variants []variant) string {
	if variants[0].name == withoutMetrics {
		return "that without metrics"
	}
	return variants[0].name
}

func tenth(f float64) string { return fmt.Sprintf("%.1f", f) }
