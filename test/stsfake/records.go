package stsfake

import (
	"maps"
	"net/url"
	"slices"
	"time"
)

// Request is one request that reached the server, whatever the answer.
type Request struct {
	Action string
	// Form is the body: Action, Version and the parameters, such as Tags.member.1.Key. For GetRoleCredentials it is the
	// query, for CreateToken the string members of the JSON.
	Form url.Values
	// CallerARN is empty if the signature was missing or wrong, and for unsigned actions.
	CallerARN   string
	AccessKeyID string
	// Region of the signature's credential scope.
	Region    string
	UserAgent string
	// Time of arrival by the server's clock.
	Time time.Time
}

// Calls counts the requests for action so far, including retries and failures.
func (s *Server) Calls(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.requests {
		if r.Action == action {
			n++
		}
	}
	return n
}

// Requests returns a deep copy of all requests so far, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.requests)
	for i := range all {
		all[i].Form = maps.Clone(all[i].Form)
		for name, values := range all[i].Form {
			all[i].Form[name] = slices.Clone(values)
		}
	}
	return all
}

func (s *Server) record(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
}
