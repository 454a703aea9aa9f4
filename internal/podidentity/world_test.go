package podidentity

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/web"
)

const (
	ok, bad, absent = "200 OK", "400 Bad Request", "404 Not Found"
	forbidden, away = "403 Forbidden", "503 Service Unavailable"

	audience = "pods.eks.amazonaws.com"
	issuer   = "https://kubernetes.default.svc"
	document = `{"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",` +
		`"Token":"IQoJb3JpZ2lu+/==","AccountId":"123456789012","Expiration":"2030-01-01T00:00:00Z"}`
	absentPage = "404 page not found\n"
)

// start is the time of tests whose clock stands still.
var start = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func atStart() time.Time { return start }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// The keys of the cluster are made once: RSA keys take time.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 2048); return k })
	otherRSA = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 2048); return k })
	p256     = sync.OnceValue(func() *ecdsa.PrivateKey { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return k })
	p384     = sync.OnceValue(func() *ecdsa.PrivateKey { k, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader); return k })
	p521     = sync.OnceValue(func() *ecdsa.PrivateKey { k, _ := ecdsa.GenerateKey(elliptic.P521(), rand.Reader); return k })
	ed       = sync.OnceValue(func() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) })
)

// setOf is a key set in JSON.
func setOf(keys ...jose.JSONWebKey) []byte {
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		panic(err)
	}
	return text
}

// clusterKeys is the key set of the cluster: an id for each kind of key.
func clusterKeys() []byte {
	return setOf(
		jose.JSONWebKey{Key: &rsaKey().PublicKey, KeyID: "rsa", Use: "sig"},
		jose.JSONWebKey{Key: &rsaKey().PublicKey, KeyID: "rs256", Algorithm: "RS256"},
		jose.JSONWebKey{Key: &p256().PublicKey, KeyID: "p256", Use: "sig", Algorithm: "ES256"},
		jose.JSONWebKey{Key: &p384().PublicKey, KeyID: "p384"},
		jose.JSONWebKey{Key: &p521().PublicKey, KeyID: "p521"},
		jose.JSONWebKey{Key: ed().Public(), KeyID: "ed"},
	)
}

// claimsOf are the claims of a good token of shop/web at the time start, changed by the pairs of key and value; nil removes one.
func claimsOf(change ...any) jwt.MapClaims {
	c := jwt.MapClaims{
		"aud": []string{audience}, "iss": issuer, "sub": "system:serviceaccount:shop:web", "jti": "1",
		"exp": start.Add(time.Hour).Unix(), "nbf": start.Unix(), "iat": start.Unix(),
		"kubernetes.io": map[string]any{
			"namespace": "shop", "serviceaccount": map[string]any{"name": "web", "uid": "sa-1"},
			"pod": map[string]any{"name": "web-0", "uid": "pod-1"}, "node": map[string]any{"name": "n", "uid": "node-1"},
		},
	}
	for i := 0; i < len(change); i += 2 {
		if c[change[i].(string)] = change[i+1]; change[i+1] == nil {
			delete(c, change[i].(string))
		}
	}
	return c
}

// sign signs claims. header may be nil.
func sign(method jwt.SigningMethod, key any, header map[string]any, c jwt.MapClaims) string {
	token := jwt.NewWithClaims(method, c)
	maps.Copy(token.Header, header)
	text, err := token.SignedString(key)
	if err != nil {
		panic(err)
	}
	return text
}

// good is a valid token of shop/web, changed as by claimsOf.
func good(change ...any) string {
	return sign(jwt.SigningMethodES256, p256(), map[string]any{"kid": "p256"}, claimsOf(change...))
}

// fixedJWKS verifies tokens by clusterKeys.
func fixedJWKS(t testing.TB, now func() time.Time) *JWKS {
	t.Helper()
	j, err := NewJWKS(JWKSOptions{Document: clusterKeys(), Audience: audience, Issuer: issuer, Now: now, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// verifierFunc is a Verifier.
type verifierFunc func(ctx context.Context, token string) (*Claims, error)

func (f verifierFunc) Verify(ctx context.Context, token string) (*Claims, error) {
	return f(ctx, token)
}

// source is what Credentials returns.
type source struct {
	c   *Credentials
	err error
}

func (s *source) Credentials(context.Context) (*Credentials, error) { return s.c, s.err }

func valid() *source {
	return &source{c: NewCredentials("ASIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2lu+/==",
		"123456789012", time.Date(2030, 1, 1, 2, 0, 0, 999, time.FixedZone("", 2*60*60)))}
}

// world is a Selector and the associations of its service: shop/web has one.
type world struct {
	verifier Verifier
	source   CredentialSource
	now      func() time.Time
	err      error // of Select
	findErr  error
	panics   any
}

func newWorld(t testing.TB) *world {
	return &world{verifier: fixedJWKS(t, atStart), source: valid(), now: atStart}
}

func (w *world) Select(*http.Request) (*Service, error) {
	if w.panics != nil {
		panic(w.panics)
	}
	return &Service{Verifier: w.verifier, Associations: w, Cluster: "local", Now: w.now}, w.err
}

func (w *world) Find(_ *http.Request, pod *Claims) (CredentialSource, error) {
	if w.findErr != nil {
		return nil, w.findErr
	}
	if pod.Namespace != "shop" || pod.ServiceAccount != "web" {
		return nil, nil //nolint:nilnil // no association
	}
	return w.source, nil
}

// serve serves the handler as the daemon does: it sets the header Server, and normalises paths for its routes.
func serve(t *testing.T, log *slog.Logger, s Selector) (addr string) {
	t.Helper()
	handler := NewHandler(log, s)
	srv := httptest.NewServer(web.CleanPath(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Server"] = []string{"EC2ws"}
		handler(w, r)
	})))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// ask sends a request without a client library, which would change it.
func ask(t *testing.T, addr, request string) (status string, header http.Header, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	line, rest, _ := strings.Cut(request, "\n")
	raw := line + " HTTP/1.1\nHost: 169.254.170.23\nConnection: close\n" + rest
	fmt.Fprint(conn, strings.ReplaceAll(strings.TrimRight(raw, "\n"), "\n", "\r\n")+"\r\n\r\n")
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	resp.Header.Del("Date")
	resp.Header.Del("Connection")
	return resp.Status, resp.Header, string(b)
}

// textOf are the headers of an error, all but Date and Connection.
func textOf(body string) http.Header {
	return http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "Content-Length": {fmt.Sprint(len(body))}, "X-Content-Type-Options": {"nosniff"},
	}
}

// requestTest is one request and its whole answer. A nil header is that of a document or of a text, as the status says.
type requestTest struct {
	name, request, status string
	body                  string // of HEAD: what GET gets
	header                http.Header
}

func runRequests(t *testing.T, s Selector, tests []requestTest) {
	t.Helper()
	addr := serve(t, discard(), s)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, header, body := ask(t, addr, tt.request)
			want := textOf(tt.body)
			switch tt.status {
			case ok:
				want = http.Header{"Content-Type": {"application/json"}, "Content-Length": {fmt.Sprint(len(tt.body))}}
			case away:
				want["Retry-After"] = []string{"1"}
			}
			maps.Copy(want, tt.header)
			if status != tt.status {
				t.Errorf("status %q, want %q", status, tt.status)
			}
			if diff := cmp.Diff(want, header); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if strings.HasPrefix(tt.request, "HEAD ") {
				tt.body = ""
			}
			if diff := cmp.Diff(tt.body, body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}
