package podidentity

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// fuzzKeys and fuzzToken are the same in all processes that fuzz: Ed25519 signs without chance.
func fuzzKeys() []byte { return setOf(jose.JSONWebKey{Key: ed().Public(), KeyID: "ed"}) }

func fuzzToken(change ...any) string {
	return sign(jwt.SigningMethodEdDSA, ed(), map[string]any{"kid": "ed"}, claimsOf(change...))
}

// FuzzHandler sends any token through the handler with each verifier. Only tokens that the cluster signed may get credentials.
func FuzzHandler(f *testing.F) {
	signed := []string{fuzzToken(), fuzzToken("kubernetes.io", nil), fuzzToken("aud", audience)}
	for _, token := range signed {
		f.Add(token)
		f.Add("Bearer " + token)
		f.Add(token[:len(token)-1])
		f.Add(token + "=")
	}
	for _, token := range []string{
		"", "x", "..", "e30.e30.", "e30.e30.e30", fuzzToken("exp", "x"), fuzzToken("exp", 1e300), fuzzToken("exp", -1), fuzzToken("aud", 1), fuzzToken("sub", nil),
		sign(noneMethod, noneKey, nil, claimsOf()), sign(jwt.SigningMethodHS256, []byte("x"), map[string]any{"kid": 1}, claimsOf()),
		sign(jwt.SigningMethodEdDSA, ed(), map[string]any{"kid": nil, "crit": 1}, claimsOf()),
	} {
		f.Add(token)
	}
	jwks, err := NewJWKS(JWKSOptions{Document: fuzzKeys(), Audience: audience, Issuer: issuer, Now: atStart, Log: discard()})
	if err != nil {
		f.Fatal(err)
	}
	worlds := map[string]*world{
		"jwks":       {verifier: jwks, source: valid(), now: atStart},
		"remembered": {verifier: Remember(jwks, MemoryOptions{Remote: true, Now: atStart}), source: valid(), now: atStart},
		"none":       {verifier: Unverified(atStart), source: valid(), now: atStart},
	}
	f.Fuzz(func(t *testing.T, token string) {
		for name, w := range worlds {
			rec := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/v1/credentials", nil)
			r.Header["Authorization"] = []string{token}
			NewHandler(discard(), w)(rec, r)
			status, body := rec.Code, rec.Body.String()
			switch {
			case status == http.StatusOK && name != "none" && !sameToken(signed, token):
				t.Errorf("%s: 200 for %q", name, token)
			case status != http.StatusOK && status != http.StatusBadRequest && status != http.StatusNotFound && status != http.StatusServiceUnavailable:
				t.Errorf("%s: %d for %q", name, status, token)
			case status != http.StatusOK && !strings.HasSuffix(body, "\n"):
				t.Errorf("%s: %q for %q", name, body, token)
			}
		}
	})
}

// sameToken reports whether a token is one of a list, but for the last character: base64 ignores bits of it.
func sameToken(list []string, token string) bool {
	for _, signed := range list {
		if len(token) == len(signed) && token[:len(token)-1] == signed[:len(signed)-1] {
			return true
		}
	}
	return false
}

func FuzzKeySet(f *testing.F) {
	for _, seed := range []string{
		string(fuzzKeys()), `{}`, `{"keys":null}`, `{"keys":[{}]}`, `{"keys":[{"kty":"RSA","n":"","e":""}]}`, `{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""}]}`,
		`{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`, `{"keys":[{"kty":"RSA","x5c":["AA"]}]}`,
		`{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}]}`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	token := fuzzToken()
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := parseKeySet(text)
		if err != nil {
			return
		}
		for _, k := range set.keys {
			for _, algorithm := range []string{"none", "HS256", "HS384", "HS512", ""} {
				if k.fits(algorithm) {
					t.Errorf("a key of %s fits %q", text, algorithm)
				}
			}
		}
		j, err := NewJWKS(JWKSOptions{Document: text, Audience: audience, Now: atStart, Log: discard()})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = j.Verify(t.Context(), token)
	})
}
