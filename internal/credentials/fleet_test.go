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

// Limits of the load that 10,000 daemons put on STS if all start within one second, in multiples of the mean. They
// bound minutes, since a second has only about 5 calls: chance alone gives some seconds three times the mean.
const (
	maxSteady      = 2.0 // the busiest minute after the first hour
	maxAfterOutage = 5.0 // the busiest minute after an outage of half an hour
	// maxWithout is how long after an outage a daemon may be without valid credentials.
	maxWithout = time.Minute
)

// fleet is a simulation of many daemons that start within one second, and of an STS with one outage.
type fleet struct {
	daemons       int
	length        time.Duration
	lifetime      time.Duration // of credentials
	refreshBefore time.Duration
	latency       time.Duration // of STS, also when it fails
	outageStart   time.Duration // since the start of the fleet
	outageEnd     time.Duration
}

func newFleet(daemons int) fleet {
	return fleet{
		daemons: daemons, length: 24 * time.Hour, lifetime: time.Hour, refreshBefore: 25 * time.Minute, latency: 100 * time.Millisecond,
		outageStart: 12 * time.Hour, outageEnd: 12*time.Hour + 30*time.Minute,
	}
}

// jitter is the jitter of one daemon. It is the same in each run.
func (f fleet) jitter(daemon int) func(from, to time.Duration) time.Duration {
	r := rand.New(rand.NewPCG(1, uint64(daemon)))
	return func(from, to time.Duration) time.Duration { return from + time.Duration(r.Int64N(int64(to-from)+1)) }
}

// start is when a daemon makes its first call.
func (f fleet) start(daemon int) time.Duration {
	return time.Duration(daemon) * time.Second / time.Duration(f.daemons)
}

// err is the result of a call that begins then.
func (f fleet) err(began time.Duration) *Error {
	if began >= f.outageStart && began < f.outageEnd {
		return transient
	}
	return nil
}

// run reports every call, daemon by daemon, with the expiry of the credentials that the daemon has then.
func (f fleet) run(call func(daemon int, began, expires time.Duration)) {
	for daemon := range f.daemons {
		s := schedule{refreshBefore: f.refreshBefore, jitter: f.jitter(daemon)}
		var expires time.Duration
		for at := f.start(daemon); at < f.length; {
			call(daemon, at, expires)
			err := f.err(at)
			at += f.latency
			if err == nil {
				expires = at + f.lifetime
			}
			_, idle := s.next(err, f.latency, max(0, expires-at)) // no client asks
			at += idle
		}
	}
}

func TestFleet_RealKeepersCallAtTheSimulatedTimes(t *testing.T) {
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
				return &Credentials{Expiration: time.Now().Add(f.lifetime)}, nil
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

// day is the load of a fleet on STS.
type day struct {
	fleet
	seconds []float64     // calls per second
	without time.Duration // the longest time after the outage that a daemon had no valid credentials
}

func (f fleet) day() *day {
	d := &day{fleet: f, seconds: make([]float64, f.length/time.Second)}
	f.run(func(_ int, began, expires time.Duration) {
		d.seconds[began/time.Second]++
		if expires > 0 && began >= f.outageEnd {
			d.without = max(d.without, began+f.latency-max(expires, f.outageEnd))
		}
	})
	return d
}

// per returns the calls in each period between two times.
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

// mean is the mean of calls in a period, between the first hour and the outage.
func (d *day) mean(period time.Duration) float64 {
	steady := d.per(period, time.Hour, d.outageStart)
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

// -v prints the histogram.
func TestFleet_LoadOnSTSStaysWithinLimits(t *testing.T) {
	d := newFleet(10_000).day()
	steady := d.peak(time.Minute, time.Hour, d.outageStart)
	after := d.peak(time.Minute, d.outageEnd, d.length)
	t.Logf("%d daemons: %.0f calls a minute; after the first hour the busiest minute has %.2f times that, the busiest second %.2f times "+
		"the mean of seconds", d.daemons, d.mean(time.Minute), steady, d.peak(time.Second, time.Hour, d.outageStart))
	t.Logf("an outage from %v to %v: the busiest minute has %.1f times the mean during it, %.1f after it (the busiest second %.1f); "+
		"the last daemon without valid credentials gets them %v after it",
		d.outageStart, d.outageEnd, d.peak(time.Minute, d.outageStart, d.outageEnd), after, d.peak(time.Second, d.outageEnd, d.length), d.without)
	t.Logf("calls in 5 minutes:\n%s", d.histogram())
	if steady > maxSteady {
		t.Errorf("the busiest minute after the first hour has %.2f times the mean, want at most %v", steady, maxSteady)
	}
	if after > maxAfterOutage {
		t.Errorf("the busiest minute after the outage has %.2f times the mean, want at most %v", after, maxAfterOutage)
	}
	if d.without > maxWithout {
		t.Errorf("a daemon is without valid credentials for %v after the outage, want at most %v", d.without, maxWithout)
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
		if at >= d.outageStart && at < d.outageEnd {
			note = " outage"
		}
		fmt.Fprintf(&b, "%02d:%02d %6.0f %s%s\n", at/time.Hour, at%time.Hour/time.Minute, n, strings.Repeat("#", int(n/most*width+0.5)), note)
	}
	return b.String()
}

// BenchmarkFleet reports the figures of TestFleet_LoadOnSTSStaysWithinLimits to make bench.
func BenchmarkFleet(b *testing.B) {
	for b.Loop() {
		d := newFleet(10_000).day()
		b.ReportMetric(d.mean(time.Minute), "calls/minute")
		b.ReportMetric(d.peak(time.Minute, time.Hour, d.outageStart), "steady-minute/mean")
		b.ReportMetric(d.peak(time.Second, time.Hour, d.outageStart), "steady-second/mean")
		b.ReportMetric(d.peak(time.Minute, d.outageEnd, d.length), "after-minute/mean")
		b.ReportMetric(d.peak(time.Second, d.outageEnd, d.length), "after-second/mean")
		b.ReportMetric(d.peak(time.Minute, d.outageStart, d.outageEnd), "during-minute/mean")
		b.ReportMetric(d.without.Seconds(), "seconds-without")
	}
}
