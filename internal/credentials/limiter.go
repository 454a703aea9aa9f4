package credentials

import (
	"container/list"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// firstCalls is how many calls a limiter makes at once at first. Two at least, so that one whose service alone throttles
	// does not keep the others from beginning.
	firstCalls = 8
	leastCalls = 2
	maxCalls   = 64
	// In the time of as many successes as the bound, it grows by this; until the first throttled call, by 1.
	steadyGrowth = 0.2
	// decrease is what a throttled call multiplies the bound by. With steadyGrowth, it keeps the rate at 90 to 100 % of a
	// service's limit, with less than 10 % of the calls throttled at 100 ms and 50 a second.
	decrease = 0.75
	// A limiter pauses after a throttled call: for minThrottlePause to twice that, doubled up to maxThrottlePause until a call
	// succeeds.
	minThrottlePause = 150 * time.Millisecond
	maxThrottlePause = 4 * time.Second
	// throttledFor is for how long the limiter repeats a throttled call.
	throttledFor = 30 * time.Second
	// slowCall is when a call no longer counts: it does not wait for the rate of a service, but for a user or a lost network.
	slowCall = 2 * time.Second
)

// limiter bounds how many calls are made at once, so that a service that throttles answers as many as it can. The bound grows
// with successes and falls when a call is throttled. Calls wait in the order in which they came, urgent ones before others.
type limiter struct {
	// mu guards the fields below.
	mu      sync.Mutex
	bound   float64
	running int
	growth  float64   // of bound, in the time of as many successes
	changed time.Time // when bound fell last
	pause   time.Duration
	paused  bool
	// urgent and others wait. Elements are channels that are closed when a call may begin.
	urgent, others list.List
}

func newLimiter() *limiter { return &limiter{bound: firstCalls, growth: 1, pause: minThrottlePause} }

// do makes a call when its turn comes, and repeats it while the service throttles, for throttledFor after the first time. It
// returns the error of the last call, or that of ctx if it is done before a call begins.
func (l *limiter) do(ctx context.Context, urgent bool, call func() error) error {
	var first time.Time // when it was throttled first
	for {
		if err := l.wait(ctx, urgent, !first.IsZero()); err != nil {
			return err
		}
		err := l.run(call)
		switch {
		case !isThrottled(err):
			return err
		case first.IsZero():
			first = time.Now()
		case time.Since(first) > throttledFor:
			return err
		}
	}
}

func isThrottled(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Throttled
}

// wait waits until a call may begin. again puts it at the head of its queue.
func (l *limiter) wait(ctx context.Context, urgent, again bool) error {
	turn := make(chan struct{})
	l.mu.Lock()
	queue, add := &l.others, (*list.List).PushBack
	if urgent {
		queue = &l.urgent
	}
	if again {
		add = (*list.List).PushFront
	}
	place := add(queue, turn)
	l.next()
	l.mu.Unlock()
	select {
	case <-turn:
	case <-ctx.Done():
	}
	if ctx.Err() == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-turn:
		l.running--
		l.next()
	default:
		queue.Remove(place)
	}
	return ctx.Err()
}

// next lets calls begin that may. l.mu is held.
func (l *limiter) next() {
	for !l.paused && l.running < int(l.bound) {
		queue := &l.urgent
		if queue.Len() == 0 {
			queue = &l.others
		}
		if queue.Len() == 0 {
			return
		}
		l.running++
		close(queue.Remove(queue.Front()).(chan struct{}))
	}
}

// run makes a call that may begin.
func (l *limiter) run(call func() error) error {
	began := time.Now()
	end := sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.running--
		l.next()
	})
	slow := time.AfterFunc(slowCall, end)
	err := call()
	slow.Stop()
	l.adapt(began, err)
	end()
	return err
}

// adapt changes the bound after a call that began then. All calls that are throttled together count once.
func (l *limiter) adapt(began time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.bound = min(maxCalls, l.bound+l.growth/l.bound)
		l.pause = minThrottlePause
	case isThrottled(err) && !began.Before(l.changed):
		l.bound, l.changed, l.paused = max(leastCalls, l.bound*decrease), time.Now(), true
		l.growth = steadyGrowth
		time.AfterFunc(l.pause+rand.N(l.pause), l.resume) //nolint:gosec // spreads load, protects nothing
		l.pause = min(2*l.pause, maxThrottlePause)
	}
}

// resume ends the pause.
func (l *limiter) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paused = false
	l.next()
}
