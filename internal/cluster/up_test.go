package cluster

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

func TestUp_InstallsProvesAndFeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWorld(t, "kind"), &testutil.Buffer{}
		w.plugins = []string{"kube-system/kindnet", "kube-system/kube-proxy"}
		fed := false
		err := newCluster(t, options(w, out)).Up(t.Context(), UpOptions{Feed: func(context.Context, *Streams) error {
			fed = true
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		want := `ok    cluster   kind kind; context test, https://127.0.0.1:6443
ok    nodes     1: kind-control-plane
ok    network   kindnet
ok    image     mock-ec2-metadata-kube:3f2a9c, loaded by kind
ok    objects   5, of which 5 are new or changed; 0 of before removed
ok    rollout   ready on 1 node
ok    proof     a pod on each of 1 node reaches 169.254.169.254
ok    feed      credentials go to kind-control-plane until you press Ctrl-C
note  feed      stopped: pods keep what they have until it expires; mock-ec2-metadata-kube up feeds them again
`
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
		if !fed {
			t.Error("nothing was fed")
		}
		changes := w.changes()
		if len(changes) != 4 || !strings.HasPrefix(changes[0], "kind load image-archive /") || !strings.HasSuffix(changes[0], "/mock-ec2-metadata-kube.tar --name kind") {
			t.Fatalf("it ran %q", changes)
		}
		rest := []string{
			"kubectl apply --server-side --force-conflicts --field-manager=mock-ec2-metadata-kube -o json --filename=-",
			"kubectl create -o json --filename=-",
			"kubectl delete --ignore-not-found --wait=false --filename=-",
		}
		if diff := cmp.Diff(rest, changes[1:]); diff != "" {
			t.Error(diff)
		}
		if want := `{"apiVersion":"v1","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"probe-kind-control-plane","namespace":"mock-ec2-metadata"}}],"kind":"List"}`; w.stdin[rest[2]] != want {
			t.Errorf("it deletes %s", w.stdin[rest[2]])
		}
	})
}

func TestUp_TwiceChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "kind")
		if err := newCluster(t, options(w, &testutil.Buffer{})).Up(t.Context(), UpOptions{}); err != nil {
			t.Fatal(err)
		}
		version, out := w.version, &testutil.Buffer{}
		w.ran = nil
		if err := newCluster(t, options(w, out)).Up(t.Context(), UpOptions{}); err != nil {
			t.Fatal(err)
		}
		if w.version != version+1 { // the probe
			t.Errorf("%d objects were written, want the probe alone", w.version-version)
		}
		for _, line := range []string{"image     mock-ec2-metadata-kube:3f2a9c, which all nodes have", "objects   5, none of which has changed"} {
			if !out.Contains(line) {
				t.Errorf("it does not print %q:\n%s", line, out)
			}
		}
		if loads := w.commands("kind load"); len(loads) > 0 {
			t.Errorf("it loads again: %q", loads)
		}
	})
}

func TestUp_RemovesWhatItNoLongerMakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWorld(t, "kind"), &testutil.Buffer{}
		opt := options(w, out)
		opt.Namespace = "old"
		if err := newCluster(t, opt).Up(t.Context(), UpOptions{}); err != nil {
			t.Fatal(err)
		}
		opt.Namespace = "new"
		w.ran = nil
		if err := newCluster(t, opt).Up(t.Context(), UpOptions{}); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"ClusterRole||mock-ec2-metadata", "ConfigMap|new|config", "DaemonSet|new|mock-ec2-metadata", "Namespace||new",
			"Pod|new|daemon-kind-control-plane", "Secret|new|keys",
		}
		if diff := cmp.Diff(want, w.left()); diff != "" {
			t.Error(diff)
		}
		if changes := w.changes(); !strings.Contains(changes[0], " delete ") || !strings.Contains(changes[1], " apply ") {
			t.Errorf("the new DaemonSet comes before the old one is gone: %q", changes)
		}
		if !out.Contains("DaemonSet old/mock-ec2-metadata is taken away: it moves to the namespace new") {
			t.Errorf("it does not say that it moves:\n%s", out)
		}
	})
}

func TestUp_LeavesAForeignNamespaceAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWorld(t, "kind"), &testutil.Buffer{}
		w.objects["Namespace||default"] = map[string]any{"kind": "Namespace", "metadata": map[string]any{"name": "default", "generation": 1}}
		opt := options(w, out)
		opt.Namespace = "default"
		c := newCluster(t, opt)
		if err := c.Up(t.Context(), UpOptions{}); err != nil {
			t.Fatal(err)
		}
		if !out.Contains("note  objects   the namespace default is not changed: something else has made it") {
			t.Errorf("it says\n%s", out)
		}
		if err := c.Down(t.Context()); err != nil {
			t.Fatal(err)
		}
		if w.objects["Namespace||default"] == nil || len(w.left()) > 0 {
			t.Errorf("left are %v", w.left())
		}
		meta(w.objects["Namespace||default"])["labels"] = map[string]any{enforceLabel: "baseline"}
		wantError(t, c.Up(t.Context(), UpOptions{}),
			"the namespace default: it admits baseline pods alone, and ours have the node's network; use another one: --namespace")
	})
}

