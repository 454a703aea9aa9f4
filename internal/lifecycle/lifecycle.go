// Package lifecycle holds simulated events: what EC2 would do to an instance, and when. An event is a pure function on the instance and
// its user data; who applies a set of events gives the time. Only counters change: of requests, and of clients that an event has taken.
package lifecycle

import (
	"slices"
	"time"

	"mock-ec2-metadata/internal/config"
)

// Error is why an event is refused.
type Error struct {
	// Conflict: another event, or the state of the instance, is in the way (409). Otherwise the event itself is wrong (422).
	Conflict bool
	// NotFound: there is no such event (404).
	NotFound bool
	Field    string // of the event; "" if none alone is at fault
	Reason   string // starts with the field
}

func (e *Error) Error() string { return e.Reason }

// Event is one event of a Set. It never changes, but for its counters.
type Event struct {
	ID      string
	Spec    config.Event
	Created time.Time
	// FromConfig says that the configuration has the event; else it was made at run time.
	FromConfig bool
	Warnings   []string
	// Phases are those from the activation on, the first is at the activation; nil while after_requests is waited for. An event with
	// in or at has them from the start.
	Phases []Phase
	// Paths are those below the version that it changes. The caller of Add finds them out.
	Paths []string

	who      clients
	counted  config.PathPattern // of after_requests
	counters *counters
	window   window   // of maintenance
	avoid    []string // public addresses that a new one must differ from
}

// waiting reports whether an event waits for requests.
func (e *Event) waiting() bool { return e.Phases == nil }

// phaseTime is when a phase begins; zero if the event does not have it.
func (e *Event) phaseTime(name string) time.Time {
	for _, p := range e.Phases {
		if p.Name == name {
			return p.At
		}
	}
	return time.Time{}
}

// PhaseAt is the phase at a time.
func (e *Event) PhaseAt(now time.Time) Phase {
	current := Phase{Pending, e.Created}
	for _, p := range e.Phases {
		if p.At.After(now) {
			break
		}
		current = p
	}
	return current
}

// NextAt is the phase after now; false if there is none.
func (e *Event) NextAt(now time.Time) (Phase, bool) {
	for _, p := range e.Phases {
		if p.At.After(now) {
			return p, true
		}
	}
	return Phase{}, false
}

// settled reports whether an event is in its last phase.
func (e *Event) settled(now time.Time) bool {
	return !e.waiting() && !e.Phases[len(e.Phases)-1].At.After(now)
}

// Activates is when an event begins; false while it waits for requests.
func (e *Event) Activates() (time.Time, bool) {
	if e.waiting() {
		return time.Time{}, false
	}
	return e.Phases[0].At, true
}

// HasBeen reports whether an event is in a phase at now, or past it; "" is the first phase after pending. A phase that the event leaves
// out counts as passed.
func (e *Event) HasBeen(phase string, now time.Time) bool {
	current := e.PhaseAt(now).Name
	if phase == "" {
		return current != Pending
	}
	names := e.PhaseNames()
	if phase == Completed { // canceled is no later phase, but the other end
		return current == Completed
	}
	return slices.Contains(names, phase) && slices.Index(names, phase) <= slices.Index(names, current)
}

// Exits reports whether the event ends the daemon, since its action time has come.
func (e *Event) Exits(now time.Time) bool {
	return e.Spec.Then == "exit" && e.PhaseAt(now).Name == Acted
}

// Finished reports whether an event is over, so that another of its kind can follow: a fresh instance is there.
func (e *Event) Finished(now time.Time) bool {
	return e.Spec.Then == "clear" && e.PhaseAt(now).Name == Acted
}

// Hit counts a request of a path that the event changes.
func (e *Event) Hit() { e.counters.hits.Add(1) }

// Hits is the number of requests of paths that the event changes.
func (e *Event) Hits() int64 { return e.counters.hits.Load() }
