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
	// Status is the HTTP status. Fail takes zero for 400.
	Status  int
	Code    string
	Message string
	// Times limits how many requests Fail answers with it. Zero: all, until Recover.
	Times int
}

// Error gives code and message.
func (f Fault) Error() string { return f.Code + ": " + f.Message }

// Faults to hand to Fail. AccessDenied gets the message that fits the request.
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

// mood is how requests for one action, or for all, are being treated.
type mood struct {
	delay time.Duration
	hang  bool
	fault *Fault
	left  int // answers with fault still to give; -1 without limit
}

// everything is the mood that applies when an action has none of its own.
const everything = ""

// Delay makes requests for these actions, or all when none is named, wait for d before they are answered.
func (s *Server) Delay(d time.Duration, actions ...string) {
	s.change(actions, func(m *mood) { m.delay = d })
}

// Fail answers requests for these actions, or all when none is named, with f. It comes after Delay, and before the
// signature is judged.
func (s *Server) Fail(f Fault, actions ...string) {
	if f.Status == 0 {
		f.Status = http.StatusBadRequest
	}
	s.change(actions, func(m *mood) {
		m.fault, m.left = &f, -1
		if f.Times > 0 {
			m.left = f.Times
		}
	})
}

// Hang leaves requests for these actions, or all when none is named, without an answer until the client gives up or
// the server closes. Recover does not free those that hang already.
func (s *Server) Hang(actions ...string) { s.change(actions, func(m *mood) { m.hang = true }) }

// Lifetime makes credentials issued from now on live for d whatever was asked for. Zero ends that.
func (s *Server) Lifetime(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lifetime = d
}

// Recover ends Delay, Fail, Hang and Lifetime. What was issued and recorded stays.
func (s *Server) Recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.moods)
	s.lifetime = 0
}

func (s *Server) change(actions []string, edit func(*mood)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(actions) == 0 {
		actions = []string{everything}
	}
	for _, action := range actions {
		if s.moods[action] == nil {
			s.moods[action] = &mood{}
		}
		edit(s.moods[action])
	}
}

// interfere waits, hangs or fails as the moods say; nil lets the request go on.
func (s *Server) interfere(ctx context.Context, action string, form url.Values, caller *credential) error {
	m := s.takeMood(action)
	if m.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if m.delay > 0 {
		timer := time.NewTimer(m.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if m.fault == nil {
		return nil
	}
	fault := *m.fault
	if fault.Code == AccessDenied.Code && fault.Message == "" {
		fault = denied(caller, action, form.Get("RoleArn"))
	}
	return fault
}

// takeMood copies the mood for action, the action's own settings before those for everything, and counts the fault.
func (s *Server) takeMood(action string) mood {
	s.mu.Lock()
	defer s.mu.Unlock()
	var now mood
	for _, m := range []*mood{s.moods[action], s.moods[everything]} {
		if m == nil {
			continue
		}
		now.hang = now.hang || m.hang
		if now.delay == 0 {
			now.delay = m.delay
		}
		if now.fault == nil && m.fault != nil && m.left != 0 {
			now.fault = m.fault
			m.left = max(m.left-1, -1)
		}
	}
	return now
}

// denied is AccessDenied in the words of STS.
func denied(caller *credential, action, resource string) Fault {
	f := AccessDenied
	if action == webIdentityAction {
		f.Message = "Not authorized to perform sts:" + action
		return f
	}
	who := "anonymous"
	if caller != nil {
		who = caller.arn
	}
	f.Message = fmt.Sprintf("User: %s is not authorized to perform: sts:%s", who, action)
	if resource != "" {
		f.Message += " on resource: " + resource
	}
	return f
}
