package fault

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/web"
)

// Act is a rule at work on one request. The service calls Delay, Instead, and Send with the real answer, in this order, and does the
// effects between that only it can do.
//
// The methods that wait or reset abort the handler by panic(http.ErrAbortHandler) when no answer may be sent.
type Act struct {
	rule    *Rule
	waiting *Waiting
	w       http.ResponseWriter
	r       *http.Request
	decided bool // Applies has been called
	applies bool // and said this
}

// Act returns what happens to a request: nil if no rule takes it. path is normalised, version is v1 or v2.
func (s *Set) Act(w http.ResponseWriter, r *http.Request, path, version string, now time.Time) *Act {
	rule := s.Match(&Request{
		Path: config.BelowVersion(path), Method: r.Method, Version: version, Client: web.Remote(r), UserAgent: r.UserAgent(),
	}, now)
	if rule == nil {
		return nil
	}
	return &Act{rule: rule, waiting: s.waiting, w: w, r: r}
}

// Rule is the rule at work.
func (a *Act) Rule() *Rule { return a.rule }

// Applies counts a hit and notes it for the access log, once, and reports whether the dose allows it. It is called when the effect
// changes something, before it does. If it returns false, the answer must stay as it is.
func (a *Act) Applies() bool {
	if !a.decided {
		a.decided, a.applies = true, a.rule.hit()
		if a.applies {
			web.SetFault(a.r, a.rule.ID)
			if a.waiting != nil && a.waiting.OnHit != nil {
				a.waiting.OnHit(a.rule.Effect())
			}
		}
	}
	return a.applies
}

// Delay waits for the rule's delay, if it has one. It goes on undelayed when the rule ends or the server stops.
func (a *Act) Delay() {
	f := &a.rule.Spec
	if f.Delay <= 0 && f.Jitter <= 0 || !a.Applies() {
		return
	}
	delay := f.Delay
	if f.Jitter > 0 {
		delay += time.Duration(rand.Int64N(2*int64(f.Jitter)+1)) - f.Jitter //nolint:gosec // no secret
	}
	if delay <= 0 {
		return
	}
	defer a.enter()()
	timer := time.NewTimer(min(delay, maxWait))
	defer timer.Stop()
	if a.wait(timer.C) == left {
		a.abort()
	}
	a.extend()
}

// Instead does the effects that need no real answer: status, reset, hang, redirect and throttle. It returns the answer, or nil if the
// real one is due.
func (a *Act) Instead(now time.Time) *web.Error {
	f := &a.rule.Spec
	switch {
	case f.Status != 0 && a.Applies():
		return &web.Error{Status: f.Status, RetryAfter: retryAfter(f.RetryAfter)}
	case f.Reset && a.Applies():
		a.reset()
	case f.Hang && a.Applies():
		a.Hang()
	case f.Redirect && a.Applies():
		a.w.Header()["Location"] = []string{"/"} // relative, so of the same host
		return &web.Error{Status: http.StatusFound}
	case f.Throttle != nil && a.rule.throttled(web.Remote(a.r), now) && a.Applies():
		if f.Throttle.Answer == "drop" {
			a.Hang()
		}
		return &web.Error{Status: http.StatusServiceUnavailable}
	}
	return nil
}

// retryAfter is the header's value, in whole seconds rounded up; "" for none.
func retryAfter(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// Hang leaves the request without an answer, and resets the connection in the end. It does not return.
func (a *Act) Hang() {
	defer a.enter()()
	a.silence()
}

// silence sends nothing more. It does not return.
func (a *Act) silence() {
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	if a.wait(timer.C) == left {
		a.abort()
	}
	a.reset()
}

// Off returns a set that leaves all requests without an answer, as an instance does that is powered off. It counts nothing that anybody
// reads, and has no id. Its rule is ended by End.
func Off(waiting *Waiting) *Set {
	return (*Set)(nil).With(&Rule{Spec: config.Fault{Hang: true}, dose: newDose(config.FaultDose{}), done: make(chan struct{})}, waiting)
}

// End ends all rules of a set. It is called once no state has the set any more.
func (s *Set) End() {
	for _, r := range s.Rules() {
		r.End()
	}
}
