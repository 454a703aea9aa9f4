package stsfake

import (
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Issued returns the session with this access key id as it was issued, even if it has expired.
func (s *Server) Issued(accessKeyID string) (session aws.Credentials, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.keys[accessKeyID]
	if c == nil || !c.isSession() {
		return aws.Credentials{}, false
	}
	return aws.Credentials{
		AccessKeyID: c.keyID, SecretAccessKey: c.secret, SessionToken: c.token, CanExpire: true, Expires: c.expires, Source: "stsfake",
	}, true
}

// Principal returns the ARN of the role, or of the user, that the session with this access key id was issued for; "" if there
// is none.
func (s *Server) Principal(accessKeyID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.keys[accessKeyID]
	if c == nil || !c.isSession() {
		return ""
	}
	return c.principal
}

// Tags returns a copy of the session tags of the session with this access key id, inherited ones included, and of those among them
// that chained sessions inherit. Without a session both are empty.
func (s *Server) Tags(accessKeyID string) (all, transitive map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.keys[accessKeyID]
	if c == nil {
		return nil, nil
	}
	return maps.Clone(c.tags), maps.Clone(c.transitive)
}

// Secrets returns all secrets that this server has issued: secret keys, session tokens, tokens of logins, including
// refreshed ones, and web identities. It omits MFA codes, which are too short to search for.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, c := range s.keys {
		all = append(all, c.secret)
		if c.isSession() {
			all = append(all, c.token)
		}
	}
	for _, client := range s.ssoClients {
		all = append(all, client.secret)
	}
	all = slices.AppendSeq(all, maps.Keys(s.ssoAccess))
	all = slices.AppendSeq(all, maps.Keys(s.ssoRefresh))
	return slices.AppendSeq(all, maps.Keys(s.webIdentities))
}
