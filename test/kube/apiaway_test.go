//go:build kube && linux

package kube

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// TestAPIAway_KnownPodsAreServedNewOnesGet503AndStatusSaysTheAge stops the API server without closing its connections. A static pod is
// one that starts without it.
func TestAPIAway_KnownPodsAreServedNewOnesGet503AndStatusSaysTheAge(t *testing.T) {
	p := withConfig(t, "main")
	_, m := p.client(t, annotated(p.addRole(t, "app-known")))
	p.wantGets(t, m, "app-known")
	daemon := p.processOf(t, "serve").pid
	for _, process := range p.processes(t) {
		if process.args[0] == "kube-apiserver" {
			if err := syscall.Kill(process.pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = syscall.Kill(process.pid, syscall.SIGCONT) }()
		}
	}
	began := time.Now()
	file := filepath.Join(p.run, "manifests", "orphan.yaml")
	testutil.Write(t, file, `
apiVersion: v1
kind: Pod
metadata: {name: orphan, namespace: default}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: main, image: `+busybox+`, imagePullPolicy: Never}]
`)
	defer func() { _ = os.Remove(file) }()
	var orphan machine
	testutil.EventuallyWithin(t, 90*time.Second, "static pod", func() bool {
		for _, process := range p.processes(t) {
			if len(process.pod) == 32 && slices.Equal(process.args, []string{"sleep", "2147483647"}) {
				orphan = machine{fmt.Sprintf("/proc/%d/ns/net", process.pid)}
				return true
			}
		}
		return false
	})
	time.Sleep(time.Until(began.Add(20 * time.Second))) // real time must pass for a real cluster
	p.wantGets(t, m, "app-known")
	got := orphan.get(t, rolesPath)
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "1" {
		t.Errorf("the new pod gets status %d, Retry-After %q, %q", got.status, got.header.Get("Retry-After"), got.body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r := finish(t, exec.CommandContext(ctx, "nsenter", "-t", fmt.Sprint(daemon), "--net", "curl", "-sS", "--max-time", "5", "http://127.0.0.1:5001/status"))
	if !strings.Contains(r.stdout, `"watch_age_seconds": `) || strings.Contains(r.stdout, `"watch_age_seconds": 0,`) {
		t.Errorf("the age of the watch is not told: %s%s", r.stdout, r.stderr)
	}
}
