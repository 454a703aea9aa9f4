package lifecycle

import (
	"net/netip"
	"slices"
	"time"
)

// Selection says which of the events that are not for all clients a client sees, by their positions in the set that selected. It is
// comparable; the zero Selection is none.
type Selection [2]uint64

func (sel *Selection) add(i int)      { sel[i/64] |= 1 << (i % 64) }
func (sel *Selection) has(i int) bool { return sel[i/64]&(1<<(i%64)) != 0 }

// selects reports whether an event is for some clients, and already shows. One that is to reclaim a spot instance shows before: the
// instance is a spot instance from its launch on. The first clients are those after the activation.
func (e *Event) selects(now time.Time) bool {
	switch {
	case e.who.all():
		return false
	case e.Spec.Spot != "" && e.who.first == 0:
		return true
	default:
		return e.PhaseAt(now).Name != Pending
	}
}

// Restricted reports whether some active event is not for all clients, so that Select matters.
func (s Set) Restricted(now time.Time) bool {
	for _, e := range s.events {
		if e.selects(now) {
			return true
		}
	}
	return false
}

// Peek is Select for a look alone: no client becomes one of the first N clients by it.
func (s Set) Peek(client netip.Addr, entry int, now time.Time) Selection {
	var sel Selection
	client = client.Unmap()
	for i, e := range s.events {
		if !e.selects(now) {
			continue
		}
		if e.who.first > 0 && e.counters.taken.has(client) || e.who.first == 0 && e.who.has(client.WithZone(""), entry) {
			sel.add(i)
		}
	}
	return sel
}

// Shows reports whether clients of a selection by s see an event.
func (s Set) Shows(sel Selection, e *Event) bool {
	i := slices.Index(s.events, e)
	return e.ForAll() || i >= 0 && sel.has(i)
}

// Select returns which events a client sees at now; entry is its position in clients, -1 for none. A client may become one of the first
// N of an event by it. It allocates nothing for known clients.
func (s Set) Select(client netip.Addr, entry int, now time.Time) Selection {
	var sel Selection
	client = client.Unmap()
	for i, e := range s.events {
		if !e.selects(now) {
			continue
		}
		if e.who.first > 0 && e.counters.taken.take(client, e.who.first) || e.who.first == 0 && e.who.has(client.WithZone(""), entry) {
			sel.add(i)
		}
	}
	return sel
}
