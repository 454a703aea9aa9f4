package app

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/podidentity"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// Two roles of roles assume one IAM role by different external ids, each with a session policy.
const withPolicies = `
credentials: {source_profile: default, iam_role: 'arn:aws:iam::123456789012:role/myrole'}
roles:
  good: {iam_role: 'arn:aws:iam::123456789012:role/guarded', external_id: right-1}
  bad: {iam_role: 'arn:aws:iam::123456789012:role/guarded', external_id: wrong-1}
pod_identity:
  enabled: true
  verify: jwks
  associations:
    - {namespace: shop, service_account: good, role: good, policy: '{}'}
    - {namespace: shop, service_account: bad, role: bad, policy: '{}'}
server: {allow_clients: [0.0.0.0/0]}
`

func TestPodIdentity_NoAssociationTakesOverTheSessionOfAnother(t *testing.T) {
	u, sts := realMany(t, strings.Replace(withPolicies, "    - {namespace: shop, service_account: bad, role: bad, policy: '{}'}\n", "", 1))
	sts.AddRole("arn:aws:iam::123456789012:role/guarded", stsfake.ExternalID("right-1"))
	if code, _, body := u.pod(t, u.podToken(t, "shop", "good", "p")); code != 200 {
		t.Fatalf("got %d %s", code, body)
	}
	if err := u.reload(t, strings.Replace(withPolicies, "    - {namespace: shop, service_account: good, role: good, policy: '{}'}\n", "", 1)); err != nil {
		t.Fatal(err)
	}
	if code, _, body := u.pod(t, u.podToken(t, "shop", "bad", "p")); code != 400 || !strings.HasPrefix(body, "(AccessDeniedException)") {
		t.Errorf("the pod whose external id STS refuses: %d %s", code, body)
	}
}

// signerIn signs tokens by the key in a new directory.
func signerIn(t *testing.T) *podidentity.Signer {
	t.Helper()
	signer, err := podidentity.OpenSigner(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func tokenBy(t *testing.T, signer *podidentity.Signer) string {
	t.Helper()
	token, err := signer.Sign(podidentity.Token{
		Namespace: "shop", ServiceAccount: "web", Issuer: "https://issuer.example", Audience: "pods.eks.amazonaws.com",
		IssuedAt: time.Now(), Lifetime: 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestPodIdentity_ReloadReadsTheKeysAgain(t *testing.T) {
	old, fresh := signerIn(t), signerIn(t)
	file := filepath.Join(t.TempDir(), "jwks.json")
	testutil.Write(t, file, string(old.JWKS()))
	configuration := strings.Replace(withPods, "verify: jwks", "verify: jwks\n  jwks: "+file, 1)
	u, _ := realMany(t, configuration)
	token := tokenBy(t, old)
	if code, _, body := u.pod(t, token); code != 200 {
		t.Fatalf("got %d %s", code, body)
	}
	testutil.Write(t, file, string(fresh.JWKS()))
	if err := u.reload(t, configuration); err != nil {
		t.Fatal(err)
	}
	if code, _, body := u.pod(t, tokenBy(t, fresh)); code != 200 {
		t.Errorf("a token of the new key: %d %s", code, body)
	}
	if code, _, body := u.pod(t, token); code != 400 {
		t.Errorf("a remembered token of the old key: %d %s", code, body)
	}
}

// apiServer accepts or refuses all tokens. It returns a kubeconfig for it.
func apiServer(t *testing.T, accepts bool) (kubeconfig string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		status := map[string]any{"authenticated": false, "error": "invalid bearer token"}
		if accepts {
			status = map[string]any{
				"authenticated": true, "audiences": []string{"pods.eks.amazonaws.com"},
				"user": map[string]any{"username": "system:serviceaccount:shop:web", "uid": "u"},
			}
		}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": status})
	}))
	t.Cleanup(s.Close)
	return "current-context: a\nclusters: [{name: a, cluster: {server: '" + s.URL + "'}}]\nusers: [{name: a, user: {token: x}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
}

func TestPodIdentity_ReloadReadsTheKubeconfigAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(apiServer(t, true)), 0o600); err != nil {
		t.Fatal(err)
	}
	configuration := strings.Replace(withPods, "verify: jwks", "verify: tokenreview\n  kubeconfig: "+file, 1)
	u, _ := realMany(t, configuration)
	token := tokenBy(t, signerIn(t))
	if code, _, body := u.pod(t, token); code != 200 {
		t.Fatalf("got %d %s", code, body)
	}
	if err := os.WriteFile(file, []byte(apiServer(t, false)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := u.reload(t, configuration); err != nil {
		t.Fatal(err)
	}
	if code, _, body := u.pod(t, token); code != 400 {
		t.Errorf("the other cluster: %d %s", code, body)
	}
}

func TestPodIdentity_BadFileOfKeysIsRefusedAtTheStart(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/keys.json", "{}")
	testutil.Write(t, "conf/config.yaml", "credentials: {mock: true}\npod_identity: {enabled: true, listen: [], verify: jwks, jwks: keys.json}\n")
	l := load(t, "")
	const want = "conf/config.yaml:2: pod_identity.jwks: holds no public key for signatures; use the output of: kubectl get --raw /openid/v1/jwks"
	if _, err := Check(l); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	opt := options(l)
	opt.Listen, opt.WithoutListen = nil, true
	if _, err := New(t.Context(), opt); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
