//go:build kube && linux

package kube

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// reuseNext makes the node give this address of a pod to the next pod once more.
func (c *cluster) reuseNext(t *testing.T, address string) {
	t.Helper()
	var last int
	if _, err := fmt.Sscanf(address, "10.244.0.%d", &last); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(c.run, "node", "lib", "cni", "networks", "pods")
	testutil.EventuallyWithin(t, 30*time.Second, address+" is free", func() bool { return !isFile(filepath.Join(dir, address)) })
	testutil.Write(t, filepath.Join(dir, "last_reserved_ip.0"), fmt.Sprintf("10.244.0.%d", last-1))
}

func TestWho_FinishedPodWithTheSameAddressNeverDecides(t *testing.T) {
	p := withConfig(t, "main")
	ns := p.namespace(t, nil)
	p.addRole(t, "app-old")
	spec := annotated("app-old")
	spec.script = "sleep 2"
	old := p.runPod(t, ns, "old", spec)
	p.waitForPod(t, ns, "old", pod.finished)
	p.reuseNext(t, old.Status.PodIP)
	made := p.runPod(t, ns, "new", podSpec{})
	if made.Status.PodIP != old.Status.PodIP {
		t.Fatalf("the new pod has %s, want %s again", made.Status.PodIP, old.Status.PodIP)
	}
	if kept := p.waitForPod(t, ns, "old", pod.finished); kept.Status.PodIP != old.Status.PodIP {
		t.Fatalf("the finished pod has the address %q", kept.Status.PodIP)
	}
	p.wantNone(t, p.ofPod(t, made))
}

func TestWho_DeletingPodGetsItsRoleUntilItIsGone(t *testing.T) {
	p := withConfig(t, "main")
	spec := annotated(p.addRole(t, "app-deleting"))
	spec.script, spec.grace = "trap '' TERM; while :; do sleep 1; done", 6
	made, m := p.client(t, spec)
	path := "/api/v1/namespaces/" + made.Metadata.Namespace + "/pods/client"
	p.api.do(t, http.MethodDelete, path, nil, nil)
	p.waitForPod(t, made.Metadata.Namespace, "client", func(q pod) bool { return q.Metadata.DeletionTimestamp != "" })
	p.wantGets(t, m, "app-deleting")
}

// TestWho_PodThatTakesAnothersAddressGetsNothingOfIt has a pod with NET_ADMIN, whose part this process plays in its network. While two
// pods have the address, neither is known by it.
func TestWho_PodThatTakesAnothersAddressGetsNothingOfIt(t *testing.T) {
	p := withConfig(t, "main")
	ns := p.namespace(t, nil)
	victim := p.runPod(t, ns, "victim", annotated(p.addRole(t, "app-victim")))
	thief := p.ofPod(t, p.runPod(t, ns, "thief", podSpec{}))
	p.wantGets(t, p.ofPod(t, victim), "app-victim")
	address := func(change string) {
		t.Helper()
		if r := finish(t, thief.command(t.Context(), "ip", "address", change, victim.Status.PodIP+"/32", "dev", "lo")); r.code != 0 {
			t.Fatal(r.stderr)
		}
	}
	address("add")
	time.Sleep(300 * time.Millisecond) // the kernel's last word counts for 200 ms
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(victim.Status.PodIP)}, Timeout: 2 * time.Second}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, to string) (conn net.Conn, err error) {
		err = thief.within(func() (err error) { conn, err = dialer.DialContext(ctx, network, to); return err })
		return conn, err
	}}
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	for range 20 {
		response, err := client.Get(rolesPath)
		if err != nil {
			continue // the answer goes to the victim
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode < http.StatusInternalServerError {
			t.Fatalf("the pod that took the address gets %d %q", response.StatusCode, body)
		}
	}
	address("delete")
	testutil.EventuallyWithin(t, 10*time.Second, "the victim's role", func() bool { return p.ofPod(t, victim).get(t, rolesPath).body == "app-victim" })
}

