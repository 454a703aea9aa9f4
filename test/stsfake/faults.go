package stsfake

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Fault is an error answer of STS.
type Fault struct {
	// Status is the HTTP status; 0 is 400.
	Status  int
	Code    string
	Message string
	// Times limits how many requests fail; 0 is all, until Recover.
	Times int
}

// Error returns code and message.
func (f Fault) Error() string { return f.Code + ": " + f.Message }

// Faults for Fail. AccessDenied gets a message that fits the request.
var (
	AccessDenied         = Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
	ExpiredToken         = forbidden("ExpiredToken", "The security token included in the request is expired")
	InvalidClientTokenID = forbidden("InvalidClientTokenId", "The security token included in the request is invalid.")
	RegionDisabled       = forbidden("RegionDisabledException",
		"STS is not activated in this region for account:"+DefaultAccount+". Your account administrator can activate STS "+
			"in this region using the IAM Console.")
	Throttled       = Fault{Status: http.StatusBadRequest, Code: "Throttling", Message: "Rate exceeded"}
	InternalFailure = Fault{
		Status: http.StatusInternalServerError, Code: "InternalFailure",
		Message: "The request processing has failed because of an unknown error, exception or failure.",
	}
	ServiceUnavailable = Fault{
		Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable",
		Message: "The request has failed due to a temporary failure of the server.",
	}
)

// behavior is how requests for one action, or for all, are answered.
type behavior struct {
	delay time.Duration
	hang  bool
	fault *Fault
	left  int // requests that are still to fail; -1 without limit
}

// allActions is the key of the behavior for actions without one of their own.
const allActions = ""

// Delay delays the answers of these actions, or of all if none is named, by d.
func (s *Server) Delay(d time.Duration, actions ...string) {
	s.change(actions, func(b *behavior) { b.delay = d })
}

// Fail answers requests for these actions, or for all if none is named, with f: after Delay, before the signature is
// checked. Instead of an action, Delay, Fail and Hang take the ARN of a role, for requests that assume it.
func (s *Server) Fail(f Fault, actions ...string) {
	if f.Status == 0 {
		f.Status = http.StatusBadRequest
	}
	s.change(actions, func(b *behavior) {
		b.fault, b.left = &f, -1
		if f.Times > 0 {
			b.left = f.Times
		}
	})
}

// Hang never answers requests for these actions, or for all if none is named. They end when the client gives up or the
// server closes; Recover affects later requests only.
func (s *Server) Hang(actions ...string) { s.change(actions, func(b *behavior) { b.hang = true }) }

// Lifetime sets the lifetime of credentials issued from now on, whatever the request says. Zero resets it.
func (s *Server) Lifetime(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lifetime = d
}

// Recover resets Delay, Fail, Hang, Throttle and Lifetime. It keeps issued credentials and recorded requests.
func (s *Server) Recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.behaviors)
	clear(s.throttles)
	s.lifetime = 0
}

func (s *Server) change(actions []string, edit func(*behavior)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(actions) == 0 {
		actions = []string{allActions}
	}
	for _, action := range actions {
		if s.behaviors[action] == nil {
			s.behaviors[action] = &behavior{}
		}
		edit(s.behaviors[action])
	}
}

// applyBehavior waits, hangs or fails as the behavior for action says. nil means that the request proceeds.
func (s *Server) applyBehavior(ctx context.Context, action string, form url.Values, caller *credential) error {
	if s.isThrottled(action) {
		return Throttled
	}
	b := s.takeBehavior(action, form.Get("RoleArn"))
	if b.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if b.delay > 0 {
		timer := time.NewTimer(b.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if b.fault == nil {
		return nil
	}
	fault := *b.fault
	if fault.Code == AccessDenied.Code && fault.Message == "" {
		fault = denied(caller, action, form.Get("RoleArn"))
	}
	return fault
}

// takeBehavior returns the behavior for an action on a role and counts its fault. The role's own settings override the action's,
// and these override those of allActions.
func (s *Server) takeBehavior(action, roleARN string) behavior {
	s.mu.Lock()
	defer s.mu.Unlock()
	var now behavior
	for i, key := range []string{roleARN, action, allActions} {
		b := s.behaviors[key]
		if b == nil || i == 0 && roleARN == "" {
			continue
		}
		now.hang = now.hang || b.hang
		if now.delay == 0 {
			now.delay = b.delay
		}
		if now.fault == nil && b.fault != nil && b.left != 0 {
			now.fault = b.fault
			b.left = max(b.left-1, -1)
		}
	}
	return now
}

// denied is AccessDenied with the message of STS.
func denied(caller *credential, action, resource string) Fault {
	f := AccessDenied
	if action == webIdentityAction {
		f.Message = "Not authorized to perform sts:" + action
		return f
	}
	user := "anonymous"
	if caller != nil {
		user = caller.arn
	}
	f.Message = fmt.Sprintf("User: %s is not authorized to perform: sts:%s", user, action)
	if resource != "" {
		f.Message += " on resource: " + resource
	}
	return f
}
