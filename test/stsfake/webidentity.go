package stsfake

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

const (
	webIdentityAction = "AssumeRoleWithWebIdentity"
	// Claims in the tokens of the fake identity provider.
	webIssuer   = "oidc.example.com"
	webAudience = "sts.amazonaws.com"
	webSubject  = "system:serviceaccount:default:app"
)

// webRules are the string parameters of AssumeRoleWithWebIdentity.
var webRules = []textRule{
	{name: "RoleArn", min: 20, max: 2048, required: true},
	{name: "RoleSessionName", min: 2, max: 64, pattern: nameChars, required: true},
	{name: "WebIdentityToken", min: 4, max: 20000, required: true},
	{name: "ProviderId", min: 4, max: 2048},
	{name: "Policy", min: 1, max: 2048},
}

// webIdentity is a token of the fake identity provider.
type webIdentity struct {
	roles   []string
	expired time.Time // zero while it is valid
}

// AddWebIdentity makes token valid and lets it assume roleARN, whatever the role's Callers, ExternalID and MFA. It may be
// called for several roles. It makes an expired token valid again.
func (s *Server) AddWebIdentity(token, roleARN string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.webIdentities[token]
	if known == nil {
		known = &webIdentity{}
		s.webIdentities[token] = known
	}
	known.roles, known.expired = append(known.roles, roleARN), time.Time{}
}

// ExpireWebIdentity makes a known token expire now.
func (s *Server) ExpireWebIdentity(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.webIdentities[token]
	if !ok {
		panic("stsfake: ExpireWebIdentity: no such token")
	}
	known.expired = s.now()
}

// assumeRoleWithWebIdentity authenticates by the token. The session is not chained: only the role limits its duration.
func (s *Server) assumeRoleWithWebIdentity(c call) (any, error) {
	c.caller = &credential{} // ignore a signature
	want, err := parseSession(c, webRules)
	if err != nil {
		return nil, err
	}
	roleARN := c.form.Get("RoleArn")
	r, err := s.webRole(c.form.Get("WebIdentityToken"), roleARN, c.now)
	if err != nil {
		return nil, err
	}
	if want.duration > r.maxSession {
		return nil, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	got := s.issue(&credential{
		arn: r.sessionARN(want.name), principal: roleARN, account: r.arn.AccountID, userID: r.id + ":" + want.name,
	}, c.now, want.duration)
	provider := arn.ARN{
		Partition: r.arn.Partition, Service: "iam", AccountID: r.arn.AccountID, Resource: "oidc-provider/" + webIssuer,
	}
	return webIdentityResult{
		Audience:         webAudience,
		Provider:         provider.String(),
		Subject:          webSubject,
		AssumedRoleUser:  assumedRoleUser{AssumedRoleID: got.userID, ARN: got.arn},
		Credentials:      newCredentialsXML(got),
		PackedPolicySize: percent(want.packed),
		tokenSize:        newTokenSize(got),
	}, nil
}

// webRole returns the role if token is valid for it.
func (s *Server) webRole(token, roleARN string, now time.Time) (*role, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, r := s.webIdentities[token], s.roles[roleARN]
	switch {
	case known == nil:
		return nil, Fault{
			Status: http.StatusBadRequest, Code: "InvalidIdentityToken",
			Message: "No OpenIDConnect provider found in your account for https://" + webIssuer,
		}
	case !known.expired.IsZero():
		return nil, Fault{
			Status: http.StatusBadRequest, Code: "ExpiredTokenException",
			Message: fmt.Sprintf("Token expired: current date/time %d must be before the expiration date/time %d",
				now.Unix(), known.expired.Unix()),
		}
	case r == nil || !slices.Contains(known.roles, roleARN):
		return nil, denied(nil, webIdentityAction, roleARN)
	}
	return r, nil
}
