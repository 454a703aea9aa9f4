package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// identitiesReload reloads the configuration of a crowd while some of it asks.
func (b *bench) identitiesReload(ctx context.Context, w *world, s *server) error {
	const askers, pause = 16, 200 * time.Millisecond
	times := 7
	if b.short {
		times = 2
	}
	measure := func(between func(context.Context) error) (slowest time.Duration, n int, err error) {
		asking, end := context.WithCancel(ctx)
		defer end()
		var running sync.WaitGroup
		worst, counts, errs := make([]time.Duration, askers), make([]int, askers), make([]error, askers)
		for i := range askers {
			running.Go(func() {
				worst[i], counts[i], errs[i] = w.askSteadily(asking, s, i*w.crowd.Clients/askers)
			})
		}
		err = between(asking)
		end()
		running.Wait()
		for _, c := range counts {
			n += c
		}
		return slices.Max(worst), n, errors.Join(append(errs, err)...)
	}
	quiet, _, err := measure(func(ctx context.Context) error { return wait(ctx, time.Duration(times)*pause) })
	if err != nil {
		return err
	}
	var took, used []float64
	slowest, n, err := measure(func(ctx context.Context) error {
		for range times {
			before, err1 := s.processorTime()
			d, err2 := s.reload(ctx)
			after, err3 := s.processorTime()
			if err := errors.Join(err1, err2, err3); err != nil {
				return err
			}
			took, used = append(took, milliseconds(d)), append(used, milliseconds(after-before))
			if err := wait(ctx, pause); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	after, err := remember(ctx, s)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s: reload (median of %d), from the signal to the log", describe(w.crowd), times)
	b.rows = append(b.rows, atMost(what, "%.0f ms", wantedCrowdReload, median(took),
		fmt.Sprintf("%s; %.0f ms of processor time; none of %s GETs meanwhile failed, the slowest took %.0f ms, without reloads %.0f ms; %.1f MB afterwards, %s",
			spread("%.0f", took), median(used), thousands(float64(n)), milliseconds(slowest), milliseconds(quiet), after.now, after)))
	return nil
}

// askSteadily has client i ask for its credentials every 10 ms until ctx is done. It returns how long the slowest request took
// and how many there were.
func (w *world) askSteadily(ctx context.Context, s *server, i int) (slowest time.Duration, n int, err error) {
	c, err := dial(ctx, s.addr, w.crowd.Member(i))
	if err != nil {
		return 0, 0, err
	}
	defer c.close()
	for wait(ctx, 10*time.Millisecond) == nil {
		began := time.Now()
		status, err := c.ask()
		slowest = max(slowest, time.Since(began))
		if err == nil {
			err = w.check(c, status)
		}
		if err != nil {
			return 0, 0, err
		}
		n++
	}
	return slowest, n, nil
}

// reload sends SIGHUP and returns how long it takes until the log says that the configuration is reloaded.
func (s *server) reload(ctx context.Context) (time.Duration, error) {
	log, err := os.Open(s.log)
	if err != nil {
		return 0, err
	}
	defer func() { _ = log.Close() }()
	if _, err := log.Seek(0, io.SeekEnd); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return 0, err
	}
	var lines strings.Builder
	for time.Since(began) < 20*time.Second {
		if err := wait(ctx, time.Millisecond); err != nil {
			return 0, err
		}
		if _, err := io.Copy(&lines, log); err != nil {
			return 0, err
		}
		switch {
		case strings.Contains(lines.String(), `msg="configuration reloaded"`):
			return time.Since(began), nil
		case strings.Contains(lines.String(), `msg="configuration not reloaded`):
			return 0, fmt.Errorf("the configuration was not reloaded:\n%s", lines.String())
		}
	}
	return 0, errors.New("the configuration was not reloaded within 20 s")
}
