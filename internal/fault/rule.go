// Package fault makes the metadata service misbehave: rules say which requests are hit, how often, and what happens to their answers.
package fault

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"mock-ec2-metadata/internal/config"
)

// Rule is a compiled fault. It never changes, but for its counters and the buckets of a throttle. All methods are safe for concurrent
// use.
type Rule struct {
	ID      string
	Spec    config.Fault
	Created time.Time
	Expires time.Time // zero: never
	// FromConfig says that the configuration has it; else it was made at run time. The maker of the rule sets it before any set has it.
	FromConfig bool

	match   matcher
	dose    dose
	buckets *buckets     // nil without a throttle
	matched atomic.Int64 // requests that fit match while the rule was in force
	hits    atomic.Int64

	ending sync.Once
	done   chan struct{} // closed by End
}

// New compiles a fault. The error is a *config.FieldError: until is in the past, or the spec has not come through the rules of the
// configuration.
func New(id string, spec config.Fault, now time.Time) (*Rule, error) {
	match, err := newMatcher(spec.Match)
	if err != nil {
		return nil, err
	}
	expires, err := expiry(spec.Dose, now)
	if err != nil {
		return nil, err
	}
	return &Rule{
		ID: id, Spec: spec, Created: now, Expires: expires,
		match: match, dose: newDose(spec.Dose), buckets: newBuckets(spec.Throttle),
		done: make(chan struct{}),
	}, nil
}

// fieldError is an error at a key of a fault.
func fieldError(field, problem string) *config.FieldError {
	return &config.FieldError{Field: field, Reason: field + ": " + problem}
}

// Hits is how many answers it has changed.
func (r *Rule) Hits() int64 { return r.hits.Load() }

// End lets go of requests that wait in the rule. It is called once no state has the rule any more, and may be called again.
func (r *Rule) End() { r.ending.Do(func() { close(r.done) }) }

// hit counts a hit, and reports whether the dose still allows one. Call it when the effect applies, and leave the answer alone if it
// says no: requests that came at the same time may have used up the count since Match.
func (r *Rule) hit() bool {
	for {
		n := r.hits.Load()
		if n >= r.dose.count {
			return false
		}
		if r.hits.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// expired reports whether the rule's time is over.
func (r *Rule) expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

// takes reports whether the rule is for a request, which it counts if it matches.
func (r *Rule) takes(q *Request, client netip.Addr, now time.Time) bool {
	if r.expired(now) || r.hits.Load() >= r.dose.count || !r.match.fits(q, client) {
		return false
	}
	return r.dose.includes(r.matched.Add(1))
}
