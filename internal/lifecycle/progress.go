package lifecycle

import (
	"slices"
	"time"

	"mock-ec2-metadata/internal/config"
)

// Advance returns the set as of now: events that others have replaced are gone. An event that has become due is in its place in the
// order of activation.
func (s Set) Advance(now time.Time) Set {
	over := s.over(now)
	if over == (Selection{}) {
		return s
	}
	var events []*Event
	for i, e := range s.events {
		if !over.has(i) {
			events = append(events, e)
		}
	}
	return Set{events}
}

// over returns which events others have replaced at now.
func (s Set) over(now time.Time) Selection {
	var over Selection
	for i, e := range s.events {
		if !e.settled(now) {
			continue
		}
		for j, earlier := range s.events[:i] {
			if e.replaces(earlier) {
				over.add(j)
			}
		}
	}
	return over
}

// replaces reports whether an event that is in its last phase ends one that was activated before.
func (e *Event) replaces(earlier *Event) bool {
	switch kind, its := e.Spec.Kind(), earlier.Spec.Kind(); kind {
	case kindASG, kindProfile, kindCredentials, kindPublicIP:
		return its == kind && e.who.same(&earlier.who)
	case kindRestart: // the new instance has no notice
		return (its == kindSpot || its == kindRebalance) && (e.who.all() || e.who.same(&earlier.who))
	default:
		return false
	}
}

// Next is when a phase of an event begins next, after now, or an attached interface shows more; zero for never.
func (s Set) Next(now time.Time) time.Time {
	var next time.Time
	earliest := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, e := range s.events {
		for _, p := range e.Phases {
			earliest(p.At)
		}
		if t := e.halfway(); !t.IsZero() {
			earliest(t)
		}
	}
	return next
}

// Request counts an answered, authorised request of a path below the version, and returns the ids of events whose requests have all
// come: see Start. late says that for one of them they had come before, so that a set with it started is for this request.
func (s Set) Request(path string) (start []string, late bool) {
	for _, e := range s.events {
		if !e.waiting() || !e.counted.Match(path) {
			continue
		}
		if more := e.counters.requests.Add(1) - int64(e.Spec.AfterRequests.Count); more >= 0 {
			start = append(start, e.ID)
			late = late || more > 0
		}
	}
	return start, late
}

// patternOf parses the paths whose requests count.
func patternOf(after *config.AfterRequests) (config.PathPattern, error) {
	if after.Path == "" {
		return config.PathPattern{}, nil
	}
	pattern, err := config.ParsePathPattern(after.Path)
	if err != nil {
		return pattern, wrong("after_requests.path", "%v", err)
	}
	return pattern, nil
}

// Due reports whether an event waits for requests that have all come. An event of the same id may have counted those that start it.
func (e *Event) Due() bool {
	return e.waiting() && e.counters.requests.Load() >= int64(e.Spec.AfterRequests.Count)
}

// Start returns the set as of now with an event started that waited for requests; the same set if it has been started. It refuses an
// event that fits the instance no more. The error is an *Error.
func (s Set) Start(id string, base Base, now time.Time) (Set, error) {
	e := s.Find(id)
	switch {
	case e == nil:
		return s, notFound(id)
	case !e.waiting():
		return s, nil
	}
	started := *e
	if err := started.activate(now); err != nil {
		return s, err
	}
	without, _ := s.Remove(id)
	started.avoid = without.publicAddresses()
	if err := without.checkFit(&started, base, now); err != nil {
		return s, err
	}
	return without.with(&started).Advance(now), nil
}

// update returns the set with an event replaced by a changed copy.
func (s Set) update(e *Event) Set {
	events := slices.Clone(s.events)
	events[s.index(e.ID)] = e
	return Set{events}
}
