package main

import (
	"context"
	"fmt"
	"os"
	"slices"
)

// startups are those of one variant, in ms.
type startups struct {
	took []float64
	used []float64 // processor time until the first 200
}

// observedStart compares how long the variants take from their start to their first 200.
func (b *bench) observedStart(ctx context.Context) error {
	times := 30
	if b.short {
		times = 3
	}
	variants := b.variants()
	starts := make([]startups, len(variants))
	for i := range times {
		for k := range variants {
			n := (i + k) % len(variants)
			o, err := b.observe(ctx, variants[n])
			if err != nil {
				return err
			}
			used, err := o.processorTime()
			_ = o.stop()
			if err != nil {
				return err
			}
			starts[n].took, starts[n].used = append(starts[n].took, milliseconds(o.startup)), append(starts[n].used, milliseconds(used))
		}
	}
	b.rows = append(b.rows, startRows(variants, starts)...)
	return nil
}

// startRows makes the rows of the variants after the first one, which is what they are compared with.
func startRows(variants []variant, starts []startups) (rows []row) {
	for i, v := range variants[1:] {
		ours, first := starts[i+1].took, starts[0].took
		rows = append(rows, atMost(fmt.Sprintf("start to first 200 (median of %d), %s, of %s", len(ours), v.name, before(variants)), "%.2f",
			wantedObservedStart, median(ours)/median(first),
			fmt.Sprintf("%.1f ms, %s; %s %.1f ms, %s; least %.1f ms and %.1f ms; processor time %.1f ms and %.1f ms", median(ours), spread("%.1f", ours),
				variants[0].name, median(first), spread("%.1f", first), slices.Min(ours), slices.Min(first), median(starts[i+1].used), median(starts[0].used))))
	}
	return rows
}

// idleMemory is what a process has when it is idle, in MB.
type idleMemory struct{ resident, own []float64 }

// observedMemory compares the resident memory of the variants, idle after 2 seconds.
func (b *bench) observedMemory(ctx context.Context) error {
	starts := 7
	if b.short {
		starts = 1
	}
	variants := b.variants()
	memory := make([]idleMemory, len(variants))
	var scraped []float64
	for range starts {
		daemons, stop, err := b.observeAll(ctx, variants)
		if err != nil {
			return err
		}
		for i, d := range daemons {
			resident, own, err := d.memory()
			if err != nil {
				stop()
				return err
			}
			memory[i].resident, memory[i].own = append(memory[i].resident, resident), append(memory[i].own, own)
		}
		after, err := daemons[len(daemons)-1].memoryAfterScrapes(ctx)
		stop()
		if err != nil {
			return err
		}
		scraped = append(scraped, after)
	}
	b.rows = append(b.rows, memoryRows(variants, memory, scraped)...)
	return nil
}

// memory returns the resident memory, and what of it is no page of a file, in MB.
func (o *observed) memory() (resident, own float64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", o.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	all, err := statusBytes(string(status), "VmRSS")
	if err != nil {
		return 0, 0, err
	}
	anonymous, err := statusBytes(string(status), "RssAnon")
	return float64(all) / megabyte, float64(anonymous) / megabyte, err
}

// memoryAfterScrapes returns the resident memory of a daemon that has been scraped for some time, in MB.
func (o *observed) memoryAfterScrapes(ctx context.Context) (float64, error) {
	for range 50 {
		if _, err := o.scrape(ctx, byPrometheus); err != nil {
			return 0, err
		}
	}
	resident, _, err := o.memory()
	return resident, err
}

// memoryRows makes the rows of the daemon without metrics, if there is an older build, and with.
func memoryRows(variants []variant, memory []idleMemory, scraped []float64) (rows []row) {
	var resident, own []float64
	for _, m := range memory {
		resident, own = append(resident, median(m.resident)), append(own, median(m.own))
	}
	all := each(tenth, " MB", variants, resident) + "; without pages of files " + each(tenth, " MB", variants, own)
	last := len(variants) - 1
	if last > 1 {
		rows = append(rows, atMost("resident memory, idle after 2 s, without metrics, of the old build", "%.2f", wantedUnobservedIdle, resident[1]/resident[0],
			fmt.Sprintf("medians of %d starts: %s", len(scraped), all)))
		all = ""
	}
	detail := fmt.Sprintf("%.1f MB after 50 scrapes", median(scraped))
	if all != "" {
		detail += "; " + all
	}
	return append(rows, atMost("resident memory, idle after 2 s, with metrics: more than without", "%.1f MB", wantedMetricsIdle, resident[last]-resident[last-1], detail))
}
