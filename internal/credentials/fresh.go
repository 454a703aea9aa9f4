package credentials

import (
	"context"
	"time"
)

// Of the life of credentials, freshOf in freshOutOf is as fresh as a caller of Fresh can want them: 50 minutes of an hour. So many
// callers who want more share a call.
const (
	freshOf    = 5
	freshOutOf = 6
)

// Fresh returns credentials with at least that much time left, or five sixths of their life if that is shorter: it is for callers who
// keep them. Without any, it makes the keeper call now, and waits for the end of the call until ctx is done. Many callers share one
// call. It ignores the answer's time limit of Get.
//
// While the keeper pauses after a failed call, Fresh makes no call. Then, and when the call fails or ctx is done first, it returns
// valid credentials with less time left if there are any. Otherwise it fails with an *Error, or with the context's error.
func (k *Keeper) Fresh(ctx context.Context, atLeast time.Duration) (*Credentials, error) {
	for called := false; ; called = true {
		now := time.Now()
		k.mu.RLock()
		k.use(now)
		c, left, lastErr, ended := k.valid(now), k.left(), k.lastErr, k.ended
		running, calls, resting := k.running, k.inFlight, k.resting
		k.mu.RUnlock()
		switch {
		case c != nil && left >= min(atLeast, c.Expiration.Sub(c.LastUpdated)*freshOf/freshOutOf):
			return c, nil
		case !running:
			if err := k.start(); err != nil {
				return orError(c, err)
			}
		case calls:
		case resting:
			k.endPauseAfter(ended)
		case lastErr != nil:
			k.ask()
			return orError(c, lastErr)
		case called && c != nil: // the provider has none that live longer
			return c, nil
		default:
			k.endPauseAfter(ended)
		}
		select {
		case <-ended:
		case <-ctx.Done():
			k.mu.RLock()
			c = k.valid(time.Now())
			k.mu.RUnlock()
			return orError(c, ctx.Err())
		}
	}
}

// orError returns the credentials, or the error if there are none.
func orError(c *Credentials, err error) (*Credentials, error) {
	if c == nil {
		return nil, err
	}
	return c, nil
}
