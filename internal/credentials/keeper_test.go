package credentials

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// scripted is a Provider whose calls take delay and end as set says. It panics if two calls overlap.
type scripted struct {
	calls    atomic.Int32
	running  atomic.Int32
	delay    time.Duration
	lifetime time.Duration
	mu       sync.Mutex // guards err
	err      error
}

func (s *scripted) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *scripted) Retrieve(ctx context.Context) (*Credentials, error) {
	s.calls.Add(1)
	if s.running.Add(1) > 1 {
		panic("two calls at once")
	}
	defer s.running.Add(-1)
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	now := time.Now()
	return &Credentials{AccessKeyID: "ASIA", Expiration: now.Add(s.lifetime), LastUpdated: now}, nil
}

var (
	transient = &Error{Code: CodeFailed, Message: "down", Temporary: true}
	denied    = &Error{Code: CodeUnauthorized, Message: "denied"}
)

// run starts a keeper of s within a bubble. It stops with the test.
func run(t *testing.T, s *scripted) *Keeper {
	t.Helper()
	k := NewKeeper(s, 25*time.Minute, slog.New(slog.DiscardHandler), time.Now)
	go k.Run(t.Context())
	return k
}

func TestKeeper_ManyClientsShareOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{delay: 700 * time.Millisecond, lifetime: time.Hour}
		k := run(t, s)
		start := time.Now()
		var clients sync.WaitGroup
		for range 1000 {
			clients.Go(func() {
				if _, err := k.Get(t.Context()); err != nil {
					t.Error(err)
				}
				if waited := time.Since(start); waited != s.delay {
					t.Errorf("waited %v, want %v", waited, s.delay)
				}
			})
		}
		clients.Wait()
		if got := s.calls.Load(); got != 1 {
			t.Errorf("%d calls, want 1", got)
		}
	})
}

func TestKeeper_RefreshesAheadOfExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour}
		k := run(t, s)
		for range 24 * 60 {
			time.Sleep(time.Minute)
			c, err := k.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(c.Expiration); left < 25*time.Minute {
				t.Fatalf("handed out with %v left, want at least 25m", left)
			}
		}
		if got := s.calls.Load(); got < 24*60/35 || got > 24*60/16+1 {
			t.Errorf("%d calls a day, want one every 17 to 35 minutes", got)
		}
	})
}

func TestKeeper_RefreshesShortLifetimesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Minute}
		k := run(t, s)
		for range 600 {
			time.Sleep(time.Second)
			if _, err := k.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.calls.Load(); got < 20 || got > 31 {
			t.Errorf("%d calls in 600 s, want one every 20 to 30 s", got)
		}
	})
}

func TestKeeper_ValidCredentialsSurviveAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour}
		k := run(t, s)
		synctest.Wait()
		first, err := k.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.set(transient)
		for time.Until(first.Expiration) > time.Second {
			time.Sleep(time.Second)
			if c, err := k.Get(t.Context()); c != first || err != nil {
				t.Fatalf("%v before expiry: %v, %v", time.Until(first.Expiration), c, err)
			}
		}
		if state := k.State(); !state.Valid || state.LastError != transient {
			t.Errorf("state %+v, want valid and the failure", state)
		}
		time.Sleep(time.Second)
		if _, err := k.Get(t.Context()); !errors.Is(err, transient) {
			t.Errorf("after the expiry: %v, want the failure", err)
		}
		failures := s.calls.Load() - 1
		if failures < 15 || failures > 250 {
			t.Errorf("%d failing calls in 15 to 50 minutes, want 15 to 250", failures)
		}
		s.set(nil)
		time.Sleep(maxBackoff)
		if _, err := k.Get(t.Context()); err != nil {
			t.Errorf("not recovered after a minute: %v", err)
		}
	})
}

func TestKeeper_RetriesDeniedCallsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour, err: denied}
		k := run(t, s)
		time.Sleep(10 * time.Minute)
		if got := s.calls.Load(); got < 10 || got > 21 {
			t.Errorf("%d calls in 10 minutes, want one every 30 to 60 s", got)
		}
		start := time.Now()
		if _, err := k.Get(t.Context()); !errors.Is(err, denied) || time.Since(start) != 0 {
			t.Errorf("got %v after %v, want the error at once", err, time.Since(start))
		}
	})
}

func TestKeeper_RetryCallsAtOnceAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour, err: denied}
		k := run(t, s)
		time.Sleep(10 * time.Minute)
		s.set(nil)
		start := time.Now()
		k.Retry()
		synctest.Wait()
		if _, err := k.Get(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("after Retry: %v after %v", err, time.Since(start))
		}
	})
}

