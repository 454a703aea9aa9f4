package app

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

func TestCluster_PodsOfARoleMakeOneCall(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, realCluster, "app")
		w.addPods(50, "app")
		w.sts.Delay(300 * time.Millisecond)
		if keys := w.askAll(t, 50, "app"); len(keys) != 1 || w.sts.Calls("AssumeRole") != 1 {
			t.Errorf("%d sessions by %d calls", len(keys), w.sts.Calls("AssumeRole"))
		}
	})
}

func TestCluster_TagsOfEKSGiveEachPodASession(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, withSession("tags: eks"), "app")
		w.addPods(50, "app")
		w.sts.Delay(200 * time.Millisecond)
		keys := w.askAll(t, 50, "app")
		if len(keys) != 50 || w.sts.Calls("AssumeRole") != 50 {
			t.Errorf("%d sessions by %d calls", len(keys), w.sts.Calls("AssumeRole"))
		}
		if n := w.calls.mostAtOnce(); n > 16 || n < 2 { // 8 at first, see credentials.limiter
			t.Errorf("%d calls at once", n)
		}
		key := w.must(t, podAddress(7), "app")
		all, transitive := w.sts.Tags(key)
		for tag, want := range map[string]string{
			"eks-cluster-name": "local", "kubernetes-namespace": "shop", "kubernetes-service-account": "pod-7",
			"kubernetes-pod-name": "pod-7", "kubernetes-pod-uid": "uid-shop/pod-7",
		} {
			if all[tag] != want {
				t.Errorf("tag %s is %q, want %q", tag, all[tag], want)
			}
		}
		if len(all) != 6 || len(transitive) != 6 || !strings.HasPrefix(all["eks-cluster-arn"], "arn:aws:eks:") {
			t.Errorf("tags %v, transitive %v", all, transitive)
		}
	})
}

func TestCluster_ExternalIDsNeverShareASession(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, realCluster)
		w.sts.AddRole("arn:aws:iam::123456789012:role/app", stsfake.ExternalID("right"))
		const id = "iam.amazonaws.com/external-id"
		w.put("10.244.0.2", "shop/a", roleOf, "app", id, "right")
		w.put("10.244.0.3", "shop/b", roleOf, "app", id, "wrong")
		w.put("10.244.0.4", "shop/c", roleOf, "app")
		for range 3 {
			w.must(t, "10.244.0.2", "app")
			for _, other := range []string{"10.244.0.3", "10.244.0.4"} {
				if g := w.get(other, "app"); g.status != http.StatusOK || g.code != "AssumeRoleUnauthorizedAccess" || g.key != "" {
					t.Errorf("%s: %+v", other, g)
				}
			}
		}
		if status := w.do(http.MethodGet, "/status", "127.0.0.1:1").Body.String(); strings.Contains(status, "right") || strings.Contains(status, "wrong") {
			t.Errorf("/status shows an external id: %s", status)
		}
		if events := strings.Join(w.events(), "\n"); strings.Contains(events, `"wrong"`) || !strings.Contains(events, "pod shop/b: ") {
			t.Errorf("events: %s", events)
		}
	})
}

func TestCluster_ScopeSaysWhatHasASessionOfItsOwn(t *testing.T) {
	testutil.IsolateHome(t)
	for scope, want := range map[string]int{"role": 1, "service_account": 2, "pod": 4} {
		synctest.Test(t, func(t *testing.T) {
			w := newNodeWorld(t, withSession("scope: "+scope), "app")
			for i := range 4 {
				pod := w.put(podAddress(i), "shop/pod-"+strconv.Itoa(i), roleOf, "app").Pod
				pod.ServiceAccount = "account-" + strconv.Itoa(i%2) // no pod has asked yet
			}
			keys := w.askAll(t, 4, "app")
			if len(keys) != want || w.sts.Calls("AssumeRole") != want {
				t.Errorf("%s: %d sessions by %d calls", scope, len(keys), w.sts.Calls("AssumeRole"))
			}
			var owners []string
			for _, s := range w.App.Status().Kubernetes.Sessions {
				owners = append(owners, s.For)
			}
			slices.Sort(owners)
			expect := map[string]string{
				"role": "", "service_account": "service account shop/account-0, service account shop/account-1",
				"pod": "pod shop/pod-0, pod shop/pod-1, pod shop/pod-2, pod shop/pod-3",
			}
			if got := strings.Join(owners, ", "); got != expect[scope] {
				t.Errorf("%s: sessions for %q", scope, got)
			}
		})
	}
}

func TestCluster_PrefetchHidesTheCall(t *testing.T) {
	testutil.IsolateHome(t)
	for _, on := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newNodeWorld(t, withSession("prefetch: "+strconv.FormatBool(on)), "app")
			w.sts.Delay(400 * time.Millisecond)
			w.bound(w.put("10.244.0.2", "shop/a", roleOf, "app"))
			w.bound(w.put("10.244.0.3", "shop/none"))
			time.Sleep(500 * time.Millisecond)
			g := w.get("10.244.0.2", "app")
			if g.code != "Success" || (g.took == 0) != on || w.sts.Calls("AssumeRole") != 1 {
				t.Errorf("prefetch %v: %+v after %d calls", on, g, w.sts.Calls("AssumeRole"))
			}
		})
	}
}