func TestUp_BrokenVersionShowsItsLogAndTheWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWorld(t, "kind"), &testutil.Buffer{}
		opt := options(w, out)
		opt.Context = "test"
		if err := newCluster(t, opt).Up(t.Context(), UpOptions{}); err != nil {
			t.Fatal(err)
		}
		w.broken = "CrashLoopBackOff"
		w.answer[" logs "] = "starting\nconfig.yaml: line 3: roles: no such key\n"
		w.answer[" get events "] = `{"items":[{"type":"Normal","reason":"Pulled","message":"m"},{"type":"Warning","reason":"BackOff","message":"Back-off restarting"}]}`
		opt.Manifest = manifest{config: "two"}
		err := newCluster(t, opt).Up(t.Context(), UpOptions{})
		wantError(t, err, "pod mock-ec2-metadata/daemon-kind-control-plane on kind-control-plane: it does not come up: CrashLoopBackOff: back-off 10s; "+
			"fix what its log shows and run up again, or go back with\n"+
			"  kubectl --context=test --namespace=mock-ec2-metadata rollout undo daemonset/mock-ec2-metadata")
		for _, line := range []string{
			"FAIL  rollout   CrashLoopBackOff: back-off 10s\n",
			"      log       config.yaml: line 3: roles: no such key\n",
			"      event     BackOff: Back-off restarting\n",
		} {
			if !out.Contains(line) {
				t.Errorf("it does not print %q:\n%s", line, out)
			}
		}
		if out.Contains("Pulled") {
			t.Error("it prints an event that is no warning")
		}
	})
}

func TestUp_BrokenVersionWithoutALogShowsWhatTheKubeletKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWorld(t, "kind"), &testutil.Buffer{}
		w.broken = "CrashLoopBackOff"
		w.answer[" logs "] = "unable to retrieve container logs for containerd://65877e80"
		if err := newCluster(t, options(w, out)).Up(t.Context(), UpOptions{}); err == nil {
			t.Error("it does not fail")
		}
		if !out.Contains("      log       the kubelet kept this\n") || out.Contains("unable to retrieve") {
			t.Errorf("it prints\n%s", out)
		}
	})
}

func TestUp_FirstVersionThatIsBrokenHasNoWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "kind")
		w.broken = "ErrImageNeverPull"
		err := newCluster(t, options(w, &testutil.Buffer{})).Up(t.Context(), UpOptions{})
		wantError(t, err, "pod mock-ec2-metadata/daemon-kind-control-plane on kind-control-plane: it does not come up: ErrImageNeverPull: back-off 10s; "+
			"fix what its log shows and run up again, or take it away with mock-ec2-metadata-kube down")
	})
}

func TestUp_PodThatStaysPendingEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "kind")
		w.broken = "ContainerCreating"
		err := newCluster(t, options(w, &testutil.Buffer{})).Up(t.Context(), UpOptions{})
		if err == nil || !strings.Contains(err.Error(), "it does not come up: not ready within 2m0s") {
			t.Error(err)
		}
	})
}

func TestUp_NodesThatAreAwayAreNamedNotAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWorld(t, "kubeadm"), &testutil.Buffer{}
		opt := options(w, out)
		opt.Yes, opt.Image = true, Image{Ref: "registry.test/mock:1"}
		if err := newCluster(t, opt).Up(t.Context(), UpOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{
			"note  nodes     worker-2 is not ready: it is not waited for\n",
			"note  nodes     worker-3 is unschedulable: it is not waited for\n",
			"ok    image     registry.test/mock:1, which the nodes pull\n",
			"ok    proof     a pod on each of 2 nodes reaches 169.254.169.254\n",
		} {
			if !out.Contains(line) {
				t.Errorf("it does not print %q:\n%s", line, out)
			}
		}
		if n := len(w.commands(" create ")); n != 2 {
			t.Errorf("%d pods were made, want 2", n)
		}
	})
}

func TestUp_FailedProofSaysWhatIsKnownOfTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWorld(t, "kind"), &testutil.Buffer{}
		w.plugins = []string{"kube-system/cilium"}
		w.answer["get configmap cilium-config"] = `{"data":{"kube-proxy-replacement":"true","enable-bpf-masquerade":"true"}}`
		w.phase = "Failed"
		w.answer[" logs "] = "169.254.169.254:80: no route to host\n"
		err := newCluster(t, options(w, out)).Up(t.Context(), UpOptions{})
		wantError(t, err, "proof: pods on kind-control-plane do not reach 169.254.169.254; the network is Cilium with BPF host routing\n"+ciliumBPF)
		if !out.Contains("FAIL  proof     169.254.169.254:80: no route to host\n") {
			t.Errorf("it does not print the log:\n%s", out)
		}
		if keys := w.left(); strings.Contains(strings.Join(keys, " "), "probe") {
			t.Errorf("the probe stays: %v", keys)
		}
	})
}

func TestUp_InterruptedProofLeavesNoPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "kind")
		w.phase = "Pending"
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- newCluster(t, options(w, &testutil.Buffer{})).Up(ctx, UpOptions{}) }()
		synctest.Wait()
		cancel()
		wantError(t, <-ended, "up: interrupted; run it again, or mock-ec2-metadata-kube down takes away what is there")
		if keys := w.left(); strings.Contains(strings.Join(keys, " "), "probe") {
			t.Errorf("the probe stays: %v", keys)
		}
	})
}

func TestUp_FeedsWhileItProves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWorld(t, "kind"), &testutil.Buffer{}
		w.phase = "Pending"
		ctx, interrupt := context.WithCancel(t.Context())
		fed := false
		err := newCluster(t, options(w, out)).Up(ctx, UpOptions{Feed: func(ctx context.Context, _ *Streams) error {
			fed = out.Contains("ok    rollout") && !out.Contains("proof")
			interrupt()
			<-ctx.Done()
			return ctx.Err()
		}})
		if err == nil || !fed {
			t.Errorf("error %v; fed before the proof: %t\n%s", err, fed, out)
		}
	})
}

func TestUp_FailedProofEndsTheFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "kind")
		w.phase = "Failed"
		stopped := false
		err := newCluster(t, options(w, &testutil.Buffer{})).Up(t.Context(), UpOptions{Feed: func(ctx context.Context, _ *Streams) error {
			<-ctx.Done()
			stopped = true
			return ctx.Err()
		}})
		if err == nil || !strings.HasPrefix(err.Error(), "proof: ") || !stopped {
			t.Errorf("error %v; the feed has ended: %t", err, stopped)
		}
	})
}

func TestUp_DetachSaysHowToFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, out := newWorld(t, "kind"), &testutil.Buffer{}
		err := newCluster(t, options(w, out)).Up(t.Context(), UpOptions{Detach: true, Feed: func(context.Context, *Streams) error {
			t.Error("it feeds")
			return nil
		}})
		if err != nil || !out.Contains("note  feed      no credentials go to the cluster now: its pods get 503 until you run\nnote  feed      mock-ec2-metadata-kube up\n") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func TestUp_DryRunPrintsAndChangesNothing(t *testing.T) {
	w, out := newWorld(t, "kind"), &testutil.Buffer{}
	opt := options(w, out)
	opt.DryRun = true
	if err := newCluster(t, opt).Up(t.Context(), UpOptions{}); err != nil {
		t.Fatal(err)
	}
	if changes := w.changes(); len(changes) > 0 {
		t.Errorf("it ran %q", changes)
	}
	for _, line := range []string{
		"# note  image     mock-ec2-metadata-kube:3f2a9c would be loaded: kind load image-archive mock-ec2-metadata-kube.tar --name kind\n",
		"# note  objects   would be applied: kubectl apply --server-side --force-conflicts --field-manager=mock-ec2-metadata-kube --filename=-\n",
		"# Secret mock-ec2-metadata/keys: its content is not shown\n",
		"kind: DaemonSet\n",
	} {
		if !out.Contains(line) {
			t.Errorf("it does not print %q:\n%s", line, out)
		}
	}
	if out.Contains("hidden-key") {
		t.Error("it prints the Secret")
	}
	if _, err := documents([]byte(out.String())); err != nil {
		t.Errorf("what it prints is no manifest: %v", err)
	}
}

func TestUp_OtherMakersDaemonIsRefused(t *testing.T) {
	w := newWorld(t, "kind")
	w.objects["DaemonSet|infra|mock-ec2-metadata"] = map[string]any{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": map[string]any{
		"name": "mock-ec2-metadata", "namespace": "infra", "labels": map[string]any{nameLabel: DaemonSet, managedLabel: "Helm"},
	}}
	wantError(t, newCluster(t, options(w, &testutil.Buffer{})).Up(t.Context(), UpOptions{}),
		"DaemonSet infra/mock-ec2-metadata: Helm has made it, and a node can have one daemon alone; remove it first, or upgrade it the same way")
}

func TestUp_AddressOfThisMachineMustBeFree(t *testing.T) {
	w := newWorld(t, "kubeadm-here")
	err := newCluster(t, options(w, &testutil.Buffer{})).Up(t.Context(), UpOptions{Occupied: func(context.Context) string { return "mock-ec2-metadata 1.2" }})
	wantError(t, err, "169.254.169.254: mock-ec2-metadata 1.2 answers there on this machine, which is a node; stop it first")
}
