package tokenreview

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	audience = "pods.eks.amazonaws.com"
	ownToken = "own-token-of-the-daemon"
)

// expiry is when the tokens of tests expire.
var expiry = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// podToken is a token that has an expiry; the API server alone judges it.
func podToken() string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return part(`{"alg":"RS256","kid":"k"}`) + "." + part(fmt.Sprintf(`{"exp":%d,"sub":"forged"}`, expiry.Unix())) + "." + part("signature of the token")
}

// apiServer is a fake API server that answers with a status and a body, and keeps what it was sent.
type apiServer struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request)
	method string
	path   string
	header http.Header
	body   map[string]any
	asked  int
}

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	s := &apiServer{answer: accept(nil)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.method, s.path, s.header, s.body = r.Method, r.URL.Path, r.Header, nil
		s.asked++
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &s.body)
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// ca is the certificate of the fake server in PEM.
func (s *apiServer) ca() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

// reply answers with a status and a body.
func reply(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// accept answers that the token is the one of shop/web, after a change of the status.
func accept(change func(status map[string]any)) func(http.ResponseWriter, *http.Request) {
	status := map[string]any{
		"authenticated": true,
		"audiences":     []string{audience},
		"user": map[string]any{
			"username": "system:serviceaccount:shop:web", "uid": "sa-1", "groups": []string{"system:serviceaccounts"},
			"extra": map[string][]string{
				"authentication.kubernetes.io/pod-name": {"web-0"}, "authentication.kubernetes.io/pod-uid": {"pod-1"},
				"authentication.kubernetes.io/credential-id": {"JTI=1"},
			},
		},
	}
	if change != nil {
		change(status)
	}
	body, _ := json.Marshal(map[string]any{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": map[string]any{}, "status": status})
	return reply(http.StatusCreated, string(body))
}

// write writes a file in a folder and returns its path.
func write(t testing.TB, dir, name, content string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// config is a kubeconfig whose current context is c. The entries are in YAML's flow style, without braces.
func config(cluster, user string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: c, namespace: x}}]
clusters: [{name: c, cluster: {%s}}]
users: [{name: c, user: {%s}}]
`, cluster, user)
}

func encoded(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// noEnv is an environment without variables.
func noEnv(string) string { return "" }

// verifierOf makes the verifier of a fake server.
func verifierOf(t *testing.T, s *apiServer) *Verifier {
	t.Helper()
	text := config("server: "+s.URL+"/, certificate-authority-data: "+encoded(s.ca()), "token: "+ownToken)
	v, err := New(Options{Kubeconfig: write(t, t.TempDir(), "config", text), Audience: audience, Getenv: noEnv})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// clientPair makes a client certificate and its key in PEM.
func clientPair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "admin"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// holdsToken reports whether a text shows the pod's token or a part of it, or the daemon's own.
func holdsToken(text string) bool {
	for part := range strings.SplitSeq(podToken(), ".") {
		if strings.Contains(text, part) {
			return true
		}
	}
	return strings.Contains(text, ownToken)
}

// handlerWithSubject also keeps the name of the client certificate.
func handlerWithSubject(next func(http.ResponseWriter, *http.Request), subject *string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			*subject = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		next(w, r)
	}
}

// verifierWith is the verifier of a server behind an HTTP transport.
func verifierWith(transport http.RoundTripper) *Verifier {
	v := &Verifier{opt: Options{Audience: audience, Getenv: noEnv, Now: time.Now}}
	v.server.Store(&server{url: "https://c:6443", client: &http.Client{Transport: transport}})
	return v
}
