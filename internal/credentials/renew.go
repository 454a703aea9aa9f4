package credentials

import "time"

// Renew makes the keeper call now, as for a client that uses the credentials. Until the call succeeds those of before stay. A keeper
// that does not run has none to renew.
func (k *Keeper) Renew() {
	k.mu.RLock()
	running := k.running
	if running {
		k.use(time.Now())
	}
	k.mu.RUnlock()
	if running {
		k.endPause()
	}
}
