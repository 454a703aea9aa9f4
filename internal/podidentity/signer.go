package podidentity

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// Signer signs tokens of service accounts for pods that no cluster runs. It uses RS256, as Kubernetes does by default and as every
// verifier of OpenID Connect must accept. It is immutable.
type Signer struct {
	key  *rsa.PrivateKey
	id   string // kid
	jwks []byte
}

// Token says what a token is to claim. PodName and PodUID may be "": such a token is bound to no pod. All others are required.
type Token struct {
	Namespace, ServiceAccount string
	PodName                   string
	PodUID                    string // "" with a PodName: one that follows from namespace and name
	Issuer, Audience          string
	IssuedAt                  time.Time
	Lifetime                  time.Duration
}

// newSigner makes the signer of a key. Its id is the key's thumbprint (RFC 7638).
func newSigner(private *rsa.PrivateKey) (*Signer, error) {
	public := jose.JSONWebKey{Key: &private.PublicKey, Algorithm: "RS256", Use: "sig"}
	thumbprint, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	if err != nil {
		return nil, err
	}
	return &Signer{private, public.KeyID, jwks}, nil
}

// Format redacts under every verb.
func (*Signer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "token signer [redacted]") }

// JWKS returns the public key as a JSON Web Key Set, in which its id is its thumbprint. It is not secret, and must not be changed.
func (s *Signer) JWKS() []byte { return s.jwks }

// Sign returns a token with the claims of a projected service account token (container-credentials-reference section 5.5). It is
// secret. No two tokens are equal. The error names the field that is wrong, and the fix.
func (s *Signer) Sign(t Token) (string, error) {
	switch {
	case !isName(t.Namespace):
		return "", fmt.Errorf("namespace %q: not a name of Kubernetes; use letters, digits and -", t.Namespace)
	case !isName(t.ServiceAccount):
		return "", fmt.Errorf("service account %q: not a name of Kubernetes; use letters, digits, - and dots", t.ServiceAccount)
	case !IsPod(t.PodName, t.PodUID):
		return "", fmt.Errorf("pod %q with UID %q: not names of Kubernetes; use letters, digits, - and dots", t.PodName, t.PodUID)
	case t.PodName == "" && t.PodUID != "":
		return "", fmt.Errorf("pod UID %q: the pod has no name; name it", t.PodUID)
	case t.Issuer == "":
		return "", errors.New("issuer of the token: empty; set pod_identity.issuer")
	case t.Audience == "":
		return "", errors.New("audience of the token: empty; set pod_identity.audience")
	case t.Lifetime < time.Second:
		return "", fmt.Errorf("lifetime %s of the token: shorter than a second; make it longer", t.Lifetime)
	}
	issued := t.IssuedAt.Truncate(time.Second)
	claims := &tokenClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    t.Issuer,
			Subject:   "system:serviceaccount:" + t.Namespace + ":" + t.ServiceAccount,
			Audience:  jwt.ClaimStrings{t.Audience},
			ExpiresAt: jwt.NewNumericDate(t.IssuedAt.Add(t.Lifetime)),
			NotBefore: jwt.NewNumericDate(issued),
			IssuedAt:  jwt.NewNumericDate(issued),
			ID:        newUID(),
		},
		Kubernetes: &kubernetesClaim{
			Namespace:      t.Namespace,
			ServiceAccount: objectRef{t.ServiceAccount, uidOf("serviceaccount", t.Namespace, t.ServiceAccount)},
		},
	}
	if t.PodName != "" {
		uid := t.PodUID
		if uid == "" {
			uid = uidOf("pod", t.Namespace, t.PodName)
		}
		claims.Kubernetes.Pod = &objectRef{t.PodName, uid}
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = s.id
	return token.SignedString(s.key)
}

// newUID returns a random UUID.
func newUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return uuid(b[:])
}

// uidOf returns the UUID of an object that only exists in tokens: always the same one. Names hold no slash.
func uidOf(kind, namespace, name string) string {
	sum := sha256.Sum256([]byte("pod identity " + kind + "/" + namespace + "/" + name))
	return uuid(sum[:16])
}

// uuid formats 16 bytes as a UUID of version 4, as Kubernetes' are. It changes b.
func uuid(b []byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
