package stsfake

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// The instance of IAM Identity Center that a Server implements, as profiles name it.
const (
	SSOStartURL = "https://d-9067642ac7.awsapps.com/start"
	SSORegion   = "us-east-1"
)

const (
	portalPath = "/federation/credentials"
	oidcPath   = "/token"
	// Lifetimes of access tokens, client registrations and credentials of a permission set.
	ssoTokenLife        = time.Hour
	ssoRegistrationLife = 90 * 24 * time.Hour
	ssoRoleLife         = time.Hour
)

// ssoSession is one login. Revoking it invalidates its tokens.
type ssoSession struct {
	user, client string
	revoked      bool
}

// ssoToken is an access token's session and expiry.
type ssoToken struct {
	session *ssoSession
	expires time.Time
}

// ssoCredentials are the credentials of a registered client.
type ssoCredentials struct {
	secret  string
	expires time.Time
}

// AddPermissionSet gives every user who logs in the permission set called name in account, in sessions of an hour. It
// returns the ARN of its role, for Callers; AssumeRole does not accept that role. A second call returns the same ARN.
func (s *Server) AddPermissionSet(account, name string) (roleARN string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.permissionSets[[2]string{account, name}]
	if !ok {
		r = &role{name: fmt.Sprintf("AWSReservedSSO_%s_%x", name, randomBytes(8)), id: mintID("AROA", 17)}
		r.arn = arn.ARN{
			Partition: "aws", Service: "iam", AccountID: account,
			Resource: "role/aws-reserved/sso.amazonaws.com/" + r.name,
		}
		s.permissionSets[[2]string{account, name}] = r
	}
	return r.arn.String()
}

// LoginSSO logs user in, as `aws sso login` does with a browser. The access token lasts an hour. The refresh token can be
// used once.
func (s *Server) LoginSSO(user string) SSOLogin {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	session := &ssoSession{user: user, client: mintID("", 22)}
	registered := ssoCredentials{secret: mintSecret(), expires: wholeSeconds(now.Add(ssoRegistrationLife))}
	s.ssoClients[session.client] = registered
	access, refresh, expires := s.mintSSO(session, now)
	return SSOLogin{
		StartURL: SSOStartURL, Region: SSORegion,
		AccessToken: access, RefreshToken: refresh, ExpiresAt: expires,
		ClientID: session.client, ClientSecret: registered.secret, RegistrationExpiresAt: registered.expires,
	}
}

// ExpireSSO makes l's access token expire a second ago and returns l with that expiry. The refresh token still works.
func (s *Server) ExpireSSO(l SSOLogin) SSOLogin {
	l.ExpiresAt = wholeSeconds(s.now().Add(-time.Second))
	s.mu.Lock()
	defer s.mu.Unlock()
	token, ok := s.ssoAccess[l.AccessToken]
	if !ok {
		panic("stsfake: ExpireSSO: no such access token")
	}
	token.expires = l.ExpiresAt
	s.ssoAccess[l.AccessToken] = token
	return l
}

// RevokeSSO ends l's session. The server rejects all its tokens, whatever expiry l and cache files have.
func (s *Server) RevokeSSO(l SSOLogin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, ok := s.ssoAccess[l.AccessToken]
	if !ok {
		panic("stsfake: RevokeSSO: no such access token")
	}
	token.session.revoked = true
}

// mintSSO makes the next pair of tokens of a session. The caller holds s.mu.
func (s *Server) mintSSO(session *ssoSession, now time.Time) (access, refresh string, expires time.Time) {
	access, refresh = "aoaAAAAA"+mintToken(), "aorAAAAA"+mintToken()
	expires = wholeSeconds(now.Add(ssoTokenLife))
	s.ssoAccess[access] = ssoToken{session: session, expires: expires}
	s.ssoRefresh[refresh] = session
	return access, refresh, expires
}

func wholeSeconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// getRoleCredentials is the portal's GetRoleCredentials. STS accepts the credentials that it issues.
func (s *Server) getRoleCredentials(_ http.ResponseWriter, r *http.Request) (action string, result any, err error) {
	action = "GetRoleCredentials"
	if r.Method != http.MethodGet {
		return action, nil, Fault{Status: http.StatusNotFound, Code: "UnknownOperationException", Message: "GET only"}
	}
	form, now := r.URL.Query(), s.now()
	s.record(Request{Action: action, Form: form, UserAgent: r.UserAgent(), Time: now})
	if err := s.applyBehavior(r.Context(), action, form, nil); err != nil {
		return action, nil, err
	}
	account, name := form.Get("account_id"), form.Get("role_name")
	access := r.Header.Get("X-Amz-Sso_bearer_token")
	if account == "" || name == "" || access == "" {
		return action, nil, Fault{
			Status: http.StatusBadRequest, Code: "InvalidRequestException",
			Message: "account_id, role_name and x-amz-sso_bearer_token are required",
		}
	}

	s.mu.Lock()
	token, ok := s.ssoAccess[access]
	ok = ok && !token.session.revoked && now.Before(token.expires)
	set := s.permissionSets[[2]string{account, name}]
	s.mu.Unlock()
	switch {
	case !ok:
		return action, nil, Fault{
			Status: http.StatusUnauthorized, Code: "UnauthorizedException", Message: "Session token not found or invalid",
		}
	case set == nil:
		return action, nil, Fault{Status: http.StatusForbidden, Code: "ForbiddenException", Message: "No access"}
	}
	got := s.issue(&credential{
		arn: set.sessionARN(token.session.user), principal: set.arn.String(), account: account,
		userID: set.id + ":" + token.session.user,
	}, now, ssoRoleLife)
	return action, roleCredentialsResult{RoleCredentials: roleCredentials{
		AccessKeyID: got.keyID, SecretAccessKey: got.secret, SessionToken: got.token, Expiration: got.expires.UnixMilli(),
	}}, nil
}

// createToken is the OIDC service's CreateToken, for the grant refresh_token only.
func (s *Server) createToken(w http.ResponseWriter, r *http.Request) (action string, result any, err error) {
	action = "CreateToken"
	if r.Method != http.MethodPost {
		return action, nil, Fault{Status: http.StatusNotFound, Code: "UnknownOperationException", Message: "POST only"}
	}
	members := map[string]any{}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(body, &members)
	}
	form, now := url.Values{}, s.now()
	for name, value := range members {
		if text, ok := value.(string); ok {
			form.Set(name, text)
		}
	}
	s.record(Request{Action: action, Form: form, UserAgent: r.UserAgent(), Time: now})
	if err := s.applyBehavior(r.Context(), action, form, nil); err != nil {
		return action, nil, err
	}
	bad := func(status int, code, message string) (string, any, error) {
		return action, nil, Fault{Status: status, Code: code, Message: message}
	}
	if err != nil || !form.Has("clientId") || !form.Has("clientSecret") {
		return bad(http.StatusBadRequest, "InvalidRequestException", "Invalid request")
	}
	if form.Get("grantType") != "refresh_token" {
		return bad(http.StatusBadRequest, "UnsupportedGrantTypeException", "Unsupported grant type")
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	client, ok := s.ssoClients[form.Get("clientId")]
	if !ok || subtle.ConstantTimeCompare([]byte(client.secret), []byte(form.Get("clientSecret"))) != 1 ||
		!now.Before(client.expires) {
		return bad(http.StatusUnauthorized, "InvalidClientException", "Invalid client provided")
	}
	session := s.ssoRefresh[form.Get("refreshToken")]
	if session == nil || session.revoked || session.client != form.Get("clientId") {
		return bad(http.StatusBadRequest, "InvalidGrantException", "Invalid refresh token provided")
	}
	s.ssoRefresh[form.Get("refreshToken")] = nil
	access, refresh, expires := s.mintSSO(session, now)
	return action, createTokenResult{
		AccessToken: access, RefreshToken: refresh, TokenType: "Bearer", ExpiresIn: int(expires.Sub(now).Seconds()),
	}, nil
}
