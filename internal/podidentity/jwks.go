package podidentity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// algorithms are those that a token may be signed with. None of them takes a secret that verifiers know too.
var algorithms = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
}

// JWKSOptions select the keys of tokens. Audience, Now and Log are required, and one of Source and Document.
type JWKSOptions struct {
	// Source is a file or an http or https URL of a JSON Web Key Set, such as /openid/v1/jwks of the API server. It is read on
	// first use, once an hour, and for key ids that it does not hold yet.
	Source string
	// Document is a key set that never changes: that of Signer.JWKS.
	Document []byte
	Audience string // a token must be for it, maybe among others
	Issuer   string // a token must be of it; "" allows any
	// Client fetches the URL. nil is a client with the proxies of the environment.
	Client *http.Client
	Now    func() time.Time
	Log    *slog.Logger
}

// JWKS verifies tokens by the public keys of the cluster. It does not notice that a pod is gone before its token expires.
type JWKS struct {
	opt  JWKSOptions
	keys *keySource
	fix  string // for a token that none of the keys has signed
}

// NewJWKS makes a verifier. It reads Document; Source it reads on first use. Its error names the fix.
func NewJWKS(opt JWKSOptions) (*JWKS, error) {
	keys, err := newKeySource(opt)
	if err != nil {
		return nil, err
	}
	j := &JWKS{opt: opt, keys: keys, fix: "use a token of the cluster of pod_identity.jwks"}
	if opt.Document != nil {
		j.fix = "make one with: mock-ec2-metadata token"
	}
	return j, nil
}

// Verify implements Verifier.
func (j *JWKS) Verify(ctx context.Context, token string) (*Claims, error) {
	parser := jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithoutClaimsValidation())
	claims := &tokenClaims{}
	unverified, _, err := parser.ParseUnverified(token, claims)
	if err != nil {
		return nil, refuse("the claims or the signature of the token cannot be read; use the token of a service account")
	}
	algorithm := unverified.Method.Alg()
	if !slices.Contains(algorithms, algorithm) {
		return nil, refuse("the algorithm of the token is none of %s; use a token that the cluster signed", strings.Join(algorithms, ", "))
	}
	if _, there := unverified.Header["crit"]; there {
		return nil, refuse("the token demands extensions (crit), which are not supported; use a token that the cluster signed")
	}
	// The key id only picks a key of the configured set. Headers that hold or locate keys (jwk, jku, x5c, x5u) are ignored.
	id, _ := unverified.Header["kid"].(string)
	candidates, err := j.candidates(ctx, id, algorithm)
	if err != nil {
		return nil, err
	}
	claims = &tokenClaims{}
	_, err = parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return candidates, nil })
	if err != nil {
		return nil, refuse("the signature of the token is wrong; %s", j.fix)
	}
	return j.check(claims)
}

// generation implements generational.
func (j *JWKS) generation() uint64 { return j.keys.generation() }

// check checks claims whose signature is right. So the messages may quote them.
func (j *JWKS) check(c *tokenClaims) (*Claims, error) {
	now := j.opt.Now()
	switch {
	case j.opt.Issuer != "" && c.Issuer != j.opt.Issuer:
		return nil, refuse("the issuer of the token is %.200q and not %q; correct pod_identity.issuer, or use a token of that cluster", c.Issuer, j.opt.Issuer)
	case !slices.Contains(c.Audience, j.opt.Audience):
		return nil, refuse("the audience of the token is %.200q and not %q; project the token with the audience %[2]s", strings.Join(c.Audience, ", "), j.opt.Audience)
	case c.ExpiresAt != nil && !now.Before(c.ExpiresAt.Time):
		return nil, refuse("the token is expired; read the token file for each request")
	case c.NotBefore != nil && now.Before(c.NotBefore.Time):
		return nil, refuse("the token is not valid yet; set the clocks of the cluster and of this machine")
	}
	return c.pod()
}

// candidates returns the keys that may have signed a token: those with its id, or without any, that fit its algorithm.
func (j *JWKS) candidates(ctx context.Context, id, algorithm string) (jwt.VerificationKeySet, error) {
	var found jwt.VerificationKeySet
	set, err := j.keys.current(ctx)
	if err != nil {
		return found, err
	}
	if id != "" && !set.has(id) {
		if set, err = j.keys.renewed(ctx, set); err != nil {
			return found, err
		}
	}
	for _, k := range set.keys {
		if (id == "" || k.id == "" || k.id == id) && k.fits(algorithm) {
			found.Keys = append(found.Keys, k.public)
		}
	}
	if len(found.Keys) == 0 {
		return found, refuse("no key has the key id and the algorithm of the token; %s", j.fix)
	}
	return found, nil
}

// fits reports whether an algorithm belongs to the type of a key, and to the algorithm that the key set says.
func (k *key) fits(algorithm string) bool {
	if k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P256():
			return algorithm == "ES256"
		case elliptic.P384():
			return algorithm == "ES384"
		case elliptic.P521():
			return algorithm == "ES512"
		}
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

// errNoWait is the cause when a request ended before the keys were there.
var errNoWait = errors.New("pod_identity.jwks: the keys are still being fetched; check that the source answers quickly")

// sourceError names the source of keys as the key of the configuration. A URL may hold a password.
func sourceError(err error, fix string) error {
	return fmt.Errorf("pod_identity.jwks cannot be read: %w; %s", err, fix)
}
