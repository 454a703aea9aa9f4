package credentials

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What a fleet of 10,000 daemons that start in one second may ask of STS, in multiples of the mean: the busiest minute after
// the first hour, and the busiest one after an outage of half an hour. Single seconds say nothing here: with some 5 calls in
// each, chance alone makes one of three times the mean.
const (
	mostSteady      = 2.0
	mostAfterOutage = 5.0
	// longestWithout is how long after an outage a daemon may still be without valid credentials.
	longestWithout = time.Minute
)

// fleet is many daemons that start within one second, and an STS that is down for a while.
type fleet struct {
	daemons        int
	length         time.Duration
	life           time.Duration // of credentials
	refreshBefore  time.Duration
	latency        time.Duration // of STS, also when it fails
	outage, mended time.Duration // since the start of the fleet
}

func newFleet(daemons int) fleet {
	return fleet{
		daemons: daemons, length: 24 * time.Hour, life: time.Hour, refreshBefore: 15 * time.Minute, latency: 100 * time.Millisecond,
		outage: 12 * time.Hour, mended: 12*time.Hour + 30*time.Minute,
	}
}

// jitter is that of one daemon: the same in each run.
func (f fleet) jitter(daemon int) func(from, to time.Duration) time.Duration {
	r := rand.New(rand.NewPCG(1, uint64(daemon)))
	return func(from, to time.Duration) time.Duration { return from + time.Duration(r.Int64N(int64(to-from)+1)) }
}

// start is when a daemon makes its first call.
func (f fleet) start(daemon int) time.Duration {
	return time.Duration(daemon) * time.Second / time.Duration(f.daemons)
}

// err is how a call ends.
func (f fleet) err(began time.Duration) *Error {
	if began >= f.outage && began < f.mended {
		return transient
	}
	return nil
}

// run tells of every call of one daemon after the other, and of the credentials that it had until then.
func (f fleet) run(call func(daemon int, began, expires time.Duration)) {
	for daemon := range f.daemons {
		s := schedule{refreshBefore: f.refreshBefore, jitter: f.jitter(daemon)}
		var expires time.Duration
		for at := f.start(daemon); at < f.length; {
			call(daemon, at, expires)
			err := f.err(at)
			at += f.latency
			if err == nil {
				expires = at + f.life
			}
			_, idle := s.next(err, f.latency, max(0, expires-at)) // no client asks
			at += idle
		}
	}
}

// TestFleetIsKeepers has real keepers live through the day: they call at the very times that run says.
func TestFleetIsKeepers(t *testing.T) {
	f := newFleet(50)
	want, got := make([][]time.Duration, f.daemons), make([][]time.Duration, f.daemons)
	f.run(func(daemon int, began, _ time.Duration) { want[daemon] = append(want[daemon], began) })
	synctest.Test(t, func(t *testing.T) {
		epoch := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), f.length)
		defer cancel()
		var keepers sync.WaitGroup
		for daemon := range f.daemons {
			p := providerFunc(func(context.Context) (*Credentials, error) {
				began := time.Since(epoch)
				got[daemon] = append(got[daemon], began)
				time.Sleep(f.latency)
				if err := f.err(began); err != nil {
					return nil, err
				}
				return &Credentials{Expiration: time.Now().Add(f.life)}, nil
			})
			k := NewKeeper(p, f.refreshBefore, slog.New(slog.DiscardHandler), time.Now)
			k.schedule.jitter = f.jitter(daemon)
			keepers.Go(func() {
				time.Sleep(f.start(daemon))
				k.Run(ctx)
			})
		}
		keepers.Wait()
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls of keepers (-simulated +real):\n%s", diff)
	}
}

// day is what STS has seen of a fleet.
type day struct {
	fleet
	seconds []float64     // calls in each
	without time.Duration // the longest that a daemon had no valid credentials once the outage was over
}

