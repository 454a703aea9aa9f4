package lifecycle

import (
	"fmt"
	"slices"
	"time"

	"mock-ec2-metadata/internal/config"
)

// MaxEvents is how many events a set can hold.
const MaxEvents = 100

// Set holds events in the order of their activation, those to come last. It is immutable; the zero Set has none.
type Set struct{ events []*Event }

// Base is the instance that events are checked against: the file's own.
type Base struct {
	Instance config.Instance
	UserData []byte
	Entries  int // of clients
}

// wrong returns an error about a field of an event.
func wrong(field, format string, args ...any) *Error {
	return &Error{Field: field, Reason: field + ": " + fmt.Sprintf(format, args...)}
}

// inTheWay returns an error about a field of an event that fits another state.
func inTheWay(field, format string, args ...any) *Error {
	e := wrong(field, format, args...)
	e.Conflict = true
	return e
}

// notFound returns the error about an unknown id.
func notFound(id string) *Error {
	return &Error{NotFound: true, Field: "id", Reason: fmt.Sprintf("id: no event %s; list the events", id)}
}

// Add returns the set as of now with a further event, activated at now if nothing delays it. It refuses an event that does not fit the
// base with the active events applied. The error is an *Error.
func (s Set) Add(id string, spec config.Event, base Base, now time.Time) (Set, *Event, error) {
	if s.Find(id) != nil {
		return s, nil, inTheWay("id", "%s is another event; choose another id, or cancel it", id)
	}
	e, err := newEvent(id, spec, base, now)
	if err != nil {
		return s, nil, err
	}
	if err := s.checkConflict(e, now); err != nil {
		return s, nil, err
	}
	e.avoid = s.publicAddresses()
	if err := s.checkFit(e, base, now); err != nil {
		return s, nil, err
	}
	added := s.with(e).Advance(now)
	if len(added.events) > MaxEvents {
		return s, nil, &Error{Conflict: true, Reason: fmt.Sprintf("events: %d are active, and there can be no more; cancel some", MaxEvents)}
	}
	return added, e, nil
}

// newEvent makes an event out of what is asked for.
func newEvent(id string, spec config.Event, base Base, now time.Time) (*Event, error) {
	who, err := parseClients(&spec, base.Entries)
	if err != nil {
		return nil, err
	}
	at, past, err := activationOf(&spec, now)
	if err != nil {
		return nil, err
	}
	e := &Event{ID: id, Spec: spec, Created: now, who: who, counters: &counters{}}
	if after := spec.AfterRequests; after != nil {
		if e.counted, err = patternOf(after); err != nil {
			return nil, err
		}
	} else if err := e.activate(at); err != nil {
		return nil, err
	}
	if past {
		e.warn("at: %s is past; the event begins now", spec.At)
	}
	if life := base.Instance.EC2.LifeCycle; spec.Spot != "" && life != "spot" {
		e.warn("ec2.life_cycle is %s; it is spot while this event lasts", life)
	}
	if spec.Tags != nil && !tagsEnabled(&base.Instance) {
		e.warn("ec2.metadata_options.instance_metadata_tags is disabled; clients see no tags")
	}
	return e, nil
}

func (e *Event) warn(format string, args ...any) {
	e.Warnings = append(e.Warnings, fmt.Sprintf(format, args...))
}

// activate fixes the times of an event.
func (e *Event) activate(at time.Time) (err error) {
	if e.Spec.Maintenance != "" {
		if e.window, err = newWindow(e.ID, &e.Spec, at); err != nil {
			return err
		}
	}
	e.Phases = phasesOf(&e.Spec, at)
	return nil
}

// checkConflict refuses a second unfinished event to reclaim or rebalance the instance of some client, and a second use of EC2's id of a
// maintenance event.
func (s Set) checkConflict(e *Event, now time.Time) error {
	kind := e.Spec.Kind()
	for _, o := range s.events {
		switch {
		case o.Spec.Kind() != kind || !e.who.overlap(&o.who):
		case kind == kindMaintenance && o.eventID() == e.eventID():
			return inTheWay("event_id", "%s is that of event %s; choose another", e.eventID(), o.ID)
		case (kind == kindSpot || kind == kindRebalance) && !o.Finished(now):
			return inTheWay(kind, "event %s is active for the same clients; cancel it, or name other clients", o.ID)
		}
	}
	return nil
}

// with returns the set with a further event in its place.
func (s Set) with(e *Event) Set {
	events := append(slices.Clip(s.events), e)
	slices.SortStableFunc(events, byActivation)
	return Set{events}
}

// byActivation compares events by the time of their activation. Those that wait for requests are last.
func byActivation(a, b *Event) int {
	switch {
	case a.waiting() && b.waiting():
		return 0
	case a.waiting():
		return 1
	case b.waiting():
		return -1
	default:
		return a.Phases[0].At.Compare(b.Phases[0].At)
	}
}

// Remove returns the set without an event.
func (s Set) Remove(id string) (Set, bool) {
	i := s.index(id)
	if i < 0 {
		return s, false
	}
	return Set{slices.Concat(s.events[:i], s.events[i+1:])}, true
}

func (s Set) index(id string) int {
	return slices.IndexFunc(s.events, func(e *Event) bool { return e.ID == id })
}

// Find returns the event of an id; nil if there is none.
func (s Set) Find(id string) *Event {
	if i := s.index(id); i >= 0 {
		return s.events[i]
	}
	return nil
}

// Events returns all, in order. The slice is the set's own.
func (s Set) Events() []*Event { return s.events }
