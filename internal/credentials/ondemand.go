package credentials

import (
	"context"
	"sync"
	"time"
)

// idleAfter is the default of how long after its last use an on-demand keeper still renews credentials and retries failing calls.
const idleAfter = 15 * time.Minute

// An on-demand keeper has no goroutine until a client asks, see Get. When a call is due and no client uses the credentials, it
// rests. It ends when it has no valid ones, and the next client starts it anew.

// admit lets the keeper run until ctx is done or stop is called: at once if it is eager, else when a client asks. It may be
// called again, to change that.
func (k *Keeper) admit(ctx context.Context, runs *sync.WaitGroup, eager bool) {
	k.mu.Lock()
	k.onDemand, k.parent, k.runs = !eager, ctx, runs
	resting := k.resting
	k.mu.Unlock()
	switch {
	case eager && resting:
		k.endPause()
	case eager:
		_ = k.start() // which fails on demand only
	}
}

// setOnDemand says how the keeper will run, before it may.
func (k *Keeper) setOnDemand(onDemand bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.onDemand = onDemand
}

// start starts the goroutine, unless it runs or may not. It fails if too many on-demand keepers run.
func (k *Keeper) start() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.running || k.parent == nil || k.parent.Err() != nil {
		return nil
	}
	end := func() {}
	if k.onDemand {
		if err := k.slots.begin(); err != nil {
			return err
		}
		end = k.slots.end
	}
	ctx, cancel := context.WithCancel(k.parent)
	k.begin()
	k.cancel = cancel
	k.runs.Go(func() {
		defer end()
		defer cancel()
		k.Run(ctx)
	})
	return nil
}

// stop ends the goroutine for good. It does not wait for a call under way.
func (k *Keeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.parent = nil
	if k.cancel != nil {
		k.cancel()
	}
}

// isRunning reports whether the keeper has a goroutine.
func (k *Keeper) isRunning() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.running
}

// hasValid reports whether the keeper has credentials that have not expired.
func (k *Keeper) hasValid() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.isValid()
}

// ask makes the keeper call at once if it rests, or soon if its last call failed: a client uses the credentials.
func (k *Keeper) ask() {
	select {
	case k.demand <- struct{}{}:
	default: // already signalled
	}
}

// use records that a client uses the credentials. It writes at most once a second, since many clients share the keeper. k.mu
// is held for reading, so that use comes either before or after a change of the other fields.
func (k *Keeper) use(now time.Time) {
	at, last := int64(now.Sub(k.made)), k.used.Load()
	if last == 0 || at-last >= int64(time.Second) {
		k.used.Store(max(1, at))
	}
}

// isUsed reports whether the keeper shall go on calling: always if it is eager, else if a client has used the current
// credentials, or waited for them, within idleAfter. k.mu is held.
func (k *Keeper) isUsed() bool {
	last := k.used.Load()
	return !k.onDemand || last != 0 && time.Since(k.made)-time.Duration(last) < k.idleAfter
}

// rest returns at once if the keeper is used. Else it waits for a client or an answer, which it returns. It returns false when
// the goroutine has to end: without valid credentials, or when ctx is done. It makes no call.
func (k *Keeper) rest(ctx context.Context) (*answer, bool) {
	for {
		if k.timeLeft() <= 0 {
			k.cache.remove()
		}
		k.mu.Lock()
		if k.isUsed() {
			k.resting, k.inFlight, k.resumes = false, true, time.Time{}
			k.mu.Unlock()
			return nil, true
		}
		left := k.left()
		if left <= 0 {
			k.forget()
			k.mu.Unlock()
			return nil, false
		}
		k.resting = true
		k.mu.Unlock()
		if code, ok := k.pause(ctx, 0, left); code != nil || !ok {
			k.mu.Lock()
			k.resting = false
			k.mu.Unlock()
			return code, ok
		}
	}
}

// forget drops what the keeper has, so that the next client finds it as it was made. Its goroutine is about to end. k.mu is
// held.
func (k *Keeper) forget() {
	k.schedule.failures = 0
	k.current, k.lastErr, k.needsMFA, k.failures = nil, nil, nil, 0
	k.running, k.resting, k.inFlight = false, false, true
	k.since, k.resumes = time.Time{}, time.Time{}
}
