package app

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"mock-ec2-metadata/internal/testutil"
)

// clusterKey is a new key of a cluster.
func clusterKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// writeKeys writes a key set of one key.
func writeKeys(t *testing.T, file, id string, k *rsa.PrivateKey) {
	t.Helper()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &k.PublicKey, KeyID: id, Algorithm: "RS256", Use: "sig"}}})
	if err == nil {
		err = os.WriteFile(file, set, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// clusterToken is a token of shop/web that lasts 30 days. No two are equal.
func clusterToken(t *testing.T, id string, k *rsa.PrivateKey) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"aud": []string{"pods.eks.amazonaws.com"}, "sub": "system:serviceaccount:shop:web", "jti": rand.Text(),
		"exp": time.Now().Add(30 * 24 * time.Hour).Unix(),
	})
	token.Header["kid"] = id
	text, err := token.SignedString(k)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// reviewing is an API server that judges tokens as tokens of shop/web. It returns its kubeconfig.
func reviewing(t *testing.T, valid func(token string) bool) (kubeconfig string) {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct{ Spec struct{ Token string } }
		_ = json.NewDecoder(r.Body).Decode(&review)
		status := map[string]any{"authenticated": false, "error": "bad"}
		if valid(review.Spec.Token) {
			status = map[string]any{
				"authenticated": true, "audiences": []string{"pods.eks.amazonaws.com"},
				"user": map[string]any{"username": "system:serviceaccount:shop:web", "uid": "u"},
			}
		}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": status})
	}))
	t.Cleanup(api.Close)
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := "current-context: a\nclusters: [{name: a, cluster: {server: '" + api.URL + "'}}]\nusers: [{name: a, user: {token: x}}]\n" +
		"contexts: [{name: a, context: {cluster: a, user: a}}]\n"
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// withReviews is withPods, verified by an API server.
func withReviews(kubeconfig string) string {
	return strings.Replace(withPods, "verify: jwks", "verify: tokenreview\n  kubeconfig: "+kubeconfig, 1)
}

// mocked is a daemon with a clock, whose credentials are made up.
func mocked(t *testing.T, conf string, now func() time.Time) *unserved {
	t.Helper()
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", strings.Replace(conf, "source_profile: default", "mock: true", 1))
	opt := options(load(t, ""))
	opt.Now = now
	u := newUnserved(t, opt)
	u.begin(t)
	return u
}

func TestPodIdentity_RememberedTokenEndsWithItsKey(t *testing.T) {
	old, fresh := clusterKey(t), clusterKey(t)
	file := filepath.Join(t.TempDir(), "jwks.json")
	writeKeys(t, file, "old", old)
	var offset atomic.Int64
	u := mocked(t, strings.Replace(withPods, "verify: jwks", "verify: jwks\n  jwks: "+file, 1), func() time.Time {
		return time.Now().Add(time.Duration(offset.Load()))
	})
	token := clusterToken(t, "old", old)
	for range 2 {
		if code, _, body := u.pod(t, token); code != 200 {
			t.Fatal(code, body)
		}
	}
	writeKeys(t, file, "fresh", fresh)
	offset.Store(int64(time.Minute))
	if code, _, body := u.pod(t, clusterToken(t, "fresh", fresh)); code != 200 {
		t.Errorf("a token of the new key: %d %s", code, body)
	}
	for name, token := range map[string]string{"the remembered": token, "another": clusterToken(t, "old", old)} {
		if code, _, body := u.pod(t, token); code != 400 {
			t.Errorf("%s token of the removed key: %d %s", name, code, body)
		}
	}
}

func TestPodIdentity_BadTokensOfOneClientDoNotStarvePodsOfOthers(t *testing.T) {
	kubeconfig := reviewing(t, func(token string) bool { return !strings.HasSuffix(token, "x0") })
	now := time.Now() // stands still, so that no place comes back
	u := mocked(t, withReviews(kubeconfig), func() time.Time { return now })
	segment := jwt.New(jwt.SigningMethodNone).EncodeSegment
	var flood sync.WaitGroup
	var refused atomic.Int32
	for c := range 8 { // more than one client may send, and than all together may
		flood.Go(func() {
			for i := range 400 {
				claims := fmt.Sprintf(`{"exp":%d,"n":%d}`, time.Now().Add(time.Hour).Unix(), c*1000+i)
				code, _ := u.answer("/v1/credentials", "172.20.6.6:1", "Authorization", segment([]byte(`{"alg":"RS256"}`))+"."+segment([]byte(claims))+".x0")
				if code == http.StatusServiceUnavailable {
					refused.Add(1)
				}
			}
		})
	}
	flood.Wait()
	if refused.Load() < 1000 {
		t.Errorf("only %d of the bad tokens were not verified", refused.Load())
	}
	if code, body := u.answer("/v1/credentials", "172.20.0.9:1", "Authorization", clusterToken(t, "a", clusterKey(t))); code != 200 {
		t.Errorf("a good token of another address: %d %s", code, body)
	}
}

func TestPodIdentity_ReloadWhileATokenIsVerifiedIsNotSeen(t *testing.T) {
	asked, answer := make(chan struct{}, 1), make(chan struct{})
	conf := withReviews(reviewing(t, func(string) bool { asked <- struct{}{}; <-answer; return true }))
	u, sts := realMany(t, conf)
	type outcome struct {
		code     int
		document podDocument
		body     string
	}
	done := make(chan outcome, 1)
	token := clusterToken(t, "a", clusterKey(t))
	go func() {
		code, document, body := u.pod(t, token)
		done <- outcome{code, document, body}
	}()
	<-asked
	if err := u.reload(t, strings.Replace(conf, "service_account: web, role: web", "service_account: web, role: jobs", 1)); err != nil {
		t.Fatal(err)
	}
	close(answer)
	got := <-done
	if got.code != 200 || sts.Principal(got.document.AccessKeyId) != "arn:aws:iam::123456789012:role/jobs" {
		t.Errorf("got %d %s of %s", got.code, got.body, sts.Principal(got.document.AccessKeyId))
	}
}
