package kube

import (
	"net/netip"
	"sync"
	"time"
)

// maxWitnesses bounds the witnesses that are kept, each of which may be an open descriptor. A node has a few hundred pods at most, with
// one or two addresses each.
const maxWitnesses = 2048

// freshFor is how long the kernel's word that one pod alone has an address is taken for new connections. Clients who open one for each
// request then cost 5 scans a second.
const freshFor = 200 * time.Millisecond

// Witness tells whether the kernel's last word about an address still holds. It is safe for concurrent use.
type Witness interface {
	// Alive tells whether a process of the pod still runs in a network namespace with the address. It is cheap.
	Alive() bool
	// Close ends its use. Alive is false from then on.
	Close()
}

// witnesses hold, for each address, the pod that the kernel has last named for it. The zero value is ready.
type witnesses struct {
	mu sync.Mutex
	at map[netip.Addr]vouched
}

type vouched struct {
	uid     string // of the API
	witness Witness
	since   time.Time
}

// vouch tells whether the pod still has the address, and whether the kernel has named it alone a moment ago: a witness does not tell of
// a second pod that has taken on the address since.
func (x *witnesses) vouch(a netip.Addr, uid string, now time.Time) (fresh, alive bool) {
	x.mu.Lock()
	known := x.at[a]
	x.mu.Unlock()
	if known.witness == nil || known.uid != uid {
		return false, false
	}
	return now.Sub(known.since) < freshFor, known.witness.Alive()
}

// keep replaces the witness of an address. It is closed when another takes its place, or with drop.
func (x *witnesses) keep(a netip.Addr, uid string, w Witness, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.at == nil {
		x.at = map[netip.Addr]vouched{}
	}
	x.remove(a)
	if len(x.at) >= maxWitnesses {
		for other := range x.at { // any one: its pod's next connection asks anew
			x.remove(other)
			break
		}
	}
	x.at[a] = vouched{uid, w, now}
}

// drop closes the witnesses of pods that are gone.
func (x *witnesses) drop(uids []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, uid := range uids {
		for a, known := range x.at {
			if known.uid == uid {
				x.remove(a)
			}
		}
	}
}

// remove is called with mu held.
func (x *witnesses) remove(a netip.Addr) {
	if known, ok := x.at[a]; ok {
		known.witness.Close()
		delete(x.at, a)
	}
}
