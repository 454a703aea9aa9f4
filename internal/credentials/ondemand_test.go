package credentials

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// onDemandPool runs a Pool of one on-demand Spec within a bubble. Credentials of an hour are due for renewal after 45 minutes.
func onDemandPool(t *testing.T, p Provider) (*Pool, *Keeper) {
	t.Helper()
	pool := NewPool(PoolOptions{Provide: func(Spec) Provider { return p }})
	pool.Retain(nil, slices.Values([]Spec{session("a")}))
	pool.Start(t.Context())
	t.Cleanup(pool.Close)
	k := pool.Keeper(session("a"))
	k.schedule.jitter = func(from, _ time.Duration) time.Duration { return from }
	return pool, k
}

// expectCalls fails the test unless the provider has been called that often.
func expectCalls(t *testing.T, s *scripted, want int32) {
	t.Helper()
	synctest.Wait()
	if got := s.calls.Load(); got != want {
		t.Errorf("%d calls, want %d", got, want)
	}
}

// goroutines counts the goroutines of keepers.
func goroutines() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "(*Keeper).Run(")
}

func expectIdle(t *testing.T, k *Keeper, want bool) {
	t.Helper()
	if got := k.State(); got.Idle != want {
		t.Errorf("idle: %v, want %v; %+v", got.Idle, want, got)
	}
}

func TestOnDemand_NeverAskedCallsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour}
		pool, k := onDemandPool(t, s)
		pool.Retry()
		k.Retry()
		time.Sleep(time.Hour)
		if got := goroutines(); got != 0 {
			t.Errorf("%d goroutines of keepers", got)
		}
		expectIdle(t, k, true)
		expectCalls(t, s, 0)
	})
}

func TestOnDemand_GetBeforeStartWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := NewPool(PoolOptions{Provide: mocked})
		defer pool.Close()
		k := pool.Keeper(session("a"))
		if _, err := k.Get(t.Context()); err == nil || err.Error() != "credentials are still being fetched; retry" {
			t.Errorf("got %v", err)
		}
		pool.Start(t.Context())
		if _, err := k.Get(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestOnDemand_AskedOnceIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour}
		_, k := onDemandPool(t, s)
		if _, err := k.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(46 * time.Minute)
		expectIdle(t, k, true)
		if state := k.State(); !state.Valid || state.Since.IsZero() {
			t.Errorf("at rest: %+v", state)
		}
		k.Retry()
		time.Sleep(15 * time.Minute)
		expectCalls(t, s, 1)
		if got := goroutines(); got != 0 {
			t.Errorf("%d goroutines of keepers", got)
		}
		state := k.State()
		state.LastAttempt = time.Time{}
		if state != (State{Idle: true}) || k.current != nil {
			t.Errorf("after the expiry: %+v", state)
		}
		time.Sleep(24 * time.Hour)
		expectCalls(t, s, 1)
		if _, err := k.Get(t.Context()); err != nil {
			t.Errorf("asked again: %v", err)
		}
		expectIdle(t, k, false)
		expectCalls(t, s, 2)
	})
}

func TestOnDemand_UsedEachMinuteIsRenewedAheadOfExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour}
		_, k := onDemandPool(t, s)
		for range 24 * 60 {
			c, err := k.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(c.Expiration); left < 15*time.Minute {
				t.Fatalf("handed out with %v left", left)
			}
			time.Sleep(time.Minute)
		}
	})
}

// Uses of other credentials do not count, nor those longer than idleAfter ago.
func TestOnDemand_RenewalNeedsAUseOfTheseCredentialsLately(t *testing.T) {
	for _, tt := range []struct {
		name string
		uses []time.Duration // after the first call, whose credentials are due for renewal after 20m
		want int32
	}{
		{name: "lately", uses: []time.Duration{6 * time.Minute}, want: 2},
		{name: "just in time", uses: []time.Duration{5*time.Minute + 1}, want: 2},
		{name: "too long ago", uses: []time.Duration{5 * time.Minute}, want: 1},
		{name: "none", want: 1},
		{name: "twice within a second", uses: []time.Duration{5 * time.Minute, 5*time.Minute + time.Second}, want: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{lifetime: time.Hour}
				_, k := onDemandPool(t, s)
				k.schedule.jitter = func(_, to time.Duration) time.Duration { return to - 10*time.Minute }
				start := time.Now()
				for _, at := range append([]time.Duration{0}, tt.uses...) {
					time.Sleep(at - time.Since(start))
					if _, err := k.Get(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(20*time.Minute + time.Second - time.Since(start))
				expectCalls(t, s, tt.want)
				time.Sleep(45 * time.Minute)
				expectCalls(t, s, tt.want) // the new credentials are used by nobody
			})
		})
	}
}

