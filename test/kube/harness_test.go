//go:build kube && linux

package kube

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestAPIServer_CompactionEndsListsAndWatches(t *testing.T) {
	s := startAPIServer(t, "--watch-cache=false")
	ns := s.namespace(t, nil)
	path := "/api/v1/namespaces/" + ns + "/pods"
	for i := range 3 {
		s.running(t, ns, fmt.Sprintf("pod-%d", i), fmt.Sprintf("10.244.0.%d", 2+i), podSpec{})
	}
	var page struct {
		Metadata struct{ ResourceVersion, Continue string }
		Items    []pod
	}
	s.api.do(t, http.MethodGet, path+"?limit=1&fieldSelector=spec.nodeName%3D"+nodeName, nil, &page)
	if len(page.Items) != 1 || page.Items[0].Status.PodIP != "10.244.0.2" {
		t.Fatalf("the first page is %+v", page.Items)
	}
	s.running(t, ns, "later", "10.244.0.9", podSpec{})
	s.compact(t)
	for what, query := range map[string]string{"list": "limit=1&continue=" + page.Metadata.Continue, "watch": "watch=1&resourceVersion=" + page.Metadata.ResourceVersion} {
		response, err := s.api.open(t.Context(), http.MethodGet, path+"?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 4096)
		n, _ := response.Body.Read(text)
		_ = response.Body.Close()
		if !strings.Contains(string(text[:n]), `"code":410`) {
			t.Errorf("%s: status %d, %s; want 410", what, response.StatusCode, text[:n])
		}
	}
}

func TestAPIServer_ServiceAccountMayNothingByItself(t *testing.T) {
	s := startAPIServer(t)
	ns := s.namespace(t, nil)
	status, err := s.api.as(s.api.accountToken(t, ns, "default")).try(t.Context(), http.MethodGet, "/api/v1/pods", nil, nil)
	if err != nil || status != http.StatusForbidden {
		t.Errorf("status %d, error %v; want 403", status, err)
	}
	s.restart(t)
	s.api.do(t, http.MethodGet, "/api/v1/namespaces/"+ns, nil, nil)
}

func TestCluster_PodHasAddressCgroupAndLog(t *testing.T) {
	c := theCluster(t)
	before := c.machine.rules(t)
	ns := c.namespace(t, nil)
	p := c.runPod(t, ns, "client", podSpec{script: "echo started; exec sleep 1000"})
	if !strings.HasPrefix(p.Status.PodIP, "10.244.0.") {
		t.Errorf("its address is %q", p.Status.PodIP)
	}
	if got := c.exec(t, ns, "client", "cat", "/proc/self/cgroup"); !strings.Contains(got, "/pod"+p.Metadata.UID+"/") {
		t.Errorf("its cgroups have no pod%s:\n%s", p.Metadata.UID, got)
	}
	if got := c.logs(t, ns, "client"); got != "started\n" {
		t.Errorf("its log is %q", got)
	}
	if after := c.machine.rules(t); after != before {
		t.Errorf("a pod changes the packet filter:\n%s\n%s", before, after)
	}
	for _, process := range c.processes(t) {
		if process.args[0] == "kubelet" {
			if size := rss(t, process.pid); size < 1<<20 {
				t.Errorf("the kubelet has %d bytes", size)
			}
			return
		}
	}
	t.Error("no process is the kubelet")
}

func TestCluster_DeploymentIsApplied(t *testing.T) {
	c := theCluster(t)
	ns := c.namespace(t, map[string]string{"mock-ec2-metadata/role": "app"})
	before := c.machine.addresses(t)
	c.apply(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: `+ns+`}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: `+busybox+`, imagePullPolicy: Never}]
`)
	c.kubectlOutput(t, "rollout", "status", "-n", ns, "deployment/web", "--timeout=60s")
	if after := c.machine.addresses(t); after != before {
		t.Errorf("pods change the node's addresses:\n%s\n%s", before, after)
	}
	c.api.createPod(t, ns, "job", podSpec{script: "exit 0"})
	c.api.annotate(t, "/api/v1/namespaces/"+ns+"/pods/job", map[string]any{"mock-ec2-metadata/role": "other"})
	if p := c.waitForPod(t, ns, "job", pod.finished); p.Status.Phase != "Succeeded" {
		t.Errorf("its phase is %s", p.Status.Phase)
	}
}

func TestCluster_PodsAndProcessesReachTheLaptopsSTS(t *testing.T) {
	c := theCluster(t)
	ns := c.namespace(t, nil)
	l := c.newLaptop(t, "app")
	p := c.runPod(t, ns, "client", podSpec{direct: true})
	for name, m := range map[string]machine{"machine": c.machine, "pod": c.ofPod(t, p)} {
		response, err := m.client(t, false).Get(l.sts.URL())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = response.Body.Close()
	}
	if got := c.exec(t, ns, "client", "sh", "-c", "wget -q -O - "+l.sts.URL()+" 2>&1; echo exit $?"); !strings.Contains(got, "HTTP/1.1 4") {
		t.Errorf("wget in the pod: %s", got)
	}
}
