package cluster

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

func TestDetect_TellsEachKindOfCluster(t *testing.T) {
	for _, test := range []struct{ nodes, context, want string }{
		{nodes: "minikube", want: "minikube minikube"},
		{nodes: "minikube-profile", want: "minikube shop"},
		{nodes: "minikube-none", want: "minikube minikube, on this machine"},
		{nodes: "kind", want: "kind kind"},
		{nodes: "kind-podman", want: "kind shop"},
		{nodes: "k3d", want: "k3d my-shop"},
		{nodes: "k3s", want: "k3s, on this machine"},
		{nodes: "docker-desktop", want: "Docker Desktop"},
		{nodes: "docker-desktop-kind", want: "Docker Desktop"},
		{nodes: "rancher-desktop", want: "Rancher Desktop"},
		{nodes: "unknown", context: "rancher-desktop", want: "Rancher Desktop"},
		{nodes: "orbstack", want: "OrbStack"},
		{nodes: "colima", want: "colima"},
		{nodes: "colima-containerd", want: "colima work"},
		{nodes: "microk8s", want: "MicroK8s, on this machine"},
		{nodes: "kubeadm", want: "kubeadm"},
		{nodes: "kubeadm-here", want: "kubeadm, on this machine"},
		{nodes: "eks", want: "EC2"},
		{nodes: "unknown", want: "a kind that is not known"},
	} {
		w := newWorld(t, test.nodes)
		if test.context != "" {
			w.context = test.context
		}
		info, err := newCluster(t, options(w, &testutil.Buffer{})).Detect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.String() != test.want {
			t.Errorf("%s: %q, want %q", test.nodes, info, test.want)
		}
	}
}

func TestDetect_OldKindHasItsNameInTheContext(t *testing.T) {
	if name := kindName("kind-shop", "kind://shop"); name != "shop" {
		t.Error(name)
	}
}

