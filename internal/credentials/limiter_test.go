package credentials

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// queue makes calls of a limiter within a bubble, in that order, and records their beginnings.
type queue struct {
	*limiter
	mu    sync.Mutex // guards begun
	begun []string
}

// add makes a call that takes that long, and returns when it has begun or waits.
func (q *queue) add(t *testing.T, name string, urgent bool, took time.Duration, results ...error) {
	t.Helper()
	q.addWith(t.Context(), name, urgent, took, results...)
}

func (q *queue) addWith(ctx context.Context, name string, urgent bool, took time.Duration, results ...error) {
	go func() {
		_ = q.do(ctx, urgent, func() error {
			q.mu.Lock()
			q.begun = append(q.begun, name)
			q.mu.Unlock()
			time.Sleep(took)
			if len(results) == 0 {
				return nil
			}
			err := results[0]
			results = results[1:]
			return err
		})
	}()
	synctest.Wait()
}

// full is a queue whose first calls end after a second, a millisecond apart.
func full(t *testing.T) *queue {
	t.Helper()
	q := &queue{limiter: newLimiter()}
	for i := range firstCalls {
		q.add(t, "first", false, time.Second+time.Duration(i)*time.Millisecond)
	}
	q.begun = nil
	return q
}

func (q *queue) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.begun)
}

func (q *queue) expect(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	q.mu.Lock()
	defer q.mu.Unlock()
	if got := strings.Join(q.begun, " "); got != want {
		t.Errorf("begun: %s, want %s", got, want)
	}
}

func TestLimiter_CallsBeginInOrderUrgentOnesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := full(t)
		for i := range 4 {
			q.add(t, fmt.Sprint(i), false, time.Minute)
		}
		q.add(t, "urgent0", true, time.Minute)
		q.add(t, "urgent1", true, time.Minute)
		q.expect(t, "")
		time.Sleep(2 * time.Second)
		q.expect(t, "urgent0 urgent1 0 1 2 3")
		time.Sleep(time.Hour)
	})
}

func TestLimiter_CallThatIsGivenUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := full(t)
		ctx, cancel := context.WithCancel(t.Context())
		q.addWith(ctx, "given up", false, 0)
		q.add(t, "next", false, 0)
		cancel()
		time.Sleep(2 * time.Second)
		q.expect(t, "next")
		if q.running != 0 || q.others.Len() != 0 {
			t.Errorf("%d run, %d wait", q.running, q.others.Len())
		}
	})
}

func TestLimiter_ThrottledCallIsRepeatedBeforeOthersAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{limiter: newLimiter()}
		q.bound = leastCalls
		const took = 100 * time.Millisecond
		q.add(t, "a", false, took, throttled)
		q.add(t, "b", false, time.Hour)
		q.add(t, "c", false, time.Hour)
		q.add(t, "d", false, time.Hour)
		time.Sleep(took)
		q.expect(t, "a b")
		throttled := time.Now()
		for q.count() < 3 {
			time.Sleep(time.Millisecond)
		}
		if paused := time.Since(throttled); paused < minThrottlePause || paused > 2*minThrottlePause+time.Millisecond {
			t.Errorf("paused %v", paused)
		}
		q.expect(t, "a b a")
		time.Sleep(took)
		q.expect(t, "a b a c")
		time.Sleep(3 * time.Hour)
	})
}

func TestLimiter_ThrottledCallFailsInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter()
		start := time.Now()
		calls := 0
		err := l.do(t.Context(), false, func() error { calls++; return throttled })
		if took := time.Since(start); !errors.Is(err, throttled) || took < throttledFor || took > throttledFor+2*maxThrottlePause {
			t.Errorf("%v after %v", err, took)
		}
		if calls < 5 || calls > 20 {
			t.Errorf("%d calls", calls)
		}
	})
}

func TestLimiter_OtherErrorsAreNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, want := range []error{nil, transient, denied, context.Canceled} {
			calls := 0
			if err := newLimiter().do(t.Context(), false, func() error { calls++; return want }); !errors.Is(err, want) || calls != 1 {
				t.Errorf("%v after %d calls, want %v", err, calls, want)
			}
		}
	})
}

func TestLimiter_SlowCallsDoNotHoldUpOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queue{limiter: newLimiter()}
		for range firstCalls {
			q.add(t, "hangs", false, time.Hour)
		}
		q.begun = nil
		q.add(t, "next", false, 0)
		time.Sleep(slowCall - time.Millisecond)
		q.expect(t, "")
		time.Sleep(time.Millisecond)
		q.expect(t, "next")
		time.Sleep(2 * time.Hour)
		if q.running != 0 {
			t.Errorf("%d run", q.running)
		}
	})
}

