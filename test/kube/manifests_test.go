//go:build kube && linux

package kube

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// bare is the product with nothing of it in the cluster, and the name and tag of its image in the node.
func bare(t *testing.T) (p *product, name, tag string) {
	t.Helper()
	p = theProduct(t)
	if r := p.down(t); r.code != 0 {
		t.Fatalf("down: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	archive := filepath.Join(p.dir, "image.tar")
	r := p.do(t, "image")
	if r.code != 0 {
		t.Fatal(r.stderr)
	}
	testutil.Write(t, archive, r.stdout)
	p.load(t, archive)
	images := finish(t, p.machine.command(t.Context(), "ctr", "-a", filepath.Join(p.run, "containerd.sock"), "-n", "k8s.io", "images", "list", "-q"))
	for image := range strings.FieldsSeq(images.stdout) {
		if n, tagged, ok := strings.Cut(image, ":"); ok && strings.HasSuffix(n, "mock-ec2-metadata-kube") && strings.Contains(r.stdout, "mock-ec2-metadata-kube:"+tagged+`"`) {
			name, tag = n, tagged
		}
	}
	if name == "" {
		t.Fatalf("the node has no image of ours: %s", images.stdout)
	}
	return p, name, tag
}

// TestKustomize_AppliesAndDeletes uses made-up credentials, since nothing feeds this daemon.
func TestKustomize_AppliesAndDeletes(t *testing.T) {
	p, name, tag := bare(t)
	dir := filepath.Join(p.dir, "kustomize")
	if err := os.CopyFS(filepath.Join(dir, "base"), os.DirFS("../../deploy/kubernetes")); err != nil {
		t.Fatal(err)
	}
	testutil.Write(t, filepath.Join(dir, "kustomization.yaml"), `
resources: [base]
images: [{name: mock-ec2-metadata-kube, newName: `+name+`, newTag: `+tag+`}]
patches:
  - patch: |
      apiVersion: apps/v1
      kind: DaemonSet
      metadata: {name: mock-ec2-metadata, namespace: mock-ec2-metadata}
      spec:
        template:
          spec:
            containers:
              - name: daemon
                env: [{name: MOCK_EC2_METADATA__CREDENTIALS__MOCK, value: "true"}]
`)
	p.kubectlOutput(t, "apply", "-k", dir)
	p.kubectlOutput(t, "rollout", "status", "-n", daemonNamespace, "daemonset/mock-ec2-metadata", "--timeout=60s")
	_, m := p.client(t, annotated(roleARN("app-kustomize")))
	testutil.Eventually(t, "role", func() bool { return m.get(t, rolesPath).body == "app-kustomize" })
	if code, _ := code(t, m.get(t, rolesPath+"app-kustomize").want(t, http.StatusOK)); code != "Success" {
		t.Errorf("Code %q", code)
	}
	if r := p.down(t); r.code != 0 {
		t.Errorf("down: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	p.wantNothingLeft(t)
}

// buildHelm builds helm of the module of test/charts once for all runs, beside the programs of build.sh.
func buildHelm(t *testing.T) string {
	t.Helper()
	helm := filepath.Join(binDir(), "helm")
	if isFile(helm) {
		return helm
	}
	cmd := exec.CommandContext(t.Context(), "go", "-C", "../charts", "build", "-trimpath", "-ldflags", "-s -w", "-o", helm, "helm.sh/helm/v3/cmd/helm")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if r := finish(t, cmd); r.code != 0 {
		t.Fatal(r.stderr)
	}
	return helm
}

// TestHelm_InstallsWithoutHostPIDAndUninstallLeavesNothing has hostPID off: all else works then, and the status says what is off.
func TestHelm_InstallsWithoutHostPIDAndUninstallLeavesNothing(t *testing.T) {
	p, name, tag := bare(t)
	helm := func(args ...string) {
		t.Helper()
		cmd := p.command(t, buildHelm(t), append(args, "--namespace", daemonNamespace, "--wait", "--timeout", "90s")...)
		r := finish(t, cmd)
		if r.code != 0 {
			t.Fatalf("helm %v: exit %d\n%s%s", args, r.code, r.stdout, r.stderr)
		}
	}
	chart, err := filepath.Abs("../../deploy/helm/mock-ec2-metadata")
	if err != nil {
		t.Fatal(err)
	}
	p.api.do(t, http.MethodPost, "/api/v1/namespaces", object{"metadata": object{
		"name": daemonNamespace, "labels": object{"pod-security.kubernetes.io/enforce": "privileged"},
	}}, nil)
	defer func() { // the user's, not the chart's
		p.kubectlOutput(t, "delete", "namespace", daemonNamespace, "--timeout=60s")
		p.wantNothingLeft(t)
	}()
	helm("install", "metadata", chart, "--set", "hostPID=false,credentials.from=mock,image.pullPolicy=Never,image.repository="+name, "--set-string", "image.tag="+tag)
	_, m := p.client(t, annotated(roleARN("app-helm")))
	testutil.EventuallyWithin(t, 20*time.Second, "role", func() bool { return m.get(t, rolesPath).body == "app-helm" })
	if code, _ := code(t, m.get(t, rolesPath+"app-helm").want(t, http.StatusOK)); code != "Success" {
		t.Errorf("Code %q", code)
	}
	if s := p.status(t).Kubernetes; len(s.Find) != 1 || s.Find[0] != "watch" || !strings.Contains(s.Off, "hostPID") {
		t.Errorf("find is %v, off: %q", s.Find, s.Off)
	}
	helm("uninstall", "metadata")
	testutil.EventuallyWithin(t, 30*time.Second, "end of what the chart has made", func() bool { // the last pod ends a little later
		return p.kubectlOutput(t, "get", "daemonsets,jobs,pods,configmaps,serviceaccounts,secrets,roles,rolebindings,clusterroles,clusterrolebindings", "-A",
			"-l", "app.kubernetes.io/name=mock-ec2-metadata", "-o", "name") == ""
	})
}
