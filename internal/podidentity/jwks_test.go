package podidentity

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

var (
	noneMethod jwt.SigningMethod = jwt.SigningMethodNone
	noneKey                      = jwt.UnsafeAllowNoneSignatureType
)

func TestJWKS_AcceptsTheAlgorithmsOfItsKeys(t *testing.T) {
	want := &Claims{
		Namespace: "shop", ServiceAccount: "web", ServiceAccountUID: "sa-1", PodName: "web-0", PodUID: "pod-1", Expires: start.Add(time.Hour),
	}
	for _, tt := range []struct {
		method jwt.SigningMethod
		key    any
		id     string
	}{
		{jwt.SigningMethodRS256, rsaKey(), "rsa"},
		{jwt.SigningMethodRS384, rsaKey(), "rsa"},
		{jwt.SigningMethodRS512, rsaKey(), "rsa"},
		{jwt.SigningMethodPS256, rsaKey(), "rsa"},
		{jwt.SigningMethodPS384, rsaKey(), "rsa"},
		{jwt.SigningMethodPS512, rsaKey(), "rsa"},
		{jwt.SigningMethodES256, p256(), "p256"},
		{jwt.SigningMethodES384, p384(), "p384"},
		{jwt.SigningMethodES512, p521(), "p521"},
		{jwt.SigningMethodEdDSA, ed(), "ed"},
		{jwt.SigningMethodRS256, rsaKey(), ""},
	} {
		t.Run(tt.method.Alg()+" "+tt.id, func(t *testing.T) {
			header := map[string]any{"kid": tt.id}
			if tt.id == "" {
				header = nil
			}
			got, err := fixedJWKS(t, atStart).Verify(t.Context(), sign(tt.method, tt.key, header, claimsOf()))
			if err != nil {
				t.Fatal(err)
			}
			got.Expires = got.Expires.UTC()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

func TestJWKS_RefusesForgedTokens(t *testing.T) {
	const (
		algorithm = "the algorithm of the token is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA; use a token that the cluster signed"
		noKey     = "no key has the key id and the algorithm of the token; make one with: mock-ec2-metadata token"
		signature = "the signature of the token is wrong; make one with: mock-ec2-metadata token"
		crit      = "the token demands extensions (crit), which are not supported; use a token that the cluster signed"
	)
	der, _ := x509.MarshalPKIXPublicKey(&rsaKey().PublicKey)
	spki := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	own, _ := json.Marshal(jose.JSONWebKey{Key: &otherRSA().PublicKey, KeyID: "rsa"})
	parts := strings.Split(good(), ".")
	other := strings.Split(good("sub", "system:serviceaccount:kube-system:admin"), ".")
	header := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	id := func(name string) map[string]any { return map[string]any{"kid": name} }
	for _, tt := range []struct{ name, token, want string }{
		{"alg none", sign(noneMethod, noneKey, id("p256"), claimsOf()), algorithm},
		{"alg none, with a signature", header(`{"alg":"none"}`) + "." + parts[1] + "." + parts[2], algorithm},
		{"HS256 by the public key in PEM", sign(jwt.SigningMethodHS256, spki, id("rsa"), claimsOf()), algorithm},
		{"HS256 by the public key in DER", sign(jwt.SigningMethodHS256, der, id("rsa"), claimsOf()), algorithm},
		{"HS512 by the key set", sign(jwt.SigningMethodHS512, clusterKeys(), id("p256"), claimsOf()), algorithm},
		{"another key under a known id", sign(jwt.SigningMethodRS256, otherRSA(), id("rsa"), claimsOf()), signature},
		{"another key without an id", sign(jwt.SigningMethodRS256, otherRSA(), nil, claimsOf()), signature},
		{"another key in the header", sign(jwt.SigningMethodRS256, otherRSA(), map[string]any{"jwk": json.RawMessage(own)}, claimsOf()), signature},
		{"another key by jku and x5u", sign(jwt.SigningMethodRS256, otherRSA(), map[string]any{"kid": "rsa", "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/"}, claimsOf()), signature},
		{"unknown id", sign(jwt.SigningMethodRS256, rsaKey(), id("new"), claimsOf()), noKey},
		{"id that is a path", sign(jwt.SigningMethodRS256, rsaKey(), id("../../../../dev/null"), claimsOf()), noKey},
		{"id that is a query", sign(jwt.SigningMethodRS256, rsaKey(), id("rsa' OR '1'='1"), claimsOf()), noKey},
		{"key of another type", sign(jwt.SigningMethodRS256, rsaKey(), id("p256"), claimsOf()), noKey},
		{"key of another curve", sign(jwt.SigningMethodES256, p256(), id("p384"), claimsOf()), noKey},
		{"algorithm that the key set forbids", sign(jwt.SigningMethodRS512, rsaKey(), id("rs256"), claimsOf()), noKey},
		{"claims of another token", parts[0] + "." + other[1] + "." + parts[2], signature},
		{"header of another token", header(`{"alg":"ES256","kid":"p256","a":1}`) + "." + parts[1] + "." + parts[2], signature},
		{"no signature", parts[0] + "." + parts[1] + ".", signature},
		{"signature of zeros", parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)), signature},
		{"crit", sign(jwt.SigningMethodES256, p256(), map[string]any{"kid": "p256", "crit": []string{"b64"}, "b64": false}, claimsOf()), crit},
	} {
		t.Run(tt.name, func(t *testing.T) { refused(t, fixedJWKS(t, atStart), tt.token, tt.want) })
	}
}

func TestKey_FitsTheAlgorithmsOfItsTypeAlone(t *testing.T) {
	for _, tt := range []struct {
		name   string
		public any
		want   []string
	}{
		{"RSA", &rsaKey().PublicKey, []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
		{"P-256", &p256().PublicKey, []string{"ES256"}},
		{"P-384", &p384().PublicKey, []string{"ES384"}},
		{"P-521", &p521().PublicKey, []string{"ES512"}},
		{"Ed25519", ed().Public(), []string{"EdDSA"}},
		{"secret", []byte("x"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, algorithm := range append(slices.Clone(algorithms), "none", "HS256", "") {
				k := key{public: tt.public}
				if got, want := k.fits(algorithm), slices.Contains(tt.want, algorithm); got != want {
					t.Errorf("fits %q: %v", algorithm, got)
				}
			}
		})
	}
}

func TestJWKS_RefusesClaimsThatAreNotOfAPod(t *testing.T) {
	const (
		sub   = "the claim sub of the token is not system:serviceaccount:<namespace>:<name>; use the token of a service account"
		agree = "the claims sub and kubernetes.io of the token name different service accounts; use a token that Kubernetes made"
		names = "the claim kubernetes.io of the token holds a name that Kubernetes does not allow; use a token that Kubernetes made"
		read  = "the claims or the signature of the token cannot be read; use the token of a service account"
	)
	k8s := func(namespace, name, pod string) map[string]any {
		return map[string]any{
			"namespace": namespace, "serviceaccount": map[string]any{"name": name}, "pod": map[string]any{"name": pod},
		}
	}
	for _, tt := range []struct{ name, token, want string }{
		{"issuer", good("iss", "https://evil"), `the issuer of the token is "https://evil" and not "https://kubernetes.default.svc"; correct pod_identity.issuer, or use a token of that cluster`},
		{"no issuer", good("iss", nil), `the issuer of the token is "" and not "https://kubernetes.default.svc"; correct pod_identity.issuer, or use a token of that cluster`},
		{"audience", good("aud", []string{"vault", "sts"}), `the audience of the token is "vault, sts" and not "pods.eks.amazonaws.com"; project the token with the audience pods.eks.amazonaws.com`},
		{"no audience", good("aud", nil), `the audience of the token is "" and not "pods.eks.amazonaws.com"; project the token with the audience pods.eks.amazonaws.com`},
		{"longer audience", good("aud", audience+".cn"), `the audience of the token is "pods.eks.amazonaws.com.cn" and not "pods.eks.amazonaws.com"; project the token with the audience pods.eks.amazonaws.com`},
		{"expired", good("exp", start.Unix()), "the token is expired; read the token file for each request"},
		{"not valid yet", good("nbf", start.Unix()+1), "the token is not valid yet; set the clocks of the cluster and of this machine"},
		{"no exp", good("exp", nil), "the token has no claim exp; use a projected token, not the one of a Secret"},
		{"user", good("sub", "system:node:n"), sub},
		{"no sub", good("sub", nil), sub},
		{"sub with three names", good("sub", "system:serviceaccount:shop:web:x"), sub},
		{"sub without a name", good("sub", "system:serviceaccount:shop:"), sub},
		{"sub with a line end", good("sub", "system:serviceaccount:shop:web\n"), sub},
		{"sub of another namespace", good("sub", "system:serviceaccount:Shop:web"), agree},
		{"sub of another account", good("kubernetes.io", k8s("shop", "admin", "x")), agree},
		{"kubernetes.io without names", good("kubernetes.io", map[string]any{}), agree},
		{"pod with a line end", good("kubernetes.io", k8s("shop", "web", "x\ny")), names},
		{"kubernetes.io of another type", good("kubernetes.io", "shop"), read},
	} {
		t.Run(tt.name, func(t *testing.T) { refused(t, fixedJWKS(t, atStart), tt.token, tt.want) })
	}
}

// refused checks that a verifier refuses a token with a text that holds nothing of the token.
func refused(t *testing.T, v Verifier, token, want string) {
	t.Helper()
	got, err := v.Verify(t.Context(), token)
	if _, is := errors.AsType[*Refusal](err); !is || got != nil {
		t.Fatalf("got %+v, %v", got, err)
	}
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	for part := range strings.SplitSeq(token, ".") {
		if part != "" && strings.Contains(err.Error(), part) {
			t.Errorf("%s holds a part of the token", err)
		}
	}
}

func TestJWKS_AllowsAnyIssuerIfNoneIsConfigured(t *testing.T) {
	j, err := NewJWKS(JWKSOptions{Document: clusterKeys(), Audience: audience, Now: atStart, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Verify(t.Context(), good("iss", "https://elsewhere")); err != nil {
		t.Error(err)
	}
}

func TestUnverified_ChecksClaimsAndTimesAlone(t *testing.T) {
	v := Unverified(atStart)
	unsigned := func(change ...any) string { return sign(noneMethod, noneKey, nil, claimsOf(change...)) }
	got, err := v.Verify(t.Context(), unsigned("aud", nil, "iss", nil))
	if err != nil || got.Namespace != "shop" || got.PodName != "web-0" {
		t.Errorf("got %+v, %v", got, err)
	}
	refused(t, v, unsigned("exp", start.Unix()), "the token is expired or not valid yet; read the token file for each request")
	refused(t, v, unsigned("exp", nil), "the token has no claim exp; use a projected token, not the one of a Secret")
	refused(t, v, "e30.e30.", "the claims or the signature of the token cannot be read; use the token of a service account")
}

func TestKeySet_LeavesOutKeysThatVerifyNothing(t *testing.T) {
	const none = "pod_identity.jwks holds no public key for signatures; use the output of: kubectl get --raw /openid/v1/jwks"
	const noSet = "pod_identity.jwks is not a JSON Web Key Set; use the output of: kubectl get --raw /openid/v1/jwks"
	unknown := []byte(`{"keys":[{"kty":"XYZ","kid":"x"},{"kty":"OKP","crv":"X25519","x":"AA"},1,` +
		strings.TrimPrefix(string(clusterKeys()), `{"keys":[`))
	for _, tt := range []struct {
		name string
		text []byte
		keys int
		want string // error
	}{
		{"beside unknown ones", unknown, 6, ""},
		{"secret", setOf(jose.JSONWebKey{Key: []byte("secret"), KeyID: "s"}), 0, none},
		{"private", setOf(jose.JSONWebKey{Key: p256(), KeyID: "p"}), 0, none},
		{"for encryption", setOf(jose.JSONWebKey{Key: &p256().PublicKey, Use: "enc"}), 0, none},
		{"short", []byte(`{"keys":[{"kty":"RSA","n":"` + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 128)) + `","e":"AQAB"}]}`), 0, none},
		{"empty", []byte(`{"keys":[]}`), 0, none},
		{"no set", []byte(`{}`), 0, none},
		{"HTML", []byte(`<html>`), 0, noSet},
		{"nothing", nil, 0, noSet},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, err := parseKeySet(tt.text)
			switch {
			case tt.want != "" && (err == nil || err.Error() != tt.want):
				t.Errorf("got %v", err)
			case tt.want == "" && (err != nil || len(set.keys) != tt.keys):
				t.Errorf("got %+v, %v", set, err)
			}
		})
	}
}
