package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mock-ec2-metadata/internal/podidentity"
	"mock-ec2-metadata/internal/testutil"
)

const withPods = `
credentials: {source_profile: default, iam_role: 'arn:aws:iam::123456789012:role/myrole'}
roles:
  web: {iam_role: 'arn:aws:iam::123456789012:role/web'}
  jobs: {iam_role: 'arn:aws:iam::123456789012:role/jobs', session_tags: {team: red}}
pod_identity:
  enabled: true
  verify: jwks
  associations:
    - {namespace: shop, service_account: web, role: web}
    - {namespace: shop, service_account: jobs, role: jobs}
    - {namespace: shop, service_account: far, role: web, target_role: 'arn:aws:iam::210987654321:role/target', target_external_id: x-1}
server: {allow_clients: [0.0.0.0/0]}
`

// podToken signs a token of a pod by the daemon's own key.
func (u *unserved) podToken(t testing.TB, namespace, account, pod string) string {
	t.Helper()
	signer, err := podidentity.OpenSigner(StateDir(u.State().Config.Config))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(podidentity.Token{
		Namespace: namespace, ServiceAccount: account, PodName: pod, Issuer: PodIssuer, Audience: "pods.eks.amazonaws.com",
		IssuedAt: time.Now(), Lifetime: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// podDocument is what a pod gets, without the secrets.
type podDocument struct{ AccessKeyId, AccountId, Expiration string } //nolint:revive // the document's names

func (u *unserved) pod(t *testing.T, token string) (code int, document podDocument, body string) {
	t.Helper()
	code, body = u.answer("/v1/credentials", "172.20.0.2:1", "Authorization", token)
	if code == http.StatusOK {
		if err := json.Unmarshal([]byte(body), &document); err != nil {
			t.Fatal(err)
		}
		body = "" // it has secrets
	}
	return code, document, body
}

func TestPodIdentity_AssociationDecidesByExactNames(t *testing.T) {
	u, sts := realMany(t, withPods)
	code, document, body := u.pod(t, u.podToken(t, "shop", "web", "web-1"))
	if code != 200 || sts.Principal(document.AccessKeyId) != "arn:aws:iam::123456789012:role/web" || document.AccountId != "123456789012" {
		t.Errorf("got %d %s", code, body)
	}
	for _, other := range [][2]string{{"shop", "web2"}, {"shop2", "web"}, {"web", "shop"}} {
		code, _, body := u.pod(t, u.podToken(t, other[0], other[1], "p"))
		if code != 404 || !strings.HasPrefix(body, "(ResourceNotFoundException): ") || !strings.Contains(body, other[0]) || !strings.Contains(body, other[1]) || !strings.HasSuffix(body, ", fault: client") {
			t.Errorf("%v: got %d %s", other, code, body)
		}
	}
}

func TestPodIdentity_PodsOfARoleShareOneSession(t *testing.T) {
	u, sts := realMany(t, withPods)
	before := sts.Calls("AssumeRole")
	var asking sync.WaitGroup
	for i := range 20 {
		token := u.podToken(t, "shop", "web", fmt.Sprintf("web-%d", i))
		asking.Go(func() {
			if code, _, body := u.pod(t, token); code != 200 {
				t.Errorf("got %d %s", code, body)
			}
		})
	}
	asking.Wait()
	if n := sts.Calls("AssumeRole") - before; n != 1 {
		t.Errorf("%d calls of STS", n)
	}
	// A container that gets the role by its id has the same session.
	if code, _ := u.answer("/v2/credentials/"+u.id(t, "web"), "172.20.0.3:1"); code != 200 || sts.Calls("AssumeRole")-before != 1 {
		t.Errorf("by id: %d, %d calls", code, sts.Calls("AssumeRole")-before)
	}
}

func TestPodIdentity_SessionTagsAreOfThePod(t *testing.T) {
	u, sts := realMany(t, strings.Replace(withPods, "verify: jwks", "verify: jwks\n  session_tags: true", 1))
	_, one, body := u.pod(t, u.podToken(t, "shop", "jobs", "jobs-1"))
	_, two, _ := u.pod(t, u.podToken(t, "shop", "jobs", "jobs-2"))
	_, again, _ := u.pod(t, u.podToken(t, "shop", "jobs", "jobs-1"))
	if one.AccessKeyId == "" || one.AccessKeyId == two.AccessKeyId || one != again {
		t.Fatalf("sessions %v, %v, %v: %s", one, two, again, body)
	}
	requests := sts.Requests()
	form := requests[len(requests)-2].Form
	tags := map[string]string{}
	var transitive []string
	for i := 1; form.Get(fmt.Sprintf("Tags.member.%d.Key", i)) != ""; i++ {
		tags[form.Get(fmt.Sprintf("Tags.member.%d.Key", i))] = form.Get(fmt.Sprintf("Tags.member.%d.Value", i))
	}
	for i := 1; form.Get(fmt.Sprintf("TransitiveTagKeys.member.%d", i)) != ""; i++ {
		transitive = append(transitive, form.Get(fmt.Sprintf("TransitiveTagKeys.member.%d", i)))
	}
	for key, want := range map[string]string{
		"team": "red", "eks-cluster-arn": "arn:aws:eks:us-east-1:123456789012:cluster/local", "eks-cluster-name": "local", "kubernetes-namespace": "shop",
		"kubernetes-service-account": "jobs", "kubernetes-pod-name": "jobs-1",
	} {
		if tags[key] != want {
			t.Errorf("tag %s is %q, want %q", key, tags[key], want)
		}
	}
	if len(tags) != 7 || len(tags["kubernetes-pod-uid"]) != 36 || len(transitive) != 6 || slices.Contains(transitive, "team") {
		t.Errorf("tags %v, transitive %v", tags, transitive)
	}
}

func TestPodIdentity_TargetRoleIsAssumedByTheFirst(t *testing.T) {
	u, sts := realMany(t, withPods)
	sts.AddRole("arn:aws:iam::210987654321:role/target")
	before := sts.Calls("AssumeRole")
	code, document, body := u.pod(t, u.podToken(t, "shop", "far", "far-1"))
	if code != 200 || sts.Principal(document.AccessKeyId) != "arn:aws:iam::210987654321:role/target" || document.AccountId != "210987654321" {
		t.Errorf("got %d %s", code, body)
	}
	requests := sts.Requests()
	if last := requests[len(requests)-1].Form; sts.Calls("AssumeRole")-before != 2 || last.Get("ExternalId") != "x-1" {
		t.Errorf("%d calls, the last with %v", sts.Calls("AssumeRole")-before, last)
	}
}

func TestPodIdentity_ReloadTakesAnAssociationAwayAtOnce(t *testing.T) {
	u, sts := realMany(t, withPods)
	token := u.podToken(t, "shop", "web", "web-1")
	if code, _, body := u.pod(t, token); code != 200 {
		t.Fatalf("got %d %s", code, body)
	}
	before := sts.Calls("AssumeRole")
	if err := u.reload(t, strings.Replace(withPods, "    - {namespace: shop, service_account: web, role: web}\n", "", 1)); err != nil {
		t.Fatal(err)
	}
	if code, _, body := u.pod(t, token); code != 404 {
		t.Errorf("without the association: %d %s", code, body)
	}
	if err := u.reload(t, withPods); err != nil {
		t.Fatal(err)
	}
	if code, _, body := u.pod(t, token); code != 200 || sts.Calls("AssumeRole") > before+1 {
		t.Errorf("with it again: %d %s, %d calls", code, body, sts.Calls("AssumeRole")-before)
	}
	if err := u.reload(t, strings.Replace(withPods, "enabled: true", "enabled: false", 1)); err != nil {
		t.Fatal(err)
	}
	if code, _, body := u.pod(t, token); code != 400 || !strings.Contains(body, "NoIdInRequest") {
		t.Errorf("disabled: %d %s", code, body)
	}
}

func TestPodIdentity_UnrelatedReloadKeepsSessions(t *testing.T) {
	u, sts := realMany(t, strings.Replace(withPods, "verify: jwks", "verify: jwks\n  session_tags: true", 1))
	token := u.podToken(t, "shop", "web", "web-1")
	_, first, _ := u.pod(t, token)
	before := sts.Calls("AssumeRole")
	if err := u.reload(t, strings.Replace(withPods, "verify: jwks", "verify: jwks\n  session_tags: true", 1)+"log: {level: warn}\n"); err != nil {
		t.Fatal(err)
	}
	if _, again, body := u.pod(t, token); again != first || sts.Calls("AssumeRole") != before {
		t.Errorf("%v, then %v %s; %d calls", first, again, body, sts.Calls("AssumeRole")-before)
	}
}

func TestPodIdentity_OneRoleIsNotAnothers(t *testing.T) {
	u, sts := realMany(t, withPods)
	for account, role := range map[string]string{"web": "web", "jobs": "jobs"} {
		if _, d, body := u.pod(t, u.podToken(t, "shop", account, "p")); sts.Principal(d.AccessKeyId) != "arn:aws:iam::123456789012:role/"+role {
			t.Errorf("%s: %s", account, body)
		}
	}
}

func TestPodIdentity_RefusedRoleIs400WithTheCodeOfSTS(t *testing.T) {
	u, _ := realMany(t, withPods) // the target role does not exist
	code, _, body := u.pod(t, u.podToken(t, "shop", "far", "far-1"))
	if code != 400 || !strings.HasPrefix(body, "(AccessDeniedException): ") || !strings.HasSuffix(body, ", fault: client") {
		t.Errorf("got %d %s", code, body)
	}
}

func TestPodIdentity_KubeconfigIsNeededForTokenReviews(t *testing.T) {
	testutil.IsolateHome(t)
	t.Setenv("KUBECONFIG", "")
	testutil.Write(t, "conf/config.yaml", "credentials: {mock: true}\npod_identity: {enabled: true, listen: ['127.0.0.1:0']}\n")
	opt := options(load(t, ""))
	opt.Listen, opt.WithoutListen = nil, true
	_, err := New(t.Context(), opt)
	if err == nil || !strings.Contains(err.Error(), "pod_identity.kubeconfig: ") || !strings.HasSuffix(err.Error(), "; or set pod_identity.verify to jwks") {
		t.Errorf("got %v", err)
	}
}
