//go:build kube && linux

package kube

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"mock-ec2-metadata/internal/imagefile"
	"mock-ec2-metadata/internal/testutil"
)

func TestLife_SecondUpChangesNothing(t *testing.T) {
	p := withConfig(t, "main")
	before, version := p.daemon(t), p.kubectlOutput(t, "get", "daemonset", "-n", daemonNamespace, "mock-ec2-metadata", "-o", "jsonpath={.metadata.generation}")
	began := time.Now()
	r := p.do(t, p.upArgs(t, "main", "--detach")...)
	took := time.Since(began)
	t.Logf("it took %v", took.Round(10*time.Millisecond))
	if r.code != 0 || took > 10*time.Second ||
		!strings.Contains(r.stdout, "none of which has changed") {
		t.Errorf("exit %d after %v\n%s%s", r.code, took, r.stdout, r.stderr)
	}
	if p.daemon(t).Metadata.UID != before.Metadata.UID ||
		p.kubectlOutput(t, "get", "daemonset", "-n", daemonNamespace, "mock-ec2-metadata", "-o", "jsonpath={.metadata.generation}") != version {
		t.Error("the daemon has changed")
	}
}

// instance is what must stay the same over restarts.
func (p *product) instance(t *testing.T) string {
	t.Helper()
	return p.machine.get(t, metadata+"instance-id").want(t, http.StatusOK) + " in " +
		p.machine.get(t, metadata+"placement/availability-zone").want(t, http.StatusOK)
}

// restart deletes the daemon's pod and waits for the next one.
func (p *product) restart(t *testing.T) {
	t.Helper()
	old := p.daemon(t)
	p.api.do(t, http.MethodDelete, "/api/v1/namespaces/"+daemonNamespace+"/pods/"+old.Metadata.Name, nil, nil)
	testutil.EventuallyWithin(t, time.Minute, "another daemon", func() bool { return p.daemon(t).Metadata.UID != old.Metadata.UID })
	p.awaitRelay(t)
}

// awaitRelay waits until the laptop gives the daemon credentials. After a restart it dials anew.
func (p *product) awaitRelay(t *testing.T) {
	t.Helper()
	began := time.Now()
	testutil.EventuallyWithin(t, 20*time.Second, "the laptop", func() bool {
		relay := p.status(t).Kubernetes.Relay
		return relay != nil && relay.Connected
	})
	t.Logf("the laptop was connected %v later", time.Since(began).Round(10*time.Millisecond))
}

func TestLife_TaintedNodeHasADaemonThatKeepsItsInstance(t *testing.T) {
	p := withConfig(t, "main")
	before := p.instance(t)
	if !strings.HasPrefix(before, "i-") || !strings.HasSuffix(before, " in eu-central-1b") {
		t.Errorf("the instance is %s", before)
	}
	p.kubectlOutput(t, "taint", "node", nodeName, "test=yes:NoSchedule")
	defer p.kubectlOutput(t, "taint", "node", nodeName, "test-")
	p.restart(t)
	if after := p.instance(t); after != before {
		t.Errorf("the instance is %s after a restart, and was %s", after, before)
	}
}

func TestLife_UpgradeKeepsSessionTokensAndNoClientGivesUp(t *testing.T) {
	p := withConfig(t, "main")
	_, m := p.client(t, annotated(p.addRole(t, "app-upgrade")))
	p.wantGets(t, m, "app-upgrade")
	token := p.token(t, m)
	load, credentials := startLoad(m, metadata+"instance-id"), startLoad(m, rolesPath+"app-upgrade")
	next := *p
	next.binary, next.up = buildProgram(t, p.dir, "two"), nil
	up := startBackground(t, next.command(t, next.binary, next.upArgs(t, "main")...))
	up.wantFed(t)
	load.end()
	credentials.end()
	_ = p.up.cmd.Process.Kill()
	p.up, p.binary = up, next.binary
	t.Logf("metadata: %s", load)
	t.Logf("credentials: %s", credentials)
	if load.most > 2*time.Second || len(load.failed) > 0 {
		t.Errorf("metadata: %s; want a gap of 2s at most, and nothing lost", load)
	}
	if credentials.most > 10*time.Second { // sessions are in memory alone, so the new daemon waits for the laptop
		t.Errorf("credentials: %s", credentials)
	}
	if v := p.status(t).Version; v != "two" {
		t.Errorf("the version is %s", v)
	}
	m.get(t, metadata+"instance-id", "X-aws-ec2-metadata-token", token).want(t, http.StatusOK)
	p.wantGets(t, m, "app-upgrade")
}

// token gets a session token.
func (p *product) token(t *testing.T, m machine) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://169.254.169.254/latest/api/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "600")
	response, err := m.client(t, false).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("status %d, error %v", response.StatusCode, err)
	}
	return string(text)
}