func (f fleet) day() *day {
	d := &day{fleet: f, seconds: make([]float64, f.length/time.Second)}
	f.run(func(_ int, began, expires time.Duration) {
		d.seconds[began/time.Second]++
		if expires > 0 && began >= f.mended {
			d.without = max(d.without, began+f.latency-max(expires, f.mended))
		}
	})
	return d
}

// per gives the calls in each period between two times.
func (d *day) per(period, from, to time.Duration) []float64 {
	var all []float64
	for at := from; at < to; at += period {
		sum := 0.0
		for _, n := range d.seconds[at/time.Second : min(at+period, d.length)/time.Second] {
			sum += n
		}
		all = append(all, sum)
	}
	return all
}

// mean is that of the calls in a period, of the hours after the first that no outage disturbs.
func (d *day) mean(period time.Duration) float64 {
	steady := d.per(period, time.Hour, d.outage)
	sum := 0.0
	for _, n := range steady {
		sum += n
	}
	return sum / float64(len(steady))
}

// peak is the busiest period between two times, in multiples of the mean.
func (d *day) peak(period, from, to time.Duration) float64 {
	return slices.Max(d.per(period, from, to)) / d.mean(period)
}

// TestFleet looks at the load that a fleet puts on STS. -v shows the histogram.
func TestFleet(t *testing.T) {
	d := newFleet(10_000).day()
	steady := d.peak(time.Minute, time.Hour, d.outage)
	after := d.peak(time.Minute, d.mended, d.length)
	t.Logf("%d daemons: %.0f calls a minute; after the first hour the busiest minute has %.2f times that, the busiest second %.2f times "+
		"the mean of seconds", d.daemons, d.mean(time.Minute), steady, d.peak(time.Second, time.Hour, d.outage))
	t.Logf("an outage from %v to %v: the busiest minute has %.1f times the mean during it, %.1f after it (the busiest second %.1f); "+
		"the last daemon without valid credentials gets them %v after it",
		d.outage, d.mended, d.peak(time.Minute, d.outage, d.mended), after, d.peak(time.Second, d.mended, d.length), d.without)
	t.Logf("calls in 5 minutes:\n%s", d.histogram())
	if steady > mostSteady {
		t.Errorf("the busiest minute after the first hour has %.2f times the mean, want at most %v", steady, mostSteady)
	}
	if after > mostAfterOutage {
		t.Errorf("the busiest minute after the outage has %.2f times the mean, want at most %v", after, mostAfterOutage)
	}
	if d.without > longestWithout {
		t.Errorf("a daemon is without valid credentials for %v after the outage, want at most %v", d.without, longestWithout)
	}
}

// histogram draws the calls of each 5 minutes.
func (d *day) histogram() string {
	const period, width = 5 * time.Minute, 100
	all := d.per(period, 0, d.length)
	most := slices.Max(all)
	var b strings.Builder
	for i, n := range all {
		at := time.Duration(i) * period
		note := ""
		if at >= d.outage && at < d.mended {
			note = " outage"
		}
		fmt.Fprintf(&b, "%02d:%02d %6.0f %s%s\n", at/time.Hour, at%time.Hour/time.Minute, n, strings.Repeat("#", int(n/most*width+0.5)), note)
	}
	return b.String()
}

// BenchmarkFleet hands the figures of TestFleet to make bench.
func BenchmarkFleet(b *testing.B) {
	for b.Loop() {
		d := newFleet(10_000).day()
		b.ReportMetric(d.mean(time.Minute), "calls/minute")
		b.ReportMetric(d.peak(time.Minute, time.Hour, d.outage), "steady-minute/mean")
		b.ReportMetric(d.peak(time.Second, time.Hour, d.outage), "steady-second/mean")
		b.ReportMetric(d.peak(time.Minute, d.mended, d.length), "after-minute/mean")
		b.ReportMetric(d.peak(time.Second, d.mended, d.length), "after-second/mean")
		b.ReportMetric(d.peak(time.Minute, d.outage, d.mended), "during-minute/mean")
		b.ReportMetric(d.without.Seconds(), "seconds-without")
	}
}