func TestWho_ChangedAnnotationHoldsOnAnOpenConnection(t *testing.T) {
	p := withConfig(t, "main")
	p.addRole(t, "app-before")
	p.addRole(t, "app-after")
	made, m := p.client(t, annotated("app-before"))
	client := m.client(t, true)
	if got := ask(t, client, rolesPath).want(t, http.StatusOK); got != "app-before" {
		t.Errorf("the role is %q at first", got)
	}
	p.api.annotate(t, "/api/v1/namespaces/"+made.Metadata.Namespace+"/pods/client", map[string]any{"iam.amazonaws.com/role": "app-after"})
	testutil.Eventually(t, "the new role", func() bool { return ask(t, client, rolesPath).body == "app-after" })
	p.laptop.wantRole(t, ask(t, client, rolesPath+"app-after").want(t, http.StatusOK), "app-after")
	ask(t, client, rolesPath+"app-before").want(t, http.StatusNotFound)
}

func TestWho_HostNetworkPodAndProcessOfTheNodeGetTheRoleOfTheHost(t *testing.T) {
	p := withConfig(t, "main")
	made, m := p.client(t, podSpec{hostNetwork: true, annotations: map[string]string{"iam.amazonaws.com/role": "app-default"}})
	if made.Status.PodIP != nodeAddress {
		t.Errorf("the pod has the address %s", made.Status.PodIP)
	}
	p.wantGets(t, m, "app-host")
	p.wantGets(t, p.machine, "app-host")
}

func TestWho_ForwardedForChangesNothing(t *testing.T) {
	p := withConfig(t, "main")
	ns := p.namespace(t, nil)
	other := p.runPod(t, ns, "other", annotated(p.addRole(t, "app-other")))
	m := p.ofPod(t, p.runPod(t, ns, "client", annotated(p.addRole(t, "app-own"))))
	for _, header := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded"} {
		value := other.Status.PodIP
		if header == "Forwarded" {
			value = "for=" + value
		}
		if got := m.get(t, rolesPath, header, value); got.body != "app-own" && got.status < http.StatusBadRequest {
			t.Errorf("%s: status %d, the role is %q", header, got.status, got.body)
		}
	}
}

func TestWho_AnotherNodeIsForbidden(t *testing.T) {
	p := withConfig(t, "main")
	const peer = "mock-ec2-kube-peer"
	ip := func(args ...string) {
		t.Helper()
		if r := finish(t, p.machine.command(t.Context(), append([]string{"ip"}, args...)...)); r.code != 0 {
			t.Fatal(args, r.stderr)
		}
	}
	ip("netns", "add", peer)
	t.Cleanup(func() { _ = os.Remove("/run/netns/" + peer) })
	defer ip("netns", "delete", peer)
	ip("link", "add", "peer0", "type", "veth", "peer", "name", "eth0", "netns", peer)
	ip("link", "set", "peer0", "master", "node0", "up")
	ip("-n", peer, "address", "add", "172.30.0.2/24", "dev", "eth0")
	ip("-n", peer, "link", "set", "eth0", "up")
	ip("-n", peer, "route", "add", "default", "via", nodeAddress)
	m := machine{"/run/netns/" + peer}
	for _, url := range []string{metadata + "instance-id", rolesPath} {
		m.get(t, url).want(t, http.StatusForbidden)
	}
}

func TestWho_StaticPodIsFoundByTheKernel(t *testing.T) {
	p := withConfig(t, "main")
	const name = "static-client"
	file := filepath.Join(p.run, "manifests", name+".yaml")
	testutil.Write(t, file, `
apiVersion: v1
kind: Pod
metadata: {name: `+name+`, namespace: default, annotations: {iam.amazonaws.com/role: `+p.addRole(t, "app-static")+`}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: `+busybox+`
      imagePullPolicy: Never
      command: [sh, -c, "wget -q -O - `+rolesPath+`; echo; sleep 1000"]
`)
	defer func() { _ = os.Remove(file) }()
	p.waitForPod(t, "default", name+"-"+nodeName, pod.ready)
	testutil.EventuallyWithin(t, 20*time.Second, "answer to its first request", func() bool { return p.logs(t, "default", name+"-"+nodeName) != "" })
	if got := p.logs(t, "default", name+"-"+nodeName); strings.TrimSpace(got) != "app-static" {
		t.Errorf("its first request got %q", got)
	}
	if lookups := p.status(t).Kubernetes.Lookups; lookups["proc"] == 0 {
		t.Errorf("found by %v", lookups)
	}
}
