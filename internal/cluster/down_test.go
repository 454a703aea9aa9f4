package cluster

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

// installed is a world after up.
func installed(t *testing.T, nodes string) (*world, Options, *testutil.Buffer) {
	t.Helper()
	w, out := newWorld(t, nodes), &testutil.Buffer{}
	opt := options(w, out)
	opt.Yes = true
	if nodes == "kubeadm" {
		opt.Image = Image{Ref: "registry.test/mock:1"}
	}
	if err := newCluster(t, opt).Up(t.Context(), UpOptions{}); err != nil {
		t.Fatal(err)
	}
	w.ran = nil
	out = &testutil.Buffer{}
	opt.Out = out
	return w, opt, out
}

func TestDown_CleansNodesThenRemovesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, opt, out := installed(t, "kind")
		w.slow = 3
		if err := newCluster(t, opt).Down(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := w.left(); len(left) > 0 {
			t.Errorf("left are %v", left)
		}
		want := []string{
			"kubectl delete --ignore-not-found --wait=false --filename=-", // the DaemonSet
			"kubectl create -o json --filename=-",
			"kubectl delete --ignore-not-found --wait=false --filename=-", // the pod of the clean-up
			"kubectl delete --ignore-not-found --wait=true --filename=-",
		}
		if diff := cmp.Diff(want, w.changes()); diff != "" {
			t.Error(diff)
		}
		if cleanup := w.stdin[want[1]]; !strings.Contains(cleanup, "image: '"+tag+"', imagePullPolicy: Never") {
			t.Errorf("the clean-up is %s", cleanup)
		}
		rest := w.stdin[want[3]]
		if !strings.HasSuffix(rest, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"mock-ec2-metadata"}}],"kind":"List"}`) {
			t.Errorf("the namespace is not the last: %s", rest)
		}
		text := `ok    daemons   stopped