func TestEnter_OthersClustersAreAskedAboutOrRefused(t *testing.T) {
	question := "Install mock-ec2-metadata on the cluster of context test at https://127.0.0.1:6443, which may not be your own?"
	for _, test := range []struct {
		name, nodes, want string
		edit              func(*Options)
	}{
		{name: "EC2", nodes: "eks", want: "the cluster of context test: its nodes are EC2 instances, where a real metadata service answers at 169.254.169.254; " +
			"use another context, or --on-ec2 to take its place", edit: func(o *Options) { o.Yes = true }},
		{name: "no terminal", nodes: "kubeadm", want: "the cluster of context test at https://127.0.0.1:6443: it may not be your own, and there is no terminal to ask at; " +
			"use --yes to install mock-ec2-metadata, or name another with --context"},
		{name: "EC2 allowed, no terminal", nodes: "eks", want: "the cluster of context test at https://127.0.0.1:6443: it may not be your own, and there is no terminal to ask at; " +
			"use --yes to install mock-ec2-metadata, or name another with --context", edit: func(o *Options) { o.OnEC2 = true }},
		{name: "no", nodes: "unknown", want: "nothing was changed; name another cluster with --context", edit: func(o *Options) {
			o.Confirm = func(_ context.Context, asked string) (bool, error) {
				if asked != question {
					t.Errorf("it asks %q", asked)
				}
				return false, nil
			}
		}},
		{name: "yes", nodes: "unknown", want: "", edit: func(o *Options) {
			o.Confirm = func(context.Context, string) (bool, error) { return true, nil }
		}},
		{name: "--yes", nodes: "k3s", want: "", edit: func(o *Options) { o.Yes, o.Machine.Addresses = true, nil }},
		{name: "its own", nodes: "kubeadm-here", want: ""},
		{name: "one of its nodes", nodes: "kubeadm", want: "the cluster of context test at https://127.0.0.1:6443: it may not be your own, and there is no terminal to ask at; " +
			"use --yes to install mock-ec2-metadata, or name another with --context", edit: func(o *Options) { o.Machine.Addresses = []netip.Addr{netip.MustParseAddr("198.51.100.5")} }},
		{name: "k3s elsewhere", nodes: "k3s", want: "the cluster of context test at https://127.0.0.1:6443: it may not be your own, and there is no terminal to ask at; " +
			"use --yes to install mock-ec2-metadata, or name another with --context", edit: func(o *Options) { o.Machine.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.11")} }},
	} {
		w := newWorld(t, test.nodes)
		opt := options(w, &testutil.Buffer{})
		if test.edit != nil {
			test.edit(&opt)
		}
		_, err := newCluster(t, opt).enter(t.Context(), "install mock-ec2-metadata")
		if test.want == "" && err == nil {
			continue
		}
		t.Run(test.name, func(t *testing.T) { wantError(t, err, test.want) })
	}
}

func TestDetect_NetworkIsFoundWithItsAdvice(t *testing.T) {
	for _, test := range []struct {
		nodes, want string
		advice      string // part of it
		plugins     []string
		answer      map[string]string
		fail        map[string]string
	}{
		{nodes: "kind", plugins: []string{"kube-system/kindnet"}, want: "kindnet", advice: "169.254.169.254/32"},
		{nodes: "k3d", want: "flannel"},
		{nodes: "unknown", plugins: []string{"kube-flannel/kube-flannel-ds"}, want: "flannel"},
		{nodes: "unknown", plugins: []string{"kube-system/calico-node"}, want: "Calico", advice: "defaultEndpointToHostAction"},
		{
			nodes: "unknown", plugins: []string{"calico-system/calico-node"}, want: "Calico with eBPF", advice: "eBPF data plane",
			answer: map[string]string{"felixconfigurations": `{"spec":{"bpfEnabled":true}}`},
		},
		{nodes: "unknown", plugins: []string{"kube-system/canal"}, want: "Canal", advice: "defaultEndpointToHostAction"},
		{nodes: "unknown", plugins: []string{"kube-system/cilium"}, want: "Cilium", advice: "entity host"},
		{
			nodes: "unknown", plugins: []string{"kube-system/cilium"}, want: "Cilium with BPF host routing", advice: "bpf endpoint list",
			answer: map[string]string{"cilium-config": `{"data":{"kube-proxy-replacement":"strict","enable-bpf-masquerade":"true"}}`},
		},
		{
			nodes: "unknown", plugins: []string{"kube-system/cilium"}, want: "Cilium", advice: "entity host",
			answer: map[string]string{"cilium-config": `{"data":{"kube-proxy-replacement":"true","enable-bpf-masquerade":"true","enable-host-legacy-routing":"true"}}`},
		},
		{nodes: "unknown", plugins: []string{"kube-system/weave-net"}, want: "Weave Net", advice: "NetworkPolicy"},
		{nodes: "unknown", plugins: []string{"kube-system/antrea-agent"}, want: "Antrea", advice: "NetworkPolicy"},
		{nodes: "unknown", plugins: []string{"kube-system/kube-router"}, want: "kube-router", advice: "NetworkPolicy"},
		{nodes: "eks", plugins: []string{"kube-system/aws-node"}, want: "AWS VPC CNI", advice: "real metadata service"},
		{nodes: "unknown", want: "bridge, or one that is not known"},
		{nodes: "unknown", want: "bridge, or one that is not known", fail: map[string]string{"get daemonsets.apps": "Error from server (Forbidden): no"}},
	} {
		w := newWorld(t, test.nodes)
		w.plugins = test.plugins
		if test.answer != nil {
			w.answer = test.answer
		}
		if test.fail != nil {
			w.fail = test.fail
		}
		c := newCluster(t, options(w, &testutil.Buffer{}))
		info, err := c.Detect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := c.network(t.Context(), info.nodes)
		if n.String() != test.want || !strings.Contains(n.Advice, test.advice) || test.advice == "" && n.Advice != "" {
			t.Errorf("%s: %q, %q; want %q, %q", test.plugins, n, n.Advice, test.want, test.advice)
		}
	}
}

func TestKubectl_ErrorsSayTheWayOut(t *testing.T) {
	for _, test := range []struct{ name, part, stderr, want string }{
		{
			name: "no context", part: "config view", stderr: "error: current-context must exist in order to minify\n",
			want: "kubectl config view --minify: current-context must exist in order to minify\n" +
				"kubectl knows no cluster; start one (minikube start, kind create cluster) or name one with --context",
		},
		{
			name: "wrong context", part: "config view", stderr: "error: cannot locate context prod\n",
			want: "kubectl config view --minify: cannot locate context prod\nthere is no such context; kubectl config get-contexts lists them",
		},
		{
			name: "refused", part: "get nodes", stderr: "E1129 23:37:51.381155   12892 memcache.go:265] \"Unhandled Error\" err=\"couldn't\"\n" +
				"The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n",
			want: "kubectl get nodes: The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n" +
				"the cluster does not answer; start it, or name another with --context",
		},
		{
			name: "forbidden", part: "get nodes",
			stderr: `Error from server (Forbidden): nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope`,
			want: `kubectl get nodes: Error from server (Forbidden): nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope` +
				"\njane needs the right to list nodes in all namespaces; ask the cluster's administrator, or use a context that has it",
		},
		{
			name: "forbidden in a namespace", part: "get nodes",
			stderr: `Error from server (Forbidden): daemonsets.apps is forbidden: User "jane" cannot create resource "daemonsets" in API group "apps" in the namespace "a"`,
			want: `kubectl get nodes: Error from server (Forbidden): daemonsets.apps is forbidden: User "jane" cannot create resource "daemonsets" in API group "apps" in the namespace "a"` +
				"\njane needs the right to create daemonsets.apps in the namespace a; ask the cluster's administrator, or use a context that has it",
		},
		{
			name: "logged out", part: "get nodes", stderr: "error: You must be logged in to the server (Unauthorized)",
			want: "kubectl get nodes: You must be logged in to the server (Unauthorized)\nthe cluster refuses the credentials of the kubeconfig; log in to it again",
		},
		{name: "mute", part: "get nodes", stderr: "", want: "kubectl get nodes: it ended with exit status 1 and no message"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, "kind")
			w.fail[test.part] = test.stderr
			_, err := newCluster(t, options(w, &testutil.Buffer{})).Detect(t.Context())
			wantError(t, err, test.want)
			if _, ok := errors.AsType[*ExitError](err); !ok {
				t.Error("the cause is lost")
			}
		})
	}
}

func TestKubectl_IsMinikubesWhereThereIsNoOther(t *testing.T) {
	w := newWorld(t, "kind")
	w.missing = []string{"kubectl"}
	k, err := FindKubectl(w, "shop", "/home/me/kube config")
	if err != nil {
		t.Fatal(err)
	}
	if want := "minikube kubectl -- '--kubeconfig=/home/me/kube config' --context=shop get pods"; k.Shown("get", "pods") != want {
		t.Error(k.Shown("get", "pods"))
	}
	w.missing = []string{"kubectl", "minikube"}
	_, err = New(options(w, &testutil.Buffer{}))
	wantError(t, err, "kubectl: not found on the PATH, nor minikube; install it: https://kubernetes.io/docs/tasks/tools/")
}
