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

// wall is a wall clock that can be set. It does not affect timers.
type wall struct{ ahead atomic.Int64 }

func (w *wall) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())).Round(0) }

func (w *wall) set(ahead time.Duration) { w.ahead.Store(int64(ahead)) }

// runBy starts a keeper of s that reads the wall clock w. STS, whose clock is correct, issues credentials of an hour.
func runBy(t *testing.T, w *wall, s *scripted) *Keeper {
	t.Helper()
	s.lifetime = time.Hour
	k := NewKeeper(s, 25*time.Minute, slog.New(slog.DiscardHandler), w.now)
	go k.Run(t.Context())
	synctest.Wait()
	return k
}

func TestKeeper_ClockSetBackDoesNotProlongCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := &scripted{}, &wall{}
		k := runBy(t, w, s)
		w.set(-time.Hour)
		s.set(transient)
		time.Sleep(46 * time.Minute)
		if got := s.calls.Load(); got < 2 {
			t.Error("not refreshed ahead of the expiry")
		}
		time.Sleep(14*time.Minute - time.Nanosecond)
		if _, err := k.Get(t.Context()); err != nil {
			t.Errorf("just before the expiry: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if c, err := k.Get(t.Context()); !errors.Is(err, transient) || k.State().Valid {
			t.Errorf("after the expiry: %v, %v, %+v", c, err, k.State())
		}
		next := NewKeeper(s, 25*time.Minute, slog.New(slog.DiscardHandler), w.now)
		next.takeOver(k)
		if next.State().Valid {
			t.Error("valid again in the keeper that takes them over")
		}
	})
}

func TestKeeper_ClockSetBackDoesNotProlongAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := &scripted{err: denied}, &wall{}
		w.set(time.Hour)
		k := runBy(t, w, s)
		w.set(0)
		s.set(nil)
		time.Sleep(maxBackoff)
		if _, err := k.Get(t.Context()); err != nil {
			t.Errorf("a minute after the clock was set: %v", err)
		}
	})
}

func TestKeeper_CallsThatTimeOutCountAsPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began []time.Time
		hangs := providerFunc(func(ctx context.Context) (*Credentials, error) {
			began = append(began, time.Now())
			<-ctx.Done()
			return nil, transient
		})
		go NewKeeper(hangs, time.Minute, slog.New(slog.DiscardHandler), time.Now).Run(t.Context())
		time.Sleep(time.Hour)
		synctest.Wait()
		for i := range began[1:] {
			if gap := began[i+1].Sub(began[i]); gap < RetrieveTimeout+minBackoff || gap > maxBackoff {
				t.Errorf("call %d begins %v after the previous one", i+2, gap)
			}
		}
		if len(began) < 60 {
			t.Errorf("%d calls in an hour", len(began))
		}
	})
}

// Clients and the check of the wall clock coincide when a laptop wakes.
func TestKeeper_ManyClientsAfterSleepShareOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := &scripted{}, &wall{}
		k := runBy(t, w, s)
		time.Sleep(10 * wallClockCheck)
		s.set(transient)
		w.set(8 * time.Hour)
		var clients sync.WaitGroup
		for range 100 {
			clients.Go(func() {
				if _, err := k.Get(t.Context()); !errors.Is(err, transient) {
					t.Error(err)
				}
			})
		}
		clients.Wait()
		synctest.Wait()
		if got := s.calls.Load(); got != 2 {
			t.Errorf("%d calls, want 2", got)
		}
	})
}

// sleeper is a keeper on a machine that sleeps: timers stand still meanwhile, and the wall clock jumps ahead.
type sleeper struct {
	*Keeper
	*scripted
	asleep atomic.Int64
}

func (s *sleeper) now() time.Time { return time.Now().Add(time.Duration(s.asleep.Load())).Round(0) }

func (s *sleeper) sleep(d time.Duration) { s.asleep.Add(int64(d)) }

// newSleeper runs a keeper within a bubble until it has credentials of an hour.
func newSleeper(t *testing.T) *sleeper {
	t.Helper()
	s := &sleeper{scripted: &scripted{lifetime: time.Hour}}
	s.Keeper = NewKeeper(providerFunc(func(ctx context.Context) (*Credentials, error) {
		c, err := s.Retrieve(ctx)
		if c != nil {
			c.Expiration = s.now().Add(s.lifetime)
		}
		return c, err
	}), 25*time.Minute, slog.New(slog.DiscardHandler), s.now)
	go s.Run(t.Context())
	synctest.Wait()
	return s
}

func TestKeeper_FirstClientAfterSleepGetsFreshCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSleeper(t)
		s.sleep(8 * time.Hour)
		c, err := s.Get(t.Context())
		if err != nil || !c.Expiration.After(s.now()) {
			t.Errorf("got %v, %v", c, err)
		}
	})
}

func TestKeeper_RefreshesAfterSleepWithoutClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSleeper(t)
		s.sleep(50 * time.Minute) // into the time of refresh
		time.Sleep(wallClockCheck + time.Second)
		if got := s.calls.Load(); got != 2 {
			t.Errorf("%d calls, want 2", got)
		}
	})
}
