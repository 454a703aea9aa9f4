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

// wall is a clock that is set while timers go on.
type wall struct{ ahead atomic.Int64 }

func (w *wall) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())).Round(0) }

func (w *wall) set(ahead time.Duration) { w.ahead.Store(int64(ahead)) }

// runBy starts a keeper of s that looks at the clock w; STS, whose clock is right, gives an hour.
func runBy(t *testing.T, w *wall, s *scripted) *Keeper {
	t.Helper()
	s.lifetime = time.Hour
	k := NewKeeper(s, 15*time.Minute, slog.New(slog.DiscardHandler), w.now)
	go k.Run(t.Context())
	synctest.Wait()
	return k
}

// TestSetBackWhileValid has the clock set back by an hour: an hour after issue the credentials have expired all the same.
func TestSetBackWhileValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := &scripted{}, &wall{}
		k := runBy(t, w, s)
		w.set(-time.Hour)
		s.set(transient)
		time.Sleep(46 * time.Minute)
		if got := s.calls.Load(); got < 2 {
			t.Error("not renewed ahead of the expiry")
		}
		time.Sleep(14*time.Minute - time.Nanosecond)
		if _, err := k.Get(t.Context()); err != nil {
			t.Errorf("just before the expiry: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if c, err := k.Get(t.Context()); !errors.Is(err, transient) || k.State().Valid {
			t.Errorf("after the expiry: %v, %v, %+v", c, err, k.State())
		}
		// Nor does who takes them over hand them out.
		next := NewKeeper(s, 15*time.Minute, slog.New(slog.DiscardHandler), w.now)
		next.takeOver(k)
		if next.State().Valid {
			t.Error("valid again for who takes them over")
		}
	})
}

// TestSetBackWhileFailing has the clock put right, by an hour: the pause that has begun does not last an hour longer.
func TestSetBackWhileFailing(t *testing.T) {
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

// TestWaitingIsAPause has an STS that answers after half a minute, or not at all: calls begin a minute apart at most.
func TestWaitingIsAPause(t *testing.T) {
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
			if gap := began[i+1].Sub(began[i]); gap < retrieveTimeout+minBackoff || gap > maxBackoff {
				t.Errorf("call %d begins %v after the one before", i+2, gap)
			}
		}
		if len(began) < 60 {
			t.Errorf("%d calls in an hour", len(began))
		}
	})
}

// TestWakingClients has many ask at the moment that a laptop wakes, which is that of a look at the wall clock too: one
// call is made, and no other before a pause.
func TestWakingClients(t *testing.T) {
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
