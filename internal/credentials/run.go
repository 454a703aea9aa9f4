package credentials

import (
	"context"
	"errors"
	"time"
)

// Run fetches and refreshes credentials until ctx is done, or until no client uses those of an on-demand keeper. A Pool calls it
// for its keepers.
func (k *Keeper) Run(ctx context.Context) {
	k.mu.Lock()
	if !k.running {
		k.begin()
	}
	done := k.done
	k.mu.Unlock()
	defer close(done)
	var stop func()
	k.failed, stop = k.restore()
	defer stop()
	var code *answer
	for {
		took, err := k.refresh(ctx, code)
		if ctx.Err() != nil {
			k.halt()
			return
		}
		left := k.timeLeft()
		if err != nil && left <= 0 {
			k.cache.remove()
		}
		if err == nil {
			stop()
			k.schedule.usedMFA = code != nil
			select {
			case <-k.wake: // a Retry during the call is served by its success
			default:
			}
		}
		pause, idle := k.schedule.next(err, took, left)
		var ok bool
		if code, ok = k.pause(ctx, pause, idle); ok && code == nil {
			code, ok = k.rest(ctx)
		}
		if !ok {
			return
		}
	}
}

// refresh makes one call when the limiter lets it, with the MFA code if there is one, and records the result. took is the
// call's duration.
func (k *Keeper) refresh(ctx context.Context, code *answer) (took time.Duration, e *Error) {
	k.mu.Lock()
	k.inFlight, k.resumes = true, time.Time{}
	// Without its code, a call that needs one ends before it reaches STS, and the code is valid for a short time.
	urgent := !k.onDemand || k.needsMFA != nil
	k.mu.Unlock()
	var c *Credentials
	err := k.limiter.do(ctx, urgent, func() error {
		select {
		case <-k.wake: // a Retry before the call is served by it
		default:
		}
		began := time.Now()
		var err error
		c, err = k.retrieve(ctx, code)
		took = time.Since(began)
		if isThrottled(err) {
			k.note(err)
		}
		return err
	})
	if ctx.Err() != nil {
		return took, nil // run returns; clients that wait get a temporary error
	}
	if err != nil && !errors.As(err, &e) {
		e = &Error{Code: CodeFailed, Message: err.Error(), Temporary: true}
	}
	if e != nil {
		k.failed()
	}
	needs, _ := errors.AsType[*NeedsMFA](err)
	counts := e == nil || needs == nil || code != nil
	if counts && k.Observer != nil { // before clients that wait have their answer
		k.Observer.Renewed(e == nil)
	}
	k.mu.Lock()
	if e == nil {
		k.current, k.expires = c, time.Now().Add(c.Expiration.Sub(k.now()))
		k.used.Store(0)
	}
	before := k.needsMFA
	k.needsMFA = needs
	k.lastErr, k.lastTime, k.inFlight = e, k.now(), false
	switch {
	case e == nil:
		k.failures = 0
	case counts:
		k.failures++
	}
	close(k.ended)
	k.ended = make(chan struct{})
	k.mu.Unlock()
	if code != nil {
		code.ended <- e
	}
	switch {
	case e == nil:
		k.cache.save(c)
		attrs := []any{"expiration", c.Expiration.UTC().Format(time.RFC3339)}
		if c.ARN != "" {
			attrs = append([]any{"arn", c.ARN}, attrs...)
		}
		k.log.Info("got credentials", attrs...)
	case needs != nil && code == nil && before != nil && needs.Error() == before.Error():
		// NeedsMFA has been called for this reason.
	case needs != nil && k.NeedsMFA != nil:
		k.NeedsMFA(needs)
	default:
		k.log.Warn("cannot get credentials", "error", e.Message)
	}
	return took, e
}

// note tells clients and State why a call is repeated.
func (k *Keeper) note(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lastErr, _ = errors.AsType[*Error](err)
	k.lastTime = k.now()
}

// retrieve calls the provider.
func (k *Keeper) retrieve(ctx context.Context, code *answer) (*Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, RetrieveTimeout)
	defer cancel()
	if code != nil {
		ctx = WithMFACode(ctx, code.text)
	}
	return k.provider.Retrieve(ctx)
}

// pause waits for idle, or for d if a client uses the credentials meanwhile. Retry and Answer end it early; it returns
// the answer. It returns false when ctx is done. Time is measured twice and the first clock to reach the end counts:
// the wall clock advances while a laptop sleeps, and the monotonic clock cannot be set back.
func (k *Keeper) pause(ctx context.Context, d, idle time.Duration) (*answer, bool) {
	began, wall := time.Now(), k.now().Round(0)
	k.mu.Lock()
	k.resumes = began.Add(idle)
	check := wallClockCheck
	if k.onDemand {
		check = onDemandCheck
	}
	k.mu.Unlock()
	demand := k.demand
	if d == idle {
		demand = nil
	}
	for length := idle; ; {
		left := min(wall.Add(length).Sub(k.now().Round(0)), length-time.Since(began))
		if left <= 0 {
			return nil, true
		}
		timer := time.NewTimer(min(left, check))
		select {
		case <-ctx.Done():
			timer.Stop()
			k.halt()
			return nil, false
		case <-k.wake:
			timer.Stop()
			return nil, true
		case a := <-k.answers:
			timer.Stop()
			if k.needsMFA == nil { // another Answer came first
				a.ended <- noCodeWanted()
				continue
			}
			return &a, true
		case <-demand:
			length, demand = d, nil
			timer.Stop()
		case <-timer.C:
		}
	}
}

// begin records that the goroutine runs. k.mu is held.
func (k *Keeper) begin() {
	k.running, k.since, k.done = true, k.now(), make(chan struct{})
}

// halt records that the goroutine ends because the keeper has been stopped.
func (k *Keeper) halt() {
	k.mu.Lock()
	k.running = false
	k.mu.Unlock()
}
