package cli

import (
	"runtime/debug"
	"time"
)

// freeDelay is how long after the start, a reload or a new identity the memory that only these needed goes back to the system.
const freeDelay = 1500 * time.Millisecond

// settleMemory returns what to call after each of them. Of many in a row the last counts.
func settleMemory() func() {
	timer := time.AfterFunc(freeDelay, debug.FreeOSMemory)
	return func() { timer.Reset(freeDelay) }
}
