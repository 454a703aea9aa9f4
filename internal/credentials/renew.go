package credentials

import "time"

// renewEvery is the shortest time between two calls that Renew causes. Each costs a call of AWS.
const renewEvery = time.Second

// Renew makes the keeper call now, as for a client that uses the credentials. Until the call succeeds those of before stay. A keeper
// that does not run has none to renew. Within a second of the last one, a call at the end of the second serves all.
func (k *Keeper) Renew() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.running || k.renewsLater {
		return
	}
	now := time.Now()
	left := renewEvery - now.Sub(k.renewed)
	if k.renewed.IsZero() || left <= 0 {
		k.renew(now)
		return
	}
	k.renewsLater = true
	time.AfterFunc(left, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.renewsLater = false; k.running {
			k.renew(time.Now())
		}
	})
}

// renew ends the pause for Renew. k.mu is held.
func (k *Keeper) renew(now time.Time) {
	k.renewed = now
	k.use(now)
	k.endPause()
}
