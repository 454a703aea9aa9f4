package app

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mock-ec2-metadata/internal/podidentity"
)

// A verdict of the API counts for a minute: so long is a token good after its pod is gone, or the API.
func TestPodIdentity_ReviewCountsForAMinute(t *testing.T) {
	const deleted, away = 1, 2
	for name, tt := range map[string]struct {
		then   int32
		status int
		begins string
	}{
		"the pod is deleted": {deleted, http.StatusBadRequest, "(InvalidTokenException): "},
		"the API is away":    {away, http.StatusServiceUnavailable, "(ServiceUnavailableException): the token cannot be verified now"},
	} {
		t.Run(name, func(t *testing.T) {
			var now atomic.Int32
			kubeconfig := reviewing(t, func(string) bool {
				if now.Load() == away {
					panic(http.ErrAbortHandler)
				}
				return now.Load() != deleted
			})
			begin := time.Now()
			var offset atomic.Int64
			u := mocked(t, withReviews(kubeconfig), func() time.Time { return begin.Add(time.Duration(offset.Load())) })
			token := clusterToken(t, "a", clusterKey(t))
			if code, _, body := u.pod(t, token); code != http.StatusOK {
				t.Fatal(code, body)
			}
			now.Store(tt.then)
			offset.Store(int64(59 * time.Second))
			if code, _, body := u.pod(t, token); code != http.StatusOK {
				t.Errorf("within a minute: %d %s", code, body)
			}
			offset.Store(int64(time.Minute))
			if code, _, body := u.pod(t, token); code != tt.status || !strings.HasPrefix(body, tt.begins) {
				t.Errorf("after a minute: %d %s", code, body)
			}
		})
	}
}

// An association's policy is a session policy; with a target role it narrows that alone (container-credentials-reference section 5.5).
func TestPodIdentity_PolicyNarrowsTheLastRole(t *testing.T) {
	const policy = `{"Version":"2012-10-17"}`
	conf := strings.NewReplacer(
		"service_account: web, role: web", "service_account: web, role: web, policy: '"+policy+"'",
		"target_external_id: x-1", "target_external_id: x-1, policy: '"+policy+"'",
	).Replace(withPods)
	u, sts := realMany(t, conf)
	sts.AddRole("arn:aws:iam::210987654321:role/target")
	before := len(sts.Requests())
	for _, account := range []string{"web", "far"} {
		if code, _, body := u.pod(t, u.podToken(t, "shop", account, "p")); code != http.StatusOK {
			t.Fatalf("%s: %d %s", account, code, body)
		}
	}
	var got []string
	for _, r := range sts.Requests()[before:] {
		_, role, _ := strings.Cut(r.Form.Get("RoleArn"), ":role/")
		got = append(got, role+" "+r.Form.Get("Policy"))
	}
	if want := "web " + policy + ", web , target " + policy; strings.Join(got, ", ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// Whose sessions are narrowed does not change those of others.
	if code, _ := u.answer("/v2/credentials/"+u.id(t, "web"), "172.20.0.3:1"); code != http.StatusOK || sts.Requests()[len(sts.Requests())-1].Form.Get("Policy") != "" {
		t.Errorf("the id of web: %d, by a session with the policy", code)
	}
}

func TestPodIdentity_VerifyNoneChecksTimesAndNamesAlone(t *testing.T) {
	u := mocked(t, strings.Replace(withPods, "verify: jwks", "verify: none", 1), time.Now)
	token := clusterToken(t, "unknown", clusterKey(t))
	if code, _, body := u.pod(t, token); code != http.StatusOK {
		t.Errorf("a key that nobody knows: %d %s", code, body)
	}
	if code, _, body := u.pod(t, u.podToken(t, "shop", "web2", "p")); code != http.StatusNotFound {
		t.Errorf("no association: %d %s", code, body)
	}
	old := mocked(t, strings.Replace(withPods, "verify: jwks", "verify: none", 1), func() time.Time { return time.Now().Add(31 * 24 * time.Hour) })
	if code, _, body := old.pod(t, token); code != http.StatusBadRequest || body != "Service account token failed basic claim validations: token is expired" {
		t.Errorf("expired: %d %s", code, body)
	}
}

func TestPodIdentity_ForgedTokensAreRefusedBeforeSTS(t *testing.T) {
	u, sts := realMany(t, withPods)
	signer, err := podidentity.OpenSigner(StateDir(u.State().Config.Config))
	if err != nil {
		t.Fatal(err)
	}
	signed := func(issuer, audience string) string {
		token, err := signer.Sign(podidentity.Token{
			Namespace: "shop", ServiceAccount: "web", PodName: "p", Issuer: issuer, Audience: audience, IssuedAt: time.Now(), Lifetime: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	const audience = "pods.eks.amazonaws.com"
	right := signed(PodIssuer, audience)
	unsigned := jwt.New(jwt.SigningMethodNone).EncodeSegment([]byte(`{"alg":"none"}`)) + right[strings.Index(right, "."):strings.LastIndex(right, ".")] + "."
	before := sts.Calls("AssumeRole")
	for name, token := range map[string]string{
		"issuer": signed("https://other.example", audience), "audience": signed(PodIssuer, "sts.amazonaws.com"),
		"key": clusterToken(t, "a", clusterKey(t)), "no signature": unsigned,
	} {
		if code, _, body := u.pod(t, token); code != http.StatusBadRequest || !strings.HasPrefix(body, "(InvalidTokenException): ") {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if n := sts.Calls("AssumeRole") - before; n != 0 {
		t.Errorf("%d calls of STS", n)
	}
	if code, _, body := u.pod(t, right); code != http.StatusOK {
		t.Errorf("the right one: %d %s", code, body)
	}
}

// An API server that does not know audiences says so by leaving them out, and one of another audience names that.
func TestPodIdentity_ReviewIsForTheConfiguredAudience(t *testing.T) {
	conf := withReviews(reviewing(t, func(string) bool { return true }))
	u := mocked(t, strings.Replace(conf, "verify: tokenreview", "verify: tokenreview\n  audience: other.example", 1), time.Now)
	if code, _, body := u.pod(t, clusterToken(t, "a", clusterKey(t))); code != http.StatusBadRequest || !strings.HasPrefix(body, "(InvalidTokenException): ") {
		t.Errorf("%d %s", code, body)
	}
}