// All uses are within idleAfter, but only the first credentials have any.
func TestOnDemand_ShortLivedCredentialsAreRenewedOnceForOneUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: 4 * time.Minute}
		_, k := onDemandPool(t, s)
		if _, err := k.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		expectCalls(t, s, 2)
	})
}

func TestOnDemand_FirstGetAtRestRenewsInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour, delay: 100 * time.Millisecond}
		_, k := onDemandPool(t, s)
		k.schedule.refreshBefore = 25 * time.Minute
		first, err := k.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(40 * time.Minute)
		start := time.Now()
		if c, err := k.Get(t.Context()); c != first || err != nil || time.Since(start) != 0 {
			t.Errorf("got %v, %v after %v, want the first ones at once", c, err, time.Since(start))
		}
		synctest.Wait()
		expectIdle(t, k, false)
		time.Sleep(100 * time.Millisecond)
		expectCalls(t, s, 2)
		if c, err := k.Get(t.Context()); c == first || err != nil {
			t.Errorf("not renewed: %v", err)
		}
	})
}

func TestOnDemand_GetAtRestShortBeforeTheEndWaitsForNewOnes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		delay time.Duration // of the renewal
		err   *Error
		newer bool
	}{{name: "quick", delay: 100 * time.Millisecond, newer: true}, {name: "slow", delay: 5 * time.Second}, {name: "failing", err: transient}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{lifetime: time.Hour}
				_, k := onDemandPool(t, s)
				first, err := k.Get(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(50 * time.Minute)
				synctest.Wait() // it rests, so that nobody reads delay
				s.delay = tt.delay
				if tt.err != nil {
					s.set(tt.err)
				}
				start := time.Now()
				c, err := k.Get(t.Context())
				if (c != first) != tt.newer || err != nil || time.Since(start) > answerWait {
					t.Errorf("got %v, %v after %v", c, err, time.Since(start))
				}
			})
		})
	}
}

func TestOnDemand_FailingCallsEndWithoutUse(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  *Error
	}{{"temporary", transient}, {"denied", denied}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{lifetime: time.Hour, err: tt.err}
				pool, k := onDemandPool(t, s)
				if _, err := k.Get(t.Context()); !errors.Is(err, tt.err) {
					t.Errorf("got %v", err)
				}
				time.Sleep(idleAfter - time.Second)
				expectIdle(t, k, false)
				time.Sleep(maxBackoff + 2*time.Second)
				expectIdle(t, k, true)
				calls := s.calls.Load()
				if calls < 10 {
					t.Errorf("%d calls", calls)
				}
				pool.Retry()
				time.Sleep(time.Hour)
				expectCalls(t, s, calls)
				if got := goroutines(); got != 0 {
					t.Errorf("%d goroutines of keepers", got)
				}
				if k.schedule.failures != 0 {
					t.Errorf("the next failure counts as number %d", k.schedule.failures+1)
				}
				s.set(nil)
				s.delay = time.Second
				if _, err := k.Get(t.Context()); err == nil || err.Error() != "credentials are still being fetched; retry" {
					t.Errorf("during the next call: %v, not the earlier error", err)
				}
				time.Sleep(time.Second)
				expectCalls(t, s, calls+1)
				if !k.State().Valid {
					t.Errorf("the cause is gone: %+v", k.State())
				}
			})
		})
	}
}

// The keeper rests with valid credentials and a failure. These expire, but the clients' clock is not its goroutine's.
func TestOnDemand_EarlierErrorIsNotTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := &scripted{lifetime: time.Hour}, &wall{}
		pool := NewPool(PoolOptions{Provide: func(Spec) Provider { return s }, Now: w.now})
		pool.Start(t.Context())
		defer pool.Close()
		k := pool.Keeper(session("a"))
		k.schedule.jitter = func(_, to time.Duration) time.Duration { return to }
		for range 20 { // until a renewal has failed
			if _, err := k.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.set(denied)
			time.Sleep(time.Minute)
		}
		for !k.State().Idle {
			time.Sleep(time.Second)
		}
		if state := k.State(); !state.Valid || state.LastError == nil {
			t.Fatalf("at rest: %+v", state)
		}
		s.set(nil)
		w.set(30 * time.Minute)
		if _, err := k.Get(t.Context()); err != nil {
			t.Errorf("the cause is gone: %v", err)
		}
	})
}

