package cluster

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

const daemonStatus = `{
 "status": "ok", "version": "1", "instance_id": "i-1", "credentials": {"source": "relay", "state": "idle"},
 "identities": [{"instance_id": "i-1", "credentials_id": "secret-id", "credentials": {"source": "relay", "state": "valid"}}],
 "kubernetes": {
  "node": "cp-1", "pods": 5, "watch_age_seconds": 4, "synced": true, "find": ["watch", "proc"], "lookups": {}, "relay": {"connected": true},
  "assigned": [
   {"namespace": "shop", "name": "web", "role": "checkout", "source": "annotation"},
   {"namespace": "shop", "name": "job", "role": "admin", "denied": "kubernetes.rules.namespaces.shop does not allow it"},
   {"namespace": "kube-system", "name": "dns"},
   {"namespace": "shop", "name": "irsa", "own": "AWS_WEB_IDENTITY_TOKEN_FILE is in its spec"}
  ],
  "sessions": [
   {"role": "checkout", "pods": 1, "credentials": {"source": "relay", "state": "valid", "expiration": "2000-01-01T02:00:00Z"}},
   {"role": "checkout", "pods": 1, "credentials": {"source": "relay", "state": "valid", "expiration": "2000-01-01T01:00:00Z"}}
  ]
 }
}`

func TestStatus_PrintsNodesAndPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, opt, out := installed(t, "kubeadm")
		opt.Now = func() time.Time { return time.Date(2000, 1, 1, 0, 30, 0, 0, time.UTC) }
		w.answer["exec --namespace=mock-ec2-metadata daemon-cp-1 --container=daemon -- /mock-ec2-metadata-kube status --daemon --json"] = daemonStatus
		w.fail["exec --namespace=mock-ec2-metadata daemon-worker-1 "] = "error: unable to upgrade connection: container not found (\"daemon\")"
		w.answer["daemon-worker-3 "] = strings.Replace(daemonStatus, `"status": "ok"`, `"status": "degraded", "identity_error": "no key"`, 1)
		delete(w.objects, "Pod|mock-ec2-metadata|daemon-worker-2")
		err := newCluster(t, opt).Status(t.Context(), false)
		wantError(t, err, "3 of 4 nodes not well: worker-1 unreachable, worker-2 unreachable, worker-3 degraded")
		want := `registry.test/mock:1 in the namespace mock-ec2-metadata of context test

NODE      STATE        PODS  SESSIONS  API HEARD  RELAY      ERROR
cp-1      ok           5     2         4s ago     connected  -
worker-1  unreachable  -     -         -          -          ` +
			`kubectl exec --namespace=mock-ec2-metadata daemon-worker-1 --container=daemon -- /mock-ec2-metadata-kube status --daemon --json: ` +
			`unable to upgrade connection: container not found ("daemon")
worker-2  unreachable  -  -  -       -          the node is not ready
worker-3  degraded     5  2  4s ago  connected  no key

POD        NODE      ROLE      SESSION           NOTE
shop/irsa  cp-1      -         -                 never asks: AWS_WEB_IDENTITY_TOKEN_FILE is in its spec
shop/job   cp-1      admin     -                 refused: kubernetes.rules.namespaces.shop does not allow it
shop/web   cp-1      checkout  valid, 30m0s left  -
`
		// columns are as wide as they must be
		got := strings.Fields(out.String())
		if diff := cmp.Diff(strings.Fields(want), got[:min(len(got), len(strings.Fields(want)))]); diff != "" {
			t.Errorf("%s\n%s", diff, out)
		}
	})
}

func TestStatus_JSONHoldsNoSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, opt, out := installed(t, "kind")
		w.answer[" exec "] = daemonStatus
		if err := newCluster(t, opt).Status(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		var report Report
		if err := json.Unmarshal([]byte(out.String()), &report); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		n := report.Nodes[0]
		if n.State != NodeOK || n.Pod != "mock-ec2-metadata/daemon-kind-control-plane" || n.Status.Kubernetes.Pods != 5 {
			t.Errorf("%+v", n)
		}
		if out.Contains("secret-id") {
			t.Error("it prints the id of a role")
		}
	})
}

func TestStatus_WithoutADaemonIsItsOwnError(t *testing.T) {
	err := newCluster(t, options(newWorld(t, "kind"), &testutil.Buffer{})).Status(t.Context(), false)
	if err != ErrNotInstalled { //nolint:errorlint // it is not wrapped
		t.Error(err)
	}
	wantError(t, err, "the cluster has no mock-ec2-metadata; install it: mock-ec2-metadata-kube up")
}

func TestStatus_CrashingDaemonIsNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, opt, out := installed(t, "windows")
		p := w.objects["Pod|mock-ec2-metadata|daemon-kind-control-plane"]
		p["status"] = map[string]any{"containerStatuses": []any{map[string]any{"state": map[string]any{"waiting": map[string]any{"reason": "CrashLoopBackOff"}}}}}
		delete(w.objects, "Pod|mock-ec2-metadata|daemon-win-1")
		err := newCluster(t, opt).Status(t.Context(), false)
		wantError(t, err, "1 of 1 node not well: kind-control-plane unreachable")
		if !out.Contains("CrashLoopBackOff") || len(w.commands(" exec ")) > 0 {
			t.Errorf("it ran %q and says\n%s", w.commands(" exec "), out)
		}
	})
}

func TestStatus_NamesAreSafeForATerminal(t *testing.T) {
	w, opt, out := installed(t, "kind")
	w.context = "mine\x1b[31m"
	_ = newCluster(t, opt).Status(t.Context(), false)
	if text := out.String(); strings.Contains(text, "\x1b") || !strings.Contains(text, "of context mine [31m\n") {
		t.Errorf("it says %q", text)
	}
}