ok    nodes     1 of 1 cleaned
ok    objects   4 removed
`
		if !strings.HasSuffix(out.String(), text) {
			t.Errorf("it says\n%s", out)
		}
	})
}

// Only the user of the daemon, or root with more capabilities, can delete its files.
func TestDown_CleansAsTheUserOfTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWorld(t, "kind"), &testutil.Buffer{}
		opt := options(w, out)
		opt.Manifest = manifest{config: "one", user: 1234}
		if err := newCluster(t, opt).Up(t.Context(), UpOptions{}); err != nil {
			t.Fatal(err)
		}
		opt.Manifest = manifest{config: "one", user: 65534}
		if err := newCluster(t, opt).Down(t.Context()); err != nil {
			t.Fatal(err)
		}
		if cleanup := w.stdin["kubectl create -o json --filename=-"]; !strings.Contains(cleanup, "runAsUser: 1234") {
			t.Errorf("the clean-up is %s", cleanup)
		}
	})
}

func TestDown_ShowsWhyAFirstStepFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, opt, out := installed(t, "kind")
		w.phase = "Failed"
		w.failed = "open /host/lib/mock-ec2-metadata: permission denied"
		if err := newCluster(t, opt).Down(t.Context()); err == nil || !out.Contains(w.failed) {
			t.Errorf("%v; it says\n%s", err, out)
		}
	})
}

func TestDown_AgainIsNoError(t *testing.T) {
	w, out := newWorld(t, "kind"), &testutil.Buffer{}
	if err := newCluster(t, options(w, out)).Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !out.Contains("ok    objects   there is nothing to take away\n") || len(w.changes()) > 0 {
		t.Errorf("it ran %q and says\n%s", w.changes(), out)
	}
}

func TestDown_FindsWhatIsInAnotherNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWorld(t, "kind"), &testutil.Buffer{}
		opt := options(w, out)
		opt.Namespace = "elsewhere"
		if err := newCluster(t, opt).Up(t.Context(), UpOptions{}); err != nil {
			t.Fatal(err)
		}
		opt.Namespace = ""
		if err := newCluster(t, opt).Down(t.Context()); err != nil || len(w.left()) > 0 {
			t.Errorf("%v; left are %v", err, w.left())
		}
	})
}

func TestDown_AfterHalfIsGoneStillCleansNodes(t *testing.T) {
	for _, test := range []struct {
		name string
		gone []string // beginnings of keys
	}{
		{"DaemonSet", []string{"DaemonSet|", "Pod|"}},
		{"namespace", []string{"DaemonSet|", "Pod|", "Namespace|", "ConfigMap|", "Secret|"}},
		{"all but the namespace", []string{"DaemonSet|", "Pod|", "ClusterRole|", "ConfigMap|", "Secret|"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, opt, _ := installed(t, "kind")
				for _, beginning := range test.gone {
					for key := range w.objects {
						if strings.HasPrefix(key, beginning) {
							delete(w.objects, key)
						}
					}
				}
				if err := newCluster(t, opt).Down(t.Context()); err != nil {
					t.Fatal(err)
				}
				if left := w.left(); len(left) > 0 {
					t.Errorf("left are %v", left)
				}
				if pods := w.commands(" create "); len(pods) != 1 {
					t.Errorf("the clean-ups are %q", pods)
				}
			})
		})
	}
}

func TestDown_NodeThatNeverHadTheImageIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, opt, out := installed(t, "kind")
		delete(w.objects, "DaemonSet|mock-ec2-metadata|mock-ec2-metadata")
		delete(w.objects, "Pod|mock-ec2-metadata|daemon-kind-control-plane")
		w.answer[" get pod "] = `{"kind":"Pod","status":{"phase":"Pending","containerStatuses":[{"state":{"waiting":{"reason":"ErrImageNeverPull"}}}]}}`
		if err := newCluster(t, opt).Down(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !out.Contains("note  nodes     kind-control-plane has no image of this program: no daemon has run there\n") {
			t.Errorf("it says\n%s", out)
		}
	})
}

func TestDown_NamesNodesThatItDidNotReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, opt, _ := installed(t, "kubeadm")
		w.phase = "Failed"
		err := newCluster(t, opt).Down(t.Context())
		wantError(t, err, "down: these nodes were not cleaned: worker-2 is not ready; worker-3 is unschedulable; cp-1 failed; worker-1 failed\n"+
			"On each, as root: mock-ec2-metadata-kube route remove; rm -r /var/lib/mock-ec2-metadata. A restart of a node removes the address, too")
		if left := w.left(); len(left) > 0 {
			t.Errorf("left are %v", left)
		}
		if waits := w.commands("--wait=true"); len(waits) > 0 {
			t.Errorf("it waits for pods of nodes that are away: %q", waits)
		}
	})
}

// In a new namespace the account is late, and the same pod of somebody else's up or down ends soon.
func TestDown_PodThatCannotBeMadeYetIsMadeLater(t *testing.T) {
	for _, why := range []string{
		`Error from server (Forbidden): pods "x" is forbidden: error looking up service account a/default: serviceaccount "default" not found`,
		`Error from server (AlreadyExists): error when creating "STDIN": pods "x" already exists`,
	} {
		synctest.Test(t, func(t *testing.T) {
			w, opt, _ := installed(t, "kind")
			w.fail[" create "] = why
			ended := make(chan error)
			go func() { ended <- newCluster(t, opt).Down(t.Context()) }()
			synctest.Wait()
			w.mu.Lock()
			delete(w.fail, " create ")
			w.mu.Unlock()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if pods := w.commands(" create "); len(pods) != 2 {
				t.Errorf("%s: the clean-ups are %q", why, pods)
			}
		})
	}
}

func TestDown_KeepsANamespaceThatOthersUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, opt, out := installed(t, "kind")
		w.answer["get "+contentKinds] = "configmap/kube-root-ca.crt\nserviceaccount/default\ndeployment.apps/shop\n"
		if err := newCluster(t, opt).Down(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"Namespace||mock-ec2-metadata"}, w.left()); diff != "" {
			t.Error(diff)
		}
		if !out.Contains("note  objects   Namespace mock-ec2-metadata stays, since others use it: deployment.apps/shop\n") {
			t.Errorf("it says\n%s", out)
		}
	})
}

func TestDown_KeepsANamespaceWithCustomObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, opt, out := installed(t, "kind")
		w.answer["api-resources "] = "configmaps\nevents\nroles.rbac.authorization.k8s.io\nwidgets.example.com\nevents.events.k8s.io\n"
		w.answer["get configmaps,roles.rbac.authorization.k8s.io,widgets.example.com --namespace="] = "configmap/kube-root-ca.crt\nwidget.example.com/one\n"
		if err := newCluster(t, opt).Down(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !out.Contains("note  objects   Namespace mock-ec2-metadata stays, since others use it: widget.example.com/one\n") {
			t.Errorf("it says\n%s", out)
		}
	})
}

func TestDown_DryRunChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, opt, out := installed(t, "kind")
		opt.DryRun = true
		if err := newCluster(t, opt).Down(t.Context()); err != nil {
			t.Fatal(err)
		}
		if changes := w.changes(); len(changes) > 0 {
			t.Errorf("it ran %q", changes)
		}
		if !out.Contains("# note  objects   would be removed: DaemonSet mock-ec2-metadata/mock-ec2-metadata\n") {
			t.Errorf("it says\n%s", out)
		}
	})
}

func TestDown_InterruptedSaysToRunItAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, opt, _ := installed(t, "kind")
		w.slow = 1000
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- newCluster(t, opt).Down(ctx) }()
		synctest.Wait()
		cancel()
		wantError(t, <-ended, "down: interrupted; run it again")
		w.slow = 0
		if err := newCluster(t, opt).Down(t.Context()); err != nil || len(w.left()) > 0 {
			t.Errorf("%v; left are %v", err, w.left())
		}
	})
}

func TestDown_EC2IsRefused(t *testing.T) {
	wantError(t, newCluster(t, options(newWorld(t, "eks"), &testutil.Buffer{})).Down(t.Context()),
		"the cluster of context test: its nodes are EC2 instances, where a real metadata service answers at 169.254.169.254; "+
			"use another context, or --on-ec2 to take its place")
}

func TestDown_UnknownClusterWithoutATerminalIsLeftAsItIs(t *testing.T) {
	w, opt, _ := installed(t, "kubeadm")
	opt.Yes = false
	wantError(t, newCluster(t, opt).Down(t.Context()), "the cluster of context test at https://127.0.0.1:6443: it may not be your own, and there is no terminal to ask at; "+
		"use --yes to take mock-ec2-metadata away, or name another with --context")
	if changes := w.changes(); len(changes) > 0 {
		t.Errorf("it ran %q", changes)
	}
}
