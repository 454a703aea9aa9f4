package fault

import (
	"net/netip"
	"slices"
	"time"
)

// Request is what a rule is matched against.
type Request struct {
	Path      string // below the version, see config.BelowVersion
	Method    string
	Version   string // v1 or v2
	Client    netip.Addr
	UserAgent string
}

// Set holds rules in the order of addition. It is immutable. A nil *Set has none.
type Set struct {
	rules   []*Rule
	waiting *Waiting
}

// MaxFaults is how many rules a set can hold. The caller of With checks it.
const MaxFaults = 100

// With returns the set with a further rule, whose ID no rule of the set has. waiting is that of the daemon.
func (s *Set) With(r *Rule, waiting *Waiting) *Set {
	// The slice is made anew: two sets that are made of one must not share what is behind its end.
	return &Set{rules: append(s.Rules(), r), waiting: waiting}
}

// Without returns the set without a rule; nil if it was the last. It does not end the rule.
func (s *Set) Without(id string) *Set {
	if s.Find(id) == nil {
		return s
	}
	rules := slices.DeleteFunc(s.Rules(), func(r *Rule) bool { return r.ID == id })
	if len(rules) == 0 {
		return nil
	}
	return &Set{rules: rules, waiting: s.waiting}
}

// Find returns a rule; nil if there is none.
func (s *Set) Find(id string) *Rule {
	if s == nil {
		return nil
	}
	for _, r := range s.rules {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Rules returns all in order. The slice is the caller's own.
func (s *Set) Rules() []*Rule {
	if s == nil {
		return nil
	}
	return slices.Clone(s.rules)
}

// Next is when a rule expires next; zero for never. It is in the past while the set has an expired rule.
func (s *Set) Next() time.Time {
	var next time.Time
	if s == nil {
		return next
	}
	for _, r := range s.rules {
		if !r.Expires.IsZero() && (next.IsZero() || r.Expires.Before(next)) {
			next = r.Expires
		}
	}
	return next
}

// Match returns the first rule that matches a request and whose dose includes it; nil for none. An expired rule matches nothing, nor
// does one with as many hits as its dose allows. Counters of doses go on by it: each rule counts the requests that match it and that
// no rule before it has taken. It allocates nothing.
func (s *Set) Match(q *Request, now time.Time) *Rule {
	if s == nil {
		return nil
	}
	client := q.Client.Unmap().WithZone("") // networks hold neither mapped addresses nor zones
	for _, r := range s.rules {
		if r.takes(q, client, now) {
			return r
		}
	}
	return nil
}
