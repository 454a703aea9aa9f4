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

// scripted answers each call by what the test says at the time.
type scripted struct {
	calls    atomic.Int32
	running  atomic.Int32
	delay    time.Duration
	lifetime time.Duration
	mu       sync.Mutex
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
	transient = &Error{Code: codeFailed, Message: "down", Temporary: true}
	denied    = &Error{Code: codeUnauthorized, Message: "denied"}
)

// run starts a keeper of s within a bubble; it ends with the test.
func run(t *testing.T, s *scripted) *Keeper {
	t.Helper()
	k := NewKeeper(s, 15*time.Minute, slog.New(slog.DiscardHandler), time.Now)
	go k.Run(t.Context())
	return k
}

func TestOneCallForMany(t *testing.T) {
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

func TestRenewedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour}
		k := run(t, s)
		for range 24 * 60 {
			time.Sleep(time.Minute)
			c, err := k.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(c.Expiration); left < 15*time.Minute {
				t.Fatalf("handed out with %v left, want at least 15m", left)
			}
		}
		if got := s.calls.Load(); got < 24*60/45 || got > 24*60/10+1 {
			t.Errorf("%d calls a day, want one every 10 to 45 minutes", got)
		}
	})
}

func TestShortLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Minute}
		k := run(t, s)
		for range 600 {
			time.Sleep(time.Second)
			if _, err := k.Get(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.calls.Load(); got < 13 || got > 16 {
			t.Errorf("%d calls in 600 s, want one every 40 to 45 s", got)
		}
	})
}

func TestValidWhateverSTSDoes(t *testing.T) {
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
			t.Errorf("state %+v, want valid with the failure", state)
		}
		time.Sleep(time.Second)
		if _, err := k.Get(t.Context()); !errors.Is(err, transient) {
			t.Errorf("expired: %v, want the failure", err)
		}
		failures := s.calls.Load() - 1
		if failures < 15 || failures > 250 {
			t.Errorf("%d failing calls in 15 to 50 minutes; back-off to a minute makes 15 to 250", failures)
		}
		s.set(nil)
		time.Sleep(maxBackoff)
		if _, err := k.Get(t.Context()); err != nil {
			t.Errorf("not recovered within a minute: %v", err)
		}
	})
}

func TestRefusedIsRetriedSlowlyAndAtOnceWhenMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour, err: denied}
		k := run(t, s)
		time.Sleep(10 * time.Minute)
		if got := s.calls.Load(); got < 10 || got > 21 {
			t.Errorf("%d calls in 10 minutes, want one every 30 to 60 s", got)
		}
		start := time.Now()
		if _, err := k.Get(t.Context()); !errors.Is(err, denied) || time.Since(start) != 0 {
			t.Errorf("got %v after %v, want the refusal at once", err, time.Since(start))
		}
		s.set(nil)
		k.Retry()
		synctest.Wait()
		if _, err := k.Get(t.Context()); err != nil || time.Since(start) != 0 {
			t.Errorf("after Retry: %v after %v", err, time.Since(start))
		}
		calls := s.calls.Load()
		k.Retry()
		synctest.Wait()
		if s.calls.Load() != calls {
			t.Error("Retry calls STS although nothing has failed")
		}
	})
}

// TestMendedDuringTheCall changes what a failing call is due to while it is in flight.
func TestMendedDuringTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{delay: 2 * time.Second, lifetime: time.Hour, err: denied}
		k := run(t, s)
		time.Sleep(time.Second)
		k.Retry()
		time.Sleep(time.Second) // the call ends
		synctest.Wait()
		s.set(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !k.State().Valid {
			t.Errorf("not asked again at once: %+v", k.State())
		}
		// What was asked for during a call that succeeds is not called for again.
		calls := s.calls.Load()
		k.Retry()
		time.Sleep(time.Minute)
		if s.calls.Load() != calls {
			t.Errorf("%d calls more after a success", s.calls.Load()-calls)
		}
	})
}