func TestOnDemand_RestsWhileItWaitsForMFA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		g := &guarded{lifetime: time.Hour}
		counted := providerFunc(func(ctx context.Context) (*Credentials, error) { calls++; return g.Retrieve(ctx) })
		_, k := onDemandPool(t, counted)
		if _, err := k.Get(t.Context()); err == nil || err.Error() != "wanted" {
			t.Errorf("got %v", err)
		}
		if err := k.Answer(t.Context(), "123456"); err != nil {
			t.Fatal(err)
		}
		for range 44 { // used almost until a code is wanted again
			_, _ = k.Get(t.Context())
			time.Sleep(time.Minute)
		}
		time.Sleep(2 * time.Minute)
		if k.State().MFASerial == "" {
			t.Fatalf("no code is wanted: %+v", k.State())
		}
		for !k.State().Idle {
			time.Sleep(time.Second)
		}
		if state := k.State(); !state.Valid || state.MFASerial != "device" {
			t.Fatalf("at rest: %+v", state)
		}
		before := calls
		if err := k.Answer(t.Context(), "123456"); err != nil || calls != before+1 {
			t.Errorf("answered at rest: %v, %d calls", err, calls-before)
		}
		time.Sleep(2 * time.Hour)
		if state := k.State(); state.Valid || state.MFASerial != "" || !state.Idle {
			t.Errorf("at the end: %+v", state)
		}
		if err := k.Answer(t.Context(), "123456"); err == nil || err.Error() != "no MFA code is wanted now" {
			t.Errorf("got %v", err)
		}
	})
}

func TestOnDemand_GetAllocatesNothingAndRecordsUseOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, k := onDemandPool(t, &scripted{lifetime: time.Hour})
		get := func() {
			if _, err := k.Get(t.Context()); err != nil {
				t.Error(err)
			}
		}
		get()
		time.Sleep(time.Minute)
		get()
		recorded := k.used.Load()
		for range 9 {
			time.Sleep(100 * time.Millisecond)
			get()
		}
		if got := k.used.Load(); got != recorded {
			t.Error("written again within a second")
		}
		time.Sleep(100 * time.Millisecond)
		get()
		if got := k.used.Load(); got != recorded+int64(time.Second) {
			t.Errorf("written %v after the last time", time.Duration(got-recorded))
		}
		if got := testing.AllocsPerRun(1000, get); got != 0 {
			t.Errorf("%v allocations, want none", got)
		}
	})
}

func TestOnDemand_AnswerCountsAsUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, k := onDemandPool(t, &guarded{lifetime: time.Hour})
		_, _ = k.Get(t.Context())
		time.Sleep(idleAfter - time.Second)
		if err := k.Answer(t.Context(), "000000"); err == nil || err.Error() != "refused" {
			t.Errorf("got %v", err)
		}
		time.Sleep(idleAfter / 2)
		if state := k.State(); state.MFASerial == "" {
			t.Errorf("no code is wanted any more: %+v", state)
		}
	})
}

func TestOnDemand_CacheServesTheFirstClientOfTheNextRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		run := func(p Provider) (*Keeper, func()) {
			pool := NewPool(PoolOptions{Provide: func(Spec) Provider { return p }, CacheDir: d.dir})
			pool.Start(t.Context())
			return pool.Keeper(onDisk()), pool.Close
		}
		k, stop := run(secrets(time.Hour))
		if _, err := k.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		stop()
		k, stop = run(failing(transient))
		defer stop()
		if _, err := k.Get(t.Context()); err != nil || k.State().CacheFile == "" {
			t.Errorf("got %v, %+v", err, k.State())
		}
		time.Sleep(2 * time.Hour)
		if all := d.files(t); len(all) > 0 || !k.State().Idle {
			t.Errorf("after the expiry: %q, %+v", all, k.State())
		}
	})
}
