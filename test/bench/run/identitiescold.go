package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Service of the STS that cold roles are fetched from.
const (
	stsDelay     = 100 * time.Millisecond
	stsPerSecond = 50
)

// identitiesCold has a client for each role ask within one second, when no role has been fetched. STS is slow and throttles.
func (b *bench) identitiesCold(ctx context.Context) error {
	w, err := b.newWorld(b.crowd())
	if err != nil {
		return err
	}
	defer w.close()
	s, err := b.serve(ctx, w, b.daemon, w.crowd)
	if err != nil {
		return err
	}
	defer func() { _ = s.stop() }()
	before := w.sts.Calls(assumeRole) // for the file's own role
	w.sts.Delay(stsDelay, assumeRole)
	w.sts.Throttle(stsPerSecond, assumeRole)

	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	clients := w.crowd.Roles
	waited, refused, errs := make([]float64, clients), make([]int, clients), make([]error, clients)
	began := time.Now()
	var asking sync.WaitGroup
	for i := range clients {
		asking.Go(func() {
			if errs[i] = wait(ctx, time.Second*time.Duration(i)/time.Duration(clients)); errs[i] != nil {
				return
			}
			refused[i], errs[i] = w.askUntilGot(ctx, s, w.crowd.Member(i))
			waited[i] = time.Since(began).Seconds()
		})
	}
	asking.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	b.rows = append(b.rows, coldRows(waited, refused, w.sts.Calls(assumeRole)-before, w.sts.ThrottledCalls())...)
	return nil
}

// coldRows makes the rows of cold roles: waited are seconds since the first client asked, refused the answers of each client
// that told it to ask again.
func coldRows(waited []float64, refused []int, calls, throttled int) []row {
	again, last := 0, 0.0
	for i, n := range refused {
		again += n
		last = max(last, waited[i])
	}
	roles := len(waited)
	what := fmt.Sprintf("%s cold roles asked for within 1 s, STS takes %d ms and %d calls a second", thousands(float64(roles)),
		stsDelay.Milliseconds(), stsPerSecond)
	served := calls - throttled
	return []row{
		atMost(what+": until the last client has credentials", "%.1f s", wantedCold, last,
			fmt.Sprintf("half of them after %.1f s; each has those of its own role; %s answers told a client to retry",
				median(waited), thousands(float64(again)))),
		{
			what + ": calls of STS that succeed", thousands(float64(roles)), thousands(float64(served)), verdict(served == roles),
			fmt.Sprintf("and %s that STS throttled", thousands(float64(throttled))),
		},
	}
}