func TestLife_RestartLosesNoRequestThatWasSent(t *testing.T) {
	p := withConfig(t, "main")
	_, m := p.client(t, podSpec{})
	load := startLoad(m, metadata+"instance-id")
	p.restart(t)
	load.end()
	t.Log(load)
	if len(load.failed) > 0 {
		t.Errorf("lost: %s", load)
	}
}

func TestLife_KilledDaemonAnswersWithinThreeSecondsAndHasOneAddress(t *testing.T) {
	p := withConfig(t, "main")
	var all []time.Duration
	for range 10 {
		if err := syscall.Kill(p.processOf(t, "serve").pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		client := p.machine.client(t, false)
		client.Timeout = 300 * time.Millisecond
		testutil.EventuallyWithin(t, 20*time.Second, "answer", func() bool { return ask(t, client, metadata+"instance-id").status == http.StatusOK })
		all = append(all, time.Since(began))
		if n := strings.Count(p.machine.addresses(t), "169.254.169.254/32"); n != 1 {
			t.Errorf("the node has the address %d times", n)
		}
		p.daemon(t)
	}
	p.awaitRelay(t)
	slices.Sort(all)
	median, most := all[len(all)/2], all[len(all)-1]
	t.Logf("until the next answer: median %v, at most %v", median.Round(10*time.Millisecond), most.Round(10*time.Millisecond))
	if most > 3*time.Second {
		t.Errorf("no answer for %v", all)
	}
}

func TestLife_VersionThatCrashesIsToldWithItsLogAndTheWayBack(t *testing.T) {
	p := withConfig(t, "main")
	stub := filepath.Join(p.dir, "crash")
	testutil.Write(t, stub+".go", "package main\n\nfunc main() { panic(\"no good version\") }\n")
	cmd := p.machine.command(t.Context(), "go", "build", "-o", stub, stub+".go")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if r := finish(t, cmd); r.code != 0 {
		t.Fatal(r.stderr)
	}
	archive, err := os.Create(stub + ".tar")
	if err != nil {
		t.Fatal(err)
	}
	if err := imagefile.Write(archive, imagefile.Options{Executable: stub, Tag: "crash"}); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	r := p.do(t, p.upArgs(t, "main", "--detach", "--image-archive", stub+".tar")...)
	for _, want := range []string{"no good version", "rollout undo daemonset/mock-ec2-metadata"} {
		if r.code == 0 || !strings.Contains(r.stdout+r.stderr, want) {
			t.Errorf("exit %d, want another and %q:\n%s%s", r.code, want, r.stdout, r.stderr)
		}
	}
	p.kubectlOutput(t, "rollout", "undo", "-n", daemonNamespace, "daemonset/mock-ec2-metadata")
	testutil.EventuallyWithin(t, time.Minute, "version before", func() bool {
		return p.machine.get(t, metadata+"instance-id").status == http.StatusOK
	})
	p.daemon(t)
	p.awaitRelay(t)
}

// wantNothingLeft checks that the cluster and its node are as before the first up.
func (p *product) wantNothingLeft(t *testing.T) {
	t.Helper()
	kinds := "namespaces,clusterroles,clusterrolebindings,daemonsets,pods,configmaps,serviceaccounts,secrets,networkpolicies,controllerrevisions"
	left := p.kubectlOutput(t, "get", kinds, "-A", "-l", "app.kubernetes.io/name=mock-ec2-metadata", "-o", "name")
	if left != "" {
		t.Errorf("objects are left:\n%s", left)
	}
	if r := p.tryKubectl(t, "", "get", "namespace", daemonNamespace); r.code == 0 {
		t.Errorf("the namespace is left:\n%s", r.stdout)
	}
	if after := p.traces(t); after != p.before {
		t.Errorf("the node has changed:\n%s\nbefore:\n%s", after, p.before)
	}
	if isFile(filepath.Join(p.run, "node", "lib", "mock-ec2-metadata")) {
		t.Error("the folder of the daemon's state is left on the node")
	}
}

func TestLife_DownAfterAKillLeavesNothing(t *testing.T) {
	p := withConfig(t, "main")
	if err := syscall.Kill(p.processOf(t, "serve").pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if r := p.down(t); r.code != 0 {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	p.wantNothingLeft(t)
	if r := p.do(t, "status"); r.code != 3 {
		t.Errorf("status: exit %d, want 3\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := p.down(t); r.code != 0 {
		t.Errorf("down where nothing is: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestLife_LongLivedKeyIsRefusedInASecret(t *testing.T) {
	p := theProduct(t)
	r := p.do(t, p.upArgs(t, "main", "--detach", "--credentials", "secret")...)
	if r.code == 0 || !strings.Contains(r.stderr, "--allow-long-lived-keys") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	p.laptop.wantNoSecret(t, "its output", fmt.Sprint(r))
	if got := p.tryKubectl(t, "", "get", "secrets", "-n", daemonNamespace, "-o", "name"); strings.Contains(got.stdout, "secret/") {
		t.Errorf("there are Secrets: %s", got.stdout)
	}
}