func TestLimiter_BoundGrowsWithSuccessesAndFallsOnceForCallsThrottledTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter()
		now := time.Now()
		for range firstCalls {
			l.adapt(now, nil)
		}
		if l.bound < firstCalls+0.9 || l.bound > firstCalls+1 {
			t.Errorf("bound %v after a round of successes", l.bound)
		}
		before := l.bound
		time.Sleep(time.Second)
		for range 5 {
			l.adapt(now, throttled)
		}
		if want := before * decrease; l.bound != want || !l.paused {
			t.Errorf("bound %v, want %v", l.bound, want)
		}
		for range 100 {
			l.adapt(time.Now(), throttled)
			time.Sleep(time.Nanosecond)
		}
		if l.bound != leastCalls {
			t.Errorf("bound %v at least", l.bound)
		}
		for range 100_000 {
			l.adapt(time.Now(), nil)
		}
		if l.bound != maxCalls || l.pause != minThrottlePause {
			t.Errorf("bound %v at most, pause %v", l.bound, l.pause)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if l.paused {
			t.Error("the pause does not end")
		}
	})
}

// A thousand others are in the queue.
func TestLimiter_MFAAnswersDoNotWaitBehindOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &throttling{latency: 100 * time.Millisecond, allow: tokenBucket(50)}
		p := NewPool(PoolOptions{Provide: func(s Spec) Provider {
			if s.MFASerial != "" {
				return &guarded{lifetime: time.Hour}
			}
			return sts.provide(s)
		}})
		p.Start(t.Context())
		defer p.Close()
		mfa := session("mfa")
		mfa.MFASerial = "device"
		k := p.Keeper(mfa)
		if _, err := k.Get(t.Context()); err == nil {
			t.Fatal("no code was wanted")
		}
		for _, s := range sessions(1000) {
			if err := p.Keeper(s).start(); err != nil {
				t.Error(err)
			}
		}
		for range 5 {
			time.Sleep(3 * time.Second)
			start := time.Now()
			if err := k.Answer(t.Context(), "000000"); err == nil || err.Error() != "refused" || time.Since(start) > time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		}
	})
}

func TestLimiter_WaitingIsNoPartOfTheCallsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(PoolOptions{Provide: func(s Spec) Provider {
			return providerFunc(func(ctx context.Context) (*Credentials, error) {
				if until, ok := ctx.Deadline(); !ok || time.Until(until) != RetrieveTimeout {
					t.Errorf("%s has %v", s.SessionName, time.Until(until))
				}
				time.Sleep(slowCall - time.Millisecond)
				return &Credentials{Expiration: time.Now().Add(time.Hour)}, nil
			})
		}})
		p.Start(t.Context())
		defer p.Close()
		specs := sessions(500)
		for _, s := range specs {
			if err := p.Keeper(s).start(); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Minute)
		if !p.Keeper(specs[len(specs)-1]).State().Valid {
			t.Error("the last call has not ended")
		}
	})
}

func TestLimiter_QueuedCallIsMadeThoughItsClientLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &throttling{latency: time.Second, allow: func(time.Time) bool { return true }}
		p := NewPool(PoolOptions{Provide: sts.provide})
		p.Start(t.Context())
		specs := sessions(2 * firstCalls)
		p.Retain(nil, slices.Values(specs))
		ctx, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer leave()
		for _, s := range specs {
			go func() { _, _ = p.Keeper(s).Get(ctx) }()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if sts.succeeded != len(specs) {
			t.Errorf("%d calls, want %d", sts.succeeded, len(specs))
		}
		p.Close() // also while calls wait
	})
}

func TestLimiter_CloseEndsKeepersThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &throttling{latency: time.Hour, allow: func(time.Time) bool { return true }}
		p := NewPool(PoolOptions{Provide: sts.provide})
		p.Start(t.Context())
		for _, s := range sessions(100) {
			if err := p.Keeper(s).start(); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		p.Close()
		if got := goroutines(); got != 0 {
			t.Errorf("%d goroutines of keepers", got)
		}
	})
}

// Clients and /status see why they wait.
func TestKeeper_SaysThatTheServiceThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour, err: throttled}
		k := run(t, s)
		if _, err := k.Get(t.Context()); !errors.Is(err, throttled) || k.State().LastError != throttled {
			t.Errorf("got %v, %+v", err, k.State())
		}
		time.Sleep(throttledFor / 2)
		s.set(nil)
		time.Sleep(2 * maxThrottlePause)
		if state := k.State(); !state.Valid || state.LastError != nil {
			t.Errorf("after it: %+v", state)
		}
	})
}