func TestRetryDuringASuccessfulCall(t *testing.T) {
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

func TestSettled(t *testing.T) {
	for _, tt := range []struct{ delay, want time.Duration }{{2 * time.Second, 2 * time.Second}, {time.Minute, readyWait}} {
		synctest.Test(t, func(t *testing.T) {
			k := run(t, &scripted{delay: tt.delay, lifetime: time.Hour})
			start := time.Now()
			k.Settled(t.Context())
			if got := time.Since(start); got != tt.want {
				t.Errorf("a call of %v: settled after %v, want %v", tt.delay, got, tt.want)
			}
			k.Settled(t.Context())
			if got := time.Since(start); got != tt.want {
				t.Errorf("a call of %v: waited a second time", tt.delay)
			}
		})
	}
}

func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := run(t, &scripted{lifetime: time.Hour})
		synctest.Wait()
		k := NewKeeper(&scripted{err: transient}, time.Minute, slog.New(slog.DiscardHandler), time.Now)
		k.takeOver(old)
		start := time.Now()
		k.Settled(t.Context())
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v, though there are credentials", waited)
		}
		go k.Run(t.Context())
		time.Sleep(59 * time.Minute)
		if _, err := k.Get(t.Context()); err != nil {
			t.Errorf("the old credentials are still valid: %v", err)
		}
		time.Sleep(time.Minute)
		if _, err := k.Get(t.Context()); !errors.Is(err, transient) {
			t.Errorf("the old credentials have expired: %v", err)
		}
	})
}

// TestEndOfKeeper has a client wait for a keeper that a reload replaces.
func TestEndOfKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := NewKeeper(&scripted{delay: time.Hour}, time.Minute, slog.New(slog.DiscardHandler), time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		go k.Run(ctx)
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err := k.Get(t.Context())
		var e *Error
		if !errors.As(err, &e) || !e.Temporary || e.Message != "credentials are still being fetched; ask again" {
			t.Errorf("got %v", err)
		}
	})
}

func TestHangingSTS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{delay: time.Hour}
		k := run(t, s)
		start := time.Now()
		_, err := k.Get(t.Context())
		var e *Error
		if !errors.As(err, &e) || !e.Temporary || time.Since(start) != answerWait {
			t.Errorf("%v after %v, want a temporary error after %v", err, time.Since(start), answerWait)
		}

		gone, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := k.Get(gone); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("client gone: %v", err)
		}
		if s.running.Load() != 1 {
			t.Error("a client's leaving has ended the call")
		}
		time.Sleep(retrieveTimeout)
		if state := k.State(); state.LastError == nil || !state.LastError.Temporary {
			t.Errorf("state %+v, want a temporary failure after %v", state, retrieveTimeout)
		}
	})
}

// TestWallClockJumps stops timers' time as a laptop's sleep does: the wall clock is hours ahead when it wakes.
func TestWallClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asleep atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(asleep.Load())).Round(0) }
		s := &scripted{lifetime: time.Hour}
		shifted := providerFunc(func(ctx context.Context) (*Credentials, error) {
			c, err := s.Retrieve(ctx)
			if c != nil {
				c.Expiration = now().Add(s.lifetime)
			}
			return c, err
		})
		k := NewKeeper(shifted, 15*time.Minute, slog.New(slog.DiscardHandler), now)
		go k.Run(t.Context())
		synctest.Wait()
		asleep.Store(int64(8 * time.Hour))
		c, err := k.Get(t.Context())
		if err != nil || !c.Expiration.After(now()) {
			t.Fatalf("first request after waking: %v, %v", c, err)
		}
		synctest.Wait()                     // it pauses
		asleep.Add(int64(50 * time.Minute)) // wakes within the window of renewal, nobody asks
		time.Sleep(wallClockCheck + time.Second)
		if got := s.calls.Load(); got != 3 {
			t.Errorf("%d calls, want 3: not renewed after waking", got)
		}
	})
}

type providerFunc func(context.Context) (*Credentials, error)

func (f providerFunc) Retrieve(ctx context.Context) (*Credentials, error) { return f(ctx) }

// TestAskedWhileFailing has STS down while credentials are valid: who asks for them is a reason to try again soon.
func TestAskedWhileFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour}
		k := run(t, s)
		synctest.Wait()
		s.set(transient)
		for k.State().LastError == nil {
			time.Sleep(time.Minute)
		}
		time.Sleep(2 * time.Minute) // the quick tries are over
		calls := s.calls.Load()
		time.Sleep(2 * time.Minute)
		if got := s.calls.Load(); got > calls {
			t.Errorf("%d calls though nobody asks", got-calls)
		}
		s.set(nil)
		if _, err := k.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(maxBackoff)
		if got := s.calls.Load(); got != calls+1 || k.State().LastError != nil {
			t.Errorf("%d calls within a minute after somebody has asked, %v", got-calls, k.State().LastError)
		}
	})
}
