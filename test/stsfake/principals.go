package stsfake

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Key is a user's long-lived access key. It is an aws.CredentialsProvider.
type Key struct {
	AccessKeyID     string
	SecretAccessKey string
	// UserARN is the user it belongs to.
	UserARN string
}

// Retrieve returns the key as credentials of the SDK. It does not fail.
func (k Key) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, Source: "stsfake"}, nil
}

// user is an IAM user; its keys are in Server.keys.
type user struct {
	arn, id           string
	mfaSerial, mfaOTP string
}

// role is an IAM role and the conditions of its trust policy.
type role struct {
	arn        arn.ARN
	name, id   string
	maxSession time.Duration
	callers    []string
	externalID string
	mfa        bool
	noTags     bool
}

// credential is one access key and its principal.
type credential struct {
	keyID, secret, token string
	expires              time.Time // zero for a user's own key

	arn, principal  string // principal is the user or role behind a session's arn
	account, userID string
	user            *user // nil for role sessions
	mfa             bool

	sourceIdentity string
	tags           map[string]string // session tags, inherited ones included
	transitive     map[string]string // those that chained sessions inherit
}

func (c *credential) isRole() bool { return c.user == nil }

func (c *credential) isSession() bool { return c.token != "" }

// AddUser makes an access key for the IAM user name, and the user unless it exists. A second call gives a second key.
func (s *Server) AddUser(name string) Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[name]
	if !ok {
		u = &user{arn: fmt.Sprintf("arn:aws:iam::%s:user/%s", s.account, name), id: mintID("AIDA", 17)}
		s.users[name] = u
	}
	c := &credential{
		keyID: mintID("AKIA", 16), secret: mintSecret(),
		arn: u.arn, principal: u.arn, account: s.account, userID: u.id, user: u,
	}
	s.keys[c.keyID] = c
	return Key{AccessKeyID: c.keyID, SecretAccessKey: c.secret, UserARN: u.arn}
}

// SetMFA gives the user, who must exist, an MFA device that always shows code. It returns the device's serial number.
func (s *Server) SetMFA(user, code string) (serial string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.users[user]
	if !ok {
		panic("stsfake: SetMFA: no user " + user)
	}
	u.mfaSerial = fmt.Sprintf("arn:aws:iam::%s:mfa/%s", s.account, user)
	u.mfaOTP = code
	return u.mfaSerial
}

// Trust is a condition of a role: who may assume it, how, and for how long.
type Trust func(*role)

// Callers allows only these principals: user ARNs, role ARNs (for their sessions), session ARNs, account roots or account
// ids. Without Callers, all principals that the server knows may assume the role.
func Callers(arns ...string) Trust { return func(r *role) { r.callers = append(r.callers, arns...) } }

// MaxSession is the role's MaxSessionDuration. Default one hour.
func MaxSession(d time.Duration) Trust { return func(r *role) { r.maxSession = d } }

// ExternalID requires this external id.
func ExternalID(id string) Trust { return func(r *role) { r.externalID = id } }

// MFA requires a token code, or a session from GetSessionToken that was opened with one.
func MFA() Trust { return func(r *role) { r.mfa = true } }

// DenyTagSession does not allow sts:TagSession. It takes effect if a request has session tags, or its caller transitive ones.
func DenyTagSession() Trust { return func(r *role) { r.noTags = true } }

// AddRole makes or replaces the role with this ARN. It panics if CheckRoleARN fails. Issued sessions stay valid.
func (s *Server) AddRole(roleARN string, trust ...Trust) {
	if err := CheckRoleARN(roleARN); err != nil {
		panic(err)
	}
	parsed, _ := arn.Parse(roleARN)
	r := &role{
		arn: parsed, name: parsed.Resource[strings.LastIndexByte(parsed.Resource, '/')+1:],
		id: mintID("AROA", 17), maxSession: time.Hour,
	}
	for _, rule := range trust {
		rule(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[roleARN] = r
}

// CheckRoleARN returns an error unless roleARN has the form arn:aws:iam::123456789012:role/name, with or without a path.
func CheckRoleARN(roleARN string) error {
	a, err := arn.Parse(roleARN)
	if err != nil || a.Service != "iam" || a.AccountID == "" || !strings.HasPrefix(a.Resource, "role/") ||
		strings.HasSuffix(a.Resource, "/") {
		return fmt.Errorf("stsfake: %q is not the ARN of a role", roleARN)
	}
	return nil
}

// allows reports whether the trust policy allows c, apart from MFA and external ID.
func (r *role) allows(c *credential) bool {
	root := arn.ARN{Partition: r.arn.Partition, Service: "iam", AccountID: c.account, Resource: "root"}.String()
	return r.callers == nil || slices.ContainsFunc([]string{c.arn, c.principal, c.account, root}, func(name string) bool {
		return slices.Contains(r.callers, name)
	})
}

// sessionARN is the ARN of a session of r. It does not contain the role's path, as with AWS.
func (r *role) sessionARN(session string) string {
	return arn.ARN{
		Partition: r.arn.Partition, Service: "sts", AccountID: r.arn.AccountID,
		Resource: "assumed-role/" + r.name + "/" + session,
	}.String()
}
