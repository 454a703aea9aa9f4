package credentials

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// told is an Observer that remembers what it was told.
type told struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (o *told) add(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, fmt.Sprintf(format, args...))
}

func (o *told) Renewed(ok bool)                        { o.add("renewed %t", ok) }
func (o *told) Waited(took time.Duration, served bool) { o.add("waited %v %t", took, served) }

// take returns what was told since the last call.
func (o *told) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := strings.Join(o.lines, ", ")
	o.lines = nil
	return lines
}

// want compares what was told since the last call.
func (o *told) want(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	if got := o.take(); got != want {
		t.Errorf("told of %q, want %q", got, want)
	}
}

// observedPool runs a Pool of one on-demand Spec with an Observer.
func observedPool(t *testing.T, p Provider) (*Keeper, *told) {
	t.Helper()
	o := new(told)
	pool := NewPool(PoolOptions{Provide: func(Spec) Provider { return p }, Observe: func(Spec) Observer { return o }})
	pool.Retain(nil, slices.Values([]Spec{session("a")}))
	pool.Start(t.Context())
	t.Cleanup(pool.Close)
	k := pool.Keeper(session("a"))
	k.schedule.jitter = func(from, _ time.Duration) time.Duration { return from }
	return k, o
}

func TestObserver_IsToldOfCallsAndOfClientsThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour, delay: 200 * time.Millisecond}
		k, o := observedPool(t, s)
		_, _ = k.Get(t.Context())
		o.want(t, "renewed true, waited 200ms true")
		_, _ = k.Get(t.Context())
		o.want(t, "")
		time.Sleep(50 * time.Minute) // it rests
		_, _ = k.Get(t.Context())
		o.want(t, "renewed true, waited 200ms true")
	})
}

func TestObserver_SlowCallMakesAClientGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour, delay: 5 * time.Second}
		k, o := observedPool(t, s)
		_, _ = k.Get(t.Context())
		o.want(t, "waited 950ms false")
		time.Sleep(5 * time.Second)
		o.want(t, "renewed true")
		time.Sleep(45 * time.Minute) // it rests, with credentials for less than a quarter of an hour
		time.Sleep(5 * time.Minute)
		_, _ = k.Get(t.Context())
		o.want(t, "waited 950ms true")
	})
}

func TestObserver_ErrorThatIsKnownIsNoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour, err: denied}
		k, o := observedPool(t, s)
		s.delay = 100 * time.Millisecond
		_, _ = k.Get(t.Context())
		o.want(t, "renewed false, waited 100ms false")
		_, _ = k.Get(t.Context())
		o.want(t, "")
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = k.Get(gone) // which no client waits for
		o.want(t, "")
	})
}

func TestObserver_CallWithoutItsMFACodeIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, o := observedPool(t, &guarded{lifetime: time.Hour})
		_, _ = k.Get(t.Context())
		o.want(t, "waited 0s false")
		if n := k.State().Failures; n != 0 {
			t.Errorf("%d failures", n)
		}
		if k.Answer(t.Context(), "000000") == nil {
			t.Error("a wrong code is right")
		}
		o.want(t, "renewed false")
		if n := k.State().Failures; n != 1 {
			t.Errorf("%d failures after a wrong code", n)
		}
		_ = k.Answer(t.Context(), "123456")
		o.want(t, "renewed true")
		if n := k.State().Failures; n != 0 {
			t.Errorf("%d failures after the right one", n)
		}
	})
}

// TestKeeper_FailuresCountInARow are forgotten with a keeper that no client asks.
func TestKeeper_FailuresCountInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{lifetime: time.Hour, err: transient}
		k, _ := observedPool(t, s)
		for n := 1; n <= 3; n++ {
			_, _ = k.Get(t.Context())
			synctest.Wait()
			if got := k.State().Failures; got < n {
				t.Errorf("%d failures after %d calls", got, n)
			}
			time.Sleep(maxBackoff)
		}
		time.Sleep(24 * time.Hour)
		if got := k.State(); got.Failures != 0 || !got.Idle {
			t.Errorf("after a day: %+v", got)
		}
	})
}
