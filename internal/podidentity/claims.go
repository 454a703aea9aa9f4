package podidentity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Claims are what a verified token says of its pod.
type Claims struct {
	Namespace, ServiceAccount string
	ServiceAccountUID         string // "" if the token does not say
	// PodName and PodUID are "" for a token that is bound to no pod.
	PodName, PodUID string
	// Expires is the end of the token's life, and always set.
	Expires time.Time
}

// Verifier decides about tokens. It may be called concurrently.
type Verifier interface {
	// Verify returns what a valid token says. Its error is a *Refusal if the token is not valid; any other error means that this
	// could not be found out, and the client may retry. No error contains the token.
	Verify(ctx context.Context, token string) (*Claims, error)
}

// Refusal says why a token is not valid, and the fix. It does not contain the token.
type Refusal struct{ Message string }

func (r *Refusal) Error() string { return r.Message }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// hasBearer reports whether a client has put "Bearer " before its token, which no SDK does.
func hasBearer(token string) bool {
	const scheme = "Bearer "
	return len(token) > len(scheme) && strings.EqualFold(token[:len(scheme)], scheme)
}

// malformed returns the agent's text about a token that it does not pass on: row 3 of the decision table (container-credentials-
// reference section 0), or "". reason and hint are for the log: other than text they quote nothing of the token.
func malformed(token string, now time.Time) (text, reason, hint string) {
	claims := &jwt.RegisteredClaims{}
	// The agent, with version 5.2.2 of the parser, does not decode the signature.
	unsigned := token[:strings.LastIndexByte(token, '.')+1]
	if _, _, err := jwt.NewParser().ParseUnverified(unsigned, claims); err != nil {
		hint = "set AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE to the file of the pod's token"
		if hasBearer(token) {
			hint = `remove "Bearer " from the header Authorization: it must be the token alone`
		}
		return "Service account token cannot be parsed: " + err.Error(), "the service account token cannot be parsed", hint
	}
	err := jwt.NewValidator(jwt.WithTimeFunc(func() time.Time { return now })).Validate(claims)
	switch {
	case err == nil:
		return "", "", ""
	case errors.Is(err, jwt.ErrTokenExpired):
		reason, hint = "the service account token is expired", "read the token file for each request: the kubelet renews it"
	default:
		reason, hint = "the service account token is not valid yet", "set the clocks of the cluster and of this machine"
	}
	return "Service account token failed basic claim validations: " + err.Error(), reason, hint
}

// ParseSubject splits the name of a service account as user: system:serviceaccount:<namespace>:<name>.
func ParseSubject(subject string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(subject, "system:serviceaccount:")
	if !ok {
		return "", "", false
	}
	namespace, name, _ = strings.Cut(rest, ":")
	return namespace, name, isName(namespace) && isName(name)
}

// Expiry returns the claim exp of a token that another verifier has found valid. ok is false without one.
func Expiry(token string) (t time.Time, ok bool) {
	claims := &jwt.RegisteredClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil || claims.ExpiresAt == nil {
		return time.Time{}, false
	}
	return claims.ExpiresAt.Time, true
}

// tokenClaims are the claims of a projected service account token (container-credentials-reference section 5.5).
type tokenClaims struct {
	jwt.RegisteredClaims
	Kubernetes *kubernetesClaim `json:"kubernetes.io,omitempty"`
}

type kubernetesClaim struct {
	Namespace      string     `json:"namespace"`
	Pod            *objectRef `json:"pod,omitempty"`
	ServiceAccount objectRef  `json:"serviceaccount"`
}

type objectRef struct {
	Name string `json:"name"`
	UID  string `json:"uid,omitempty"`
}

// pod returns what the claims say, whose signature has been checked. The times are the caller's to check.
func (c *tokenClaims) pod() (*Claims, error) {
	namespace, name, ok := ParseSubject(c.Subject)
	if !ok {
		return nil, refuse("the claim sub of the token is not system:serviceaccount:<namespace>:<name>; use the token of a service account")
	}
	if c.ExpiresAt == nil {
		return nil, refuse("the token has no claim exp; use a projected token, not the one of a Secret")
	}
	pod := &Claims{Namespace: namespace, ServiceAccount: name, Expires: c.ExpiresAt.Time}
	k := c.Kubernetes
	if k == nil {
		return pod, nil
	}
	if k.Namespace != namespace || k.ServiceAccount.Name != name {
		return nil, refuse("the claims sub and kubernetes.io of the token name different service accounts; use a token that Kubernetes made")
	}
	pod.ServiceAccountUID = k.ServiceAccount.UID
	if k.Pod != nil {
		pod.PodName, pod.PodUID = k.Pod.Name, k.Pod.UID
	}
	if !IsPod(pod.PodName, pod.PodUID) || (pod.ServiceAccountUID != "" && !isName(pod.ServiceAccountUID)) {
		return nil, refuse("the claim kubernetes.io of the token holds a name that Kubernetes does not allow; use a token that Kubernetes made")
	}
	return pod, nil
}

// IsPod reports whether a pod can have this name and UID. Both are "" for no pod.
func IsPod(name, uid string) bool {
	return (name == "" || isName(name)) && (uid == "" || isName(uid))
}

// isName reports whether a text can name an object of Kubernetes. Capitals are allowed here: they get "no association" rather than
// an answer about the token. A name that passes is safe in messages and session tags.
func isName(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return s != "" && len(s) <= 253
}

// Unverified returns a Verifier that checks no signature, issuer or audience: anyone can write such a token. It is only for
// made-up credentials.
func Unverified(now func() time.Time) Verifier { return unverified{now} }

type unverified struct{ now func() time.Time }

func (u unverified) Verify(_ context.Context, token string) (*Claims, error) {
	claims := &tokenClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		return nil, refuse("the claims or the signature of the token cannot be read; use the token of a service account")
	}
	if err := jwt.NewValidator(jwt.WithTimeFunc(u.now)).Validate(claims); err != nil {
		return nil, refuse("the token is expired or not valid yet; read the token file for each request")
	}
	return claims.pod()
}
