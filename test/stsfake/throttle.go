package stsfake

import "time"

// throttle admits a number of requests in any second.
type throttle struct {
	most   int
	served []time.Time // those of the last second, the oldest first
}

// admit reports whether a request at time now is admitted, and counts it if so.
func (t *throttle) admit(now time.Time) bool {
	for len(t.served) > 0 && now.Sub(t.served[0]) >= time.Second {
		t.served = t.served[1:]
	}
	if len(t.served) >= t.most {
		return false
	}
	t.served = append(t.served, now)
	return true
}

// Throttle answers requests for these actions, or for all if none is named, with Throttled once perSecond of them have arrived
// within a second. It answers these at once, without Delay, and does not count them towards the limit. Each named action has
// its own limit.
func (s *Server) Throttle(perSecond int, actions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(actions) == 0 {
		actions = []string{allActions}
	}
	for _, action := range actions {
		s.throttles[action] = &throttle{most: perSecond}
	}
}

// ThrottledCalls counts the requests so far that Throttle has refused. Calls and Requests have them too.
func (s *Server) ThrottledCalls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.throttled
}

// isThrottled reports whether a request for action is refused. A throttle for the action takes precedence over one for all.
func (s *Server) isThrottled(action string) bool {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.throttles[action]
	if t == nil {
		t = s.throttles[allActions]
	}
	if t == nil || t.admit(now) {
		return false
	}
	s.throttled++
	return true
}