func TestKeeper_RetryAfterASuccessDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour}
		k := run(t, s)
		synctest.Wait()
		k.Retry()
		time.Sleep(time.Minute)
		if got := s.calls.Load(); got != 1 {
			t.Errorf("%d calls, want 1", got)
		}
	})
}

func TestKeeper_RetryDuringAFailingCallCallsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{delay: 2 * time.Second, lifetime: time.Hour, err: denied}
		k := run(t, s)
		time.Sleep(time.Second)
		k.Retry()
		time.Sleep(time.Second) // the call fails
		synctest.Wait()
		s.set(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !k.State().Valid {
			t.Errorf("not called again at once: %+v", k.State())
		}
		calls := s.calls.Load()
		k.Retry()
		time.Sleep(time.Minute)
		if got := s.calls.Load(); got != calls {
			t.Errorf("%d more calls after the success", got-calls)
		}
	})
}

func TestKeeper_RetryDuringASuccessfulCallDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{delay: 2 * time.Second, lifetime: time.Hour}
		k := run(t, s)
		time.Sleep(time.Second)
		k.Retry()
		time.Sleep(time.Minute)
		if got := s.calls.Load(); got != 1 {
			t.Errorf("%d calls, want 1", got)
		}
	})
}

func TestKeeper_SettledWaitsForTheFirstCallAtMostFiveSeconds(t *testing.T) {
	for _, tt := range []struct {
		name        string
		delay, want time.Duration
	}{
		{"short call", 2 * time.Second, 2 * time.Second},
		{"long call", time.Minute, readyWait},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := run(t, &scripted{delay: tt.delay, lifetime: time.Hour})
				start := time.Now()
				k.Settled(t.Context())
				if got := time.Since(start); got != tt.want {
					t.Errorf("settled after %v, want %v", got, tt.want)
				}
				k.Settled(t.Context())
				if got := time.Since(start); got != tt.want {
					t.Errorf("waited a second time, until %v", got)
				}
			})
		})
	}
}

func TestKeeper_SettledWaitsForAKeeperThatDoesNotRunYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKeeper(&scripted{lifetime: time.Hour}, time.Minute, slog.New(slog.DiscardHandler), time.Now)
		time.Sleep(time.Hour)
		start := time.Now()
		time.AfterFunc(time.Second, func() { k.Run(t.Context()) })
		k.Settled(t.Context())
		if got := time.Since(start); got != time.Second || !k.State().Valid {
			t.Errorf("settled after %v, %+v; want the first call", got, k.State())
		}
	})
}

func TestKeeper_TakenOverCredentialsServeUntilTheyExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := run(t, &scripted{lifetime: time.Hour})
		synctest.Wait()
		k := NewKeeper(&scripted{err: transient}, time.Minute, slog.New(slog.DiscardHandler), time.Now)
		k.takeOver(old)
		start := time.Now()
		k.Settled(t.Context())
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v despite valid credentials", waited)
		}
		go k.Run(t.Context())
		time.Sleep(59 * time.Minute)
		if _, err := k.Get(t.Context()); err != nil {
			t.Errorf("before the expiry: %v", err)
		}
		time.Sleep(time.Minute)
		if _, err := k.Get(t.Context()); !errors.Is(err, transient) {
			t.Errorf("after the expiry: %v", err)
		}
	})
}

// A reload stops a keeper while a client waits.
func TestKeeper_StopTellsWaitingClientsToRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKeeper(&scripted{delay: time.Hour}, time.Minute, slog.New(slog.DiscardHandler), time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		go k.Run(ctx)
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err := k.Get(t.Context())
		e, ok := errors.AsType[*Error](err)
		if !ok || !e.Temporary || e.Message != "credentials are still being fetched; retry" {
			t.Errorf("got %v", err)
		}
	})
}

// A client that times out after a second gets an answer.
func TestKeeper_ClientWaitsForASlowCallAlmostASecond(t *testing.T) {
	const limit = 950 * time.Millisecond
	for _, tt := range []struct {
		name        string
		delay, took time.Duration
		ok          bool
	}{
		{name: "fast", delay: 100 * time.Millisecond, took: 100 * time.Millisecond, ok: true},
		{name: "just in time", delay: limit - 1, took: limit - 1, ok: true},
		{name: "too slow", delay: limit + 1, took: limit},
		{name: "hanging", delay: time.Hour, took: limit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := run(t, &scripted{delay: tt.delay, lifetime: time.Hour})
				start := time.Now()
				_, err := k.Get(t.Context())
				if took := time.Since(start); (err == nil) != tt.ok || took != tt.took {
					t.Errorf("%v after %v, want %v", err, took, tt.took)
				}
				if e, ok := errors.AsType[*Error](err); !tt.ok && (!ok || !e.Temporary) {
					t.Errorf("%v, want a temporary error", err)
				}
			})
		})
	}
}

