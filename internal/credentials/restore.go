package credentials

import (
	"sync"
	"time"
)

// restoreDelay is how long credentials of the cache that are due for refresh wait for the first call. Clients wait longer.
const restoreDelay = answerWait - 50*time.Millisecond

// restore hands out the credentials of the last run until the first call succeeds: at once, or, if they are due for refresh,
// when that call fails or takes too long. The caller calls failed before it tells clients of a failure, and stop after a
// success.
func (k *Keeper) restore() (failed, stop func()) {
	nothing := func() {}
	if k.cache == nil {
		return nothing, nothing
	}
	c := k.cache.load()
	if c == nil || !c.Expiration.After(k.now()) {
		return nothing, nothing
	}
	if c.Expiration.Sub(k.now()) >= k.schedule.refreshBefore*4/5 {
		k.adopt(c)
		return nothing, nothing
	}
	adopt := sync.OnceFunc(func() { k.adopt(c) })
	timer := time.AfterFunc(restoreDelay, adopt)
	return adopt, func() { timer.Stop() }
}

// adopt hands out credentials of the cache, unless there are valid ones, and wakes the clients that wait.
func (k *Keeper) adopt(c *Credentials) {
	k.mu.Lock()
	if k.isValid() || !c.Expiration.After(k.now()) {
		k.mu.Unlock()
		return
	}
	k.current, k.expires = c, time.Now().Add(c.Expiration.Sub(k.now()))
	close(k.ended)
	k.ended = make(chan struct{})
	k.mu.Unlock()
	k.log.Info("using cached credentials", "arn", c.ARN, "expiration", c.Expiration.UTC().Format(time.RFC3339))
}