func TestCluster_SessionIsRenewedWhileItIsUsed(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, withSession("idle: 5m"), "app")
		w.put("10.244.0.2", "shop/a", roleOf, "app")
		seen := map[string]bool{}
		for range 6 * 60 {
			seen[w.must(t, "10.244.0.2", "app")] = true
			time.Sleep(time.Minute)
		}
		used := w.sts.Calls("AssumeRole")
		if used < 6 || len(seen) < used-1 || len(seen) > used { // the last may not have been handed out
			t.Errorf("%d calls in 6 hours gave %d sessions", used, len(seen))
		}
		time.Sleep(6 * time.Hour)
		if n := w.sts.Calls("AssumeRole"); n > used+1 {
			t.Errorf("%d calls without a request", n-used)
		}
		idle := w.sts.Calls("AssumeRole")
		w.must(t, "10.244.0.2", "app")
		if n := w.sts.Calls("AssumeRole"); n != idle+1 {
			t.Errorf("%d calls of the first request since", n-idle)
		}
	})
}

// A pod that went does not keep its session alive: 15 minutes after its last use there is no renewal.
func TestCluster_NoRenewalWithoutPods(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, withSession("scope: pod"), "app")
		w.put("10.244.0.2", "shop/a", roleOf, "app")
		w.must(t, "10.244.0.2", "app")
		w.remove("10.244.0.2")
		time.Sleep(3 * time.Hour)
		w.put("10.244.0.3", "shop/b", roleOf, "app")
		w.must(t, "10.244.0.3", "app")
		if n := w.sts.Calls("AssumeRole"); n != 2 {
			t.Errorf("%d calls", n)
		}
		if sessions := w.App.Status().Kubernetes.Sessions; len(sessions) != 1 || sessions[0].Pods != 1 {
			t.Errorf("sessions: %+v", sessions)
		}
	})
}

func TestCluster_RefusalsAreToldAndFailuresAreNot(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, realCluster, "app")
		w.sts.AddRole("arn:aws:iam::123456789012:role/closed", stsfake.Callers("arn:aws:iam::123456789012:user/other"))
		w.put("10.244.0.2", "shop/a", roleOf, "closed")
		if g := w.get("10.244.0.2", "closed"); g.status != http.StatusOK || g.code != "AssumeRoleUnauthorizedAccess" || g.message == "" {
			t.Errorf("refused by STS: %+v", g)
		}
		if events := w.events(); len(events) != 1 || !strings.HasPrefix(events[0], "pod shop/a: ") || !strings.Contains(events[0], "closed") {
			t.Errorf("events: %q", events)
		}
		w.sts.Fail(stsfake.ServiceUnavailable)
		w.put("10.244.0.3", "shop/b", roleOf, "app")
		for range 3 {
			if g := w.get("10.244.0.3", "app"); g.status != http.StatusServiceUnavailable || g.took > patience {
				t.Errorf("STS away: %+v", g)
			}
		}
		if events := w.events(); len(events) != 1 {
			t.Errorf("events: %q", events)
		}
		w.sts.Recover()
		time.Sleep(time.Minute)
		w.must(t, "10.244.0.3", "app")
	})
}

// Finding the pod and STS together may take no longer than each alone.
func TestCluster_SlowLookUpShortensTheWait(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, realCluster, "app")
		w.put("10.244.0.2", "shop/a", roleOf, "app")
		w.sts.Hang()
		w.slow = 700 * time.Millisecond
		if g := w.get("10.244.0.2", "app"); g.status != http.StatusServiceUnavailable || g.took > patience {
			t.Errorf("%+v", g)
		}
	})
}

func TestCluster_WaitingForMFAIsToldToThePod(t *testing.T) {
	testutil.IsolateHome(t)
	synctest.Test(t, func(t *testing.T) {
		w := newNodeWorld(t, strings.Replace(realCluster, "source_profile: default", "source_profile: default, mfa_serial: '"+mfaDevice+"'", 1))
		w.sts.SetMFA("developer", "123456")
		w.sts.AddRole("arn:aws:iam::123456789012:role/app", stsfake.MFA())
		w.put("10.244.0.2", "shop/a", roleOf, "app")
		if g := w.get("10.244.0.2", "app"); g.status != http.StatusOK || g.code == "Success" || !strings.Contains(g.message, "mfa CODE") {
			t.Errorf("%+v", g)
		}
		if w.MFASerial() != mfaDevice {
			t.Errorf("device %q", w.MFASerial())
		}
		if _, err := w.AnswerMFA(t.Context(), "123456"); err != nil {
			t.Fatal(err)
		}
		w.must(t, "10.244.0.2", "app")
	})
}

// All pods of a session ask the laptop as the first of them.
func TestCluster_LongAnnotationOfOnePodIsNoQuestionOfOthers(t *testing.T) {
	u, p, _ := cluster(t, withCluster)
	p.put("10.244.0.2", "shop/long", "mock-ec2-metadata/role", "cart", roleOf, strings.Repeat("x", 100_000))
	p.put("10.244.0.3", "shop/cart", roleOf, "cart")
	ids := make([]*clientIdentity, 2)
	for i, address := range []string{"10.244.0.2", "10.244.0.3"} {
		u.from(address+":1", rolesPath+"cart")
		ids[i] = u.State().ofPodAt(p.at[netip.MustParseAddr(address)].Workload).id
	}
	if ids[0] != ids[1] || len(ids[0].grant.subject.Pod.Annotations) != 1 {
		t.Errorf("shared: %t, annotations of %d bytes", ids[0] == ids[1], len(ids[0].grant.subject.Pod.Annotations[roleOf]))
	}
}
