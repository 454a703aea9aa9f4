package app

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/podidentity"
	"mock-ec2-metadata/internal/testutil"
)

const taggedPods = `
credentials: {mock: true, duration: 15m, refresh_before: 5m, iam_role: 'arn:aws:iam::123456789012:role/myrole'}
roles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web'}}
pod_identity:
  enabled: true
  verify: none
  session_tags: true
  associations: [{namespace: shop, service_account: web, role: web}]
server: {allow_clients: [0.0.0.0/0]}
`

// unsigned is the token of a pod, which nothing verifies.
func unsigned(pod int) string {
	part := func(s string) string { return jwt.New(jwt.SigningMethodNone).EncodeSegment([]byte(s)) }
	claims := fmt.Sprintf(`{"exp":%d,"sub":"system:serviceaccount:shop:web","kubernetes.io":{"namespace":"shop","serviceaccount":{"name":"web"},"pod":{"name":"p-%d","uid":"u-%d"}}}`,
		time.Now().Add(time.Hour).Unix(), pod, pod)
	return part(`{"alg":"RS256"}`) + "." + part(claims) + ".x0"
}

// collect makes the garbage collector take what nobody holds, and returns how much is left. A stack that was interrupted may hold
// something for one more round.
func collect() (heap uint64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// Each pod has a session of its own.
func TestPodIdentity_TenThousandPodsThatAreGoneLeaveNothing(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", taggedPods)
	const pods = 10_000
	synctest.Test(t, func(t *testing.T) {
		u := newUnserved(t, options(load(t, "")))
		u.begin(t)
		u.Settle(t.Context())
		ask := func(pod int) {
			if code, _, body := u.pod(t, unsigned(pod)); code != http.StatusOK {
				t.Fatal(code, body)
			}
		}
		ask(0)
		heap, running := collect(), runtime.NumGoroutine()
		for i := range pods {
			ask(i)
		}
		used := collect()
		ids := u.State().identities
		t.Logf("%d pods: %d keepers, %d identities, %d goroutines more, %d KiB more", pods, len(u.pool.Keepers()), len(ids.workloads), runtime.NumGoroutine()-running, (used-heap)/1024)
		if got := len(ids.workloads); got > maxWorkloads {
			t.Errorf("%d identities", got)
		}
		time.Sleep(time.Hour)
		ask(0)
		left := collect()
		if keepers, more := len(u.pool.Keepers()), runtime.NumGoroutine()-running; keepers > 2 || more > 0 || len(ids.workloads) > 1 {
			t.Errorf("%d keepers, %d identities and %d goroutines more after an hour", keepers, len(ids.workloads), more)
		}
		t.Logf("after an hour %d KiB more", (int64(left)-int64(heap))/1024)
		if got := len(u.Status().Identities); got != 2 {
			t.Errorf("/status lists %d identities, want the role and one pod", got)
		}
		runtime.KeepAlive(u)
	})
}

func TestPodIdentity_StatusListsAPodUntilItsSessionEnds(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", taggedPods)
	synctest.Test(t, func(t *testing.T) {
		u := newUnserved(t, options(load(t, "")))
		u.begin(t)
		u.Settle(t.Context())
		if code, _, body := u.pod(t, unsigned(1)); code != http.StatusOK {
			t.Fatal(code, body)
		}
		for _, tt := range []struct {
			pause time.Duration
			want  int // the role, and the pod
		}{{0, 2}, {2 * tidyEvery, 2}, {time.Hour, 1}} {
			time.Sleep(tt.pause)
			if got := len(u.Status().Identities); got != tt.want {
				t.Errorf("%d identities after %v more, want %d", got, tt.pause, tt.want)
			}
		}
	})
}

func TestIdentities_SignaturesOutliveTheSession(t *testing.T) {
	testutil.IsolateHome(t)
	testutil.Write(t, "conf/config.yaml", strings.Replace(withContainers, "123456789012:role/dev-", "210987654321:role/dev-", 1))
	synctest.Test(t, func(t *testing.T) {
		e := &engine{workloads: map[string]*caller.Workload{}}
		opt := options(load(t, ""))
		opt.Containers = func(config.Containers) (Locator, error) { return e, nil }
		u := newUnserved(t, opt)
		u.begin(t)
		e.put("172.20.0.2", "arn:aws:iam::210987654321:role/dev-7")
		sign := func() string {
			u.from("172.20.0.2:1", rolesPath+"dev-7")
			return u.from("172.20.0.2:1", "dynamic/instance-identity/pkcs7")
		}
		want := sign()
		time.Sleep(24 * time.Hour)
		u.Status()
		if got := sign(); got != want || len(got) < 500 {
			t.Errorf("the signature changed from\n%s\nto\n%s", want, got)
		}
	})
}

// Beyond maxWorkloads, identities are forgotten while their pods run.
func TestPodIdentity_ForgottenIdentityKeepsItsSession(t *testing.T) {
	u, sts := realMany(t, strings.Replace(withPods, "verify: jwks", "verify: jwks\n  session_tags: true", 1))
	token := u.podToken(t, "shop", "web", "p")
	_, want, body := u.pod(t, token)
	if body != "" {
		t.Fatal(body)
	}
	calls := sts.Calls("AssumeRole")
	forget := func() {
		ids := u.State().identities
		ids.mu.Lock()
		clear(ids.workloads)
		ids.mu.Unlock()
		collect()
	}
	forget()
	if _, got, body := u.pod(t, token); got != want || sts.Calls("AssumeRole") != calls {
		t.Errorf("got %+v %s after %d more calls, want %+v", got, body, sts.Calls("AssumeRole")-calls, want)
	}
	forget()
	if err := u.Reload("the test"); err != nil {
		t.Fatal(err)
	}
	if _, got, body := u.pod(t, token); got != want {
		t.Errorf("got %+v %s after a reload, want %+v", got, body, want)
	}
}

func TestIdentities_NumberIsBounded(t *testing.T) {
	u := many(t, taggedPods)
	for i := range maxWorkloads + 10 {
		u.State().ofPod(&podidentity.Claims{Namespace: "shop", ServiceAccount: "web", PodName: fmt.Sprint(i)})
	}
	if got := len(u.State().identities.workloads); got != maxWorkloads {
		t.Errorf("%d identities, want %d", got, maxWorkloads)
	}
}

func TestIdentities_TreeIsMadeOnlyForTheMetadataService(t *testing.T) {
	u := many(t, taggedPods)
	if code, _, body := u.pod(t, unsigned(1)); code != http.StatusOK {
		t.Fatal(code, body)
	}
	if code, body := u.answer("/v2/credentials/"+u.id(t, "web"), "127.0.0.1:1"); code != http.StatusOK {
		t.Fatal(code, body)
	}
	ids := u.State().identities
	for _, id := range append(ids.ofWorkloads(), ids.roles["web"]) {
		if id.made.Load() == nil || id.metadata.Load() != nil {
			t.Errorf("%s%s: credentials %v, tree %v", id.pod, id.grant.name, id.made.Load() != nil, id.metadata.Load() != nil)
		}
	}
	if u.from("127.0.0.1:1", rolesPath) != "myrole" || ids.file.metadata.Load().target != u.State().Target {
		t.Error("the file's own tree is not that of the state")
	}
}