// failedFirstCall is a keeper whose first call has just failed. The next one begins a second later.
func failedFirstCall(t *testing.T, err *Error) (*Keeper, *scripted) {
	t.Helper()
	s := &scripted{lifetime: time.Hour, err: err}
	k := NewKeeper(s, 25*time.Minute, slog.New(slog.DiscardHandler), time.Now)
	k.schedule.jitter = func(from, _ time.Duration) time.Duration { return from }
	go k.Run(t.Context())
	synctest.Wait()
	return k, s
}

func TestKeeper_ClientWaitsForARetryThatIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := failedFirstCall(t, transient)
		start := time.Now()
		if _, err := k.Get(t.Context()); !errors.Is(err, transient) || time.Since(start) != 0 {
			t.Errorf("a second ahead of the retry: %v after %v, want the error at once", err, time.Since(start))
		}
		time.Sleep(300 * time.Millisecond)
		s.set(nil)
		if _, err := k.Get(t.Context()); err != nil || time.Since(start) != minBackoff {
			t.Errorf("700 ms ahead of the retry: %v after %v", err, time.Since(start))
		}
	})
}

func TestKeeper_ClientSharesTheErrorOfARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := failedFirstCall(t, transient)
		time.Sleep(900 * time.Millisecond)
		s.delay = 200 * time.Millisecond
		start := time.Now()
		if _, err := k.Get(t.Context()); !errors.Is(err, transient) || time.Since(start) != 300*time.Millisecond {
			t.Errorf("%v after %v, want the error when the retry has failed", err, time.Since(start))
		}
	})
}

func TestKeeper_ClientDoesNotWaitForARetryOfARefusedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, _ := failedFirstCall(t, denied)
		time.Sleep(maxBackoff/2 - time.Millisecond)
		start := time.Now()
		if _, err := k.Get(t.Context()); !errors.Is(err, denied) || time.Since(start) != 0 {
			t.Errorf("%v after %v, want the error at once", err, time.Since(start))
		}
	})
}

func TestKeeper_HangingCallTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := run(t, &scripted{delay: time.Hour})
		time.Sleep(RetrieveTimeout)
		synctest.Wait()
		if state := k.State(); state.LastError == nil || !state.LastError.Temporary {
			t.Errorf("state %+v, want a temporary failure after %v", state, RetrieveTimeout)
		}
	})
}

func TestKeeper_ClientThatLeavesDoesNotEndTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{delay: time.Hour}
		k := run(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := k.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if s.running.Load() != 1 {
			t.Error("the call has ended")
		}
	})
}

type providerFunc func(context.Context) (*Credentials, error)

func (f providerFunc) Retrieve(ctx context.Context) (*Credentials, error) { return f(ctx) }

// failingAndIdle runs a keeper within a bubble until its quick retries of a failing refresh are over. Credentials are valid, and
// not due for refresh for some minutes.
func failingAndIdle(t *testing.T) (*Keeper, *scripted) {
	t.Helper()
	s := &scripted{lifetime: time.Hour}
	k := NewKeeper(s, 25*time.Minute, slog.New(slog.DiscardHandler), time.Now)
	k.schedule.jitter = func(_, to time.Duration) time.Duration { return to }
	go k.Run(t.Context())
	synctest.Wait()
	s.set(transient)
	for k.State().LastError == nil {
		time.Sleep(time.Minute)
	}
	time.Sleep(2 * time.Minute)
	return k, s
}

func TestKeeper_FailingRefreshWithoutDemandMakesNoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := failingAndIdle(t)
		calls := s.calls.Load()
		time.Sleep(2 * time.Minute)
		if got := s.calls.Load(); got != calls {
			t.Errorf("%d calls without demand", got-calls)
		}
	})
}

func TestKeeper_DemandMakesAFailingRefreshRetryWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, s := failingAndIdle(t)
		calls := s.calls.Load()
		s.set(nil)
		if _, err := k.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(maxBackoff)
		if got := s.calls.Load(); got != calls+1 || k.State().LastError != nil {
			t.Errorf("%d calls, want 1; %v", got-calls, k.State().LastError)
		}
	})
}
