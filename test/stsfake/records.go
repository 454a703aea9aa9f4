package stsfake

import (
	"maps"
	"net/url"
	"slices"
	"time"
)

// Request is one request that reached the server, however it was answered.
type Request struct {
	Action string
	// Form is the body: Action, Version and the action's parameters, Tags.member.1.Key and the like included. For
	// GetRoleCredentials it is the query, for CreateToken the members of the JSON that are texts.
	Form url.Values
	// CallerARN is empty when the signature was missing or wrong, and for actions that are not signed.
	CallerARN   string
	AccessKeyID string
	// Region is that of the signature's credential scope.
	Region    string
	UserAgent string
	// Time is when it arrived by the server's clock.
	Time time.Time
}

// Calls counts the requests for action so far, retries and failures included.
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

// Requests returns all requests so far, oldest first. The caller may change what it gets.
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
