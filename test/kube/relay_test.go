//go:build kube && linux

package kube

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
)

// holdsAny returns which of some texts a file holds; "" for none, and for files that are gone.
func holdsAny(path string, texts []string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for _, text := range texts {
		if bytes.Contains(content, []byte(text)) {
			return text
		}
	}
	return ""
}

// memory is all readable memory of a process.
func memory(t *testing.T, pid int) []byte {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mem.Close() }()
	var all []byte
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var rights string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); err != nil || rights[:2] != "rw" || to-from > 256<<20 {
			continue
		}
		part := make([]byte, to-from)
		n, _ := mem.ReadAt(part, from) // what is not mapped cannot be read
		all = append(all, part[:n]...)
	}
	return all
}

func TestRelay_NoLongLivedKeyIsInTheCluster(t *testing.T) {
	p := withConfig(t, "main")
	_, m := p.client(t, annotated(p.addRole(t, "app-secretless")))
	p.wantGets(t, m, "app-secretless")
	long := []string{p.laptop.key.SecretAccessKey, p.laptop.key.AccessKeyID}

	// The node's folders hold etcd with all Secrets and ConfigMaps, volumes, containers and logs.
	err := filepath.WalkDir(filepath.Join(p.run, "node"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // files of running pods come and go
		}
		if info, err := d.Info(); err != nil || info.Size() > 128<<20 || strings.Contains(path, "/io.containerd.") {
			return nil //nolint:nilerr // the layers of images are the same anywhere
		}
		for _, secret := range []struct {
			what  string
			texts []string
		}{{"the long-lived key", long}, {"a secret of STS", p.laptop.sts.Secrets()}} {
			if holdsAny(path, secret.texts) != "" {
				t.Errorf("%s holds %s", path, secret.what)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	daemon := p.processOf(t, "serve")
	if holdsAny(fmt.Sprintf("/proc/%d/environ", daemon.pid), long) != "" {
		t.Error("the daemon's environment holds the long-lived key")
	}
	heap := memory(t, daemon.pid)
	for _, text := range long {
		if bytes.Contains(heap, []byte(text)) {
			t.Error("the daemon's memory holds the long-lived key")
		}
	}
	if !bytes.Contains(heap, []byte("app-secretless")) {
		t.Error("the memory that was read is not the daemon's")
	}
}

func TestRelay_NoSecretIsInLogsEventsAndStatus(t *testing.T) {
	p := withConfig(t, "main")
	_, m := p.client(t, annotated(p.addRole(t, "app-discreet")))
	p.wantGets(t, m, "app-discreet")
	p.laptop.wantNoSecret(t, "the daemon's log", p.log(t))
	p.laptop.wantNoSecret(t, "Events", p.kubectlOutput(t, "get", "events", "-A", "-o", "yaml"))
	p.laptop.wantNoSecret(t, "our objects", p.kubectlOutput(t, "get", "all,configmaps,secrets", "-n", daemonNamespace, "-o", "yaml"))
	for _, args := range [][]string{{"status"}, {"status", "--json"}} {
		r := p.do(t, args...)
		p.laptop.wantNoSecret(t, strings.Join(args, " "), r.stdout+r.stderr)
	}
	p.laptop.wantNoSecret(t, "up", p.up.out.String())
	p.laptop.wantNoSecret(t, "the page of the daemon", m.get(t, "http://169.254.169.254/status").body)
}

func TestRelay_KilledKubectlIsReplacedWithoutCallsForValidSessions(t *testing.T) {
	p := withConfig(t, "main")
	p.addRole(t, "app-kept")
	p.addRole(t, "app-new")
	ns := p.namespace(t, nil)
	m := p.ofPod(t, p.runPod(t, ns, "kept", annotated("app-kept")))
	p.wantGets(t, m, "app-kept")
	children, err := exec.CommandContext(t.Context(), "pgrep", "-P", fmt.Sprint(p.up.cmd.Process.Pid), "kubectl").Output()
	if err != nil {
		t.Fatalf("up has no kubectl: %v", err)
	}
	for pid := range strings.FieldsSeq(string(children)) {
		var n int
		if _, err := fmt.Sscan(pid, &n); err != nil {
			t.Fatal(err)
		}
		_ = syscall.Kill(n, syscall.SIGKILL)
	}
	began := time.Now()
	p.wantGets(t, m, "app-kept")
	testutil.EventuallyWithin(t, 10*time.Second, "stream", func() bool {
		return strings.Count(p.up.out.String(), "connected") > 2 && p.status(t).Kubernetes.Relay.Connected
	})
	t.Logf("the stream was back within %v", time.Since(began).Round(10*time.Millisecond))
	p.wantGets(t, p.ofPod(t, p.runPod(t, ns, "new", annotated("app-new"))), "app-new")
	if n := p.calls("app-kept"); n != 1 {
		t.Errorf("%d STS calls for the session that was valid, want 1", n)
	}
}

func TestRelay_WithoutTheLaptopValidCredentialsAreServedThenATextNamesUp(t *testing.T) {
	p := withConfig(t, "main")
	p.addRole(t, "app-long")
	p.addRole(t, "app-short")
	ns := p.namespace(t, nil)
	long := p.ofPod(t, p.runPod(t, ns, "long", annotated("app-long")))
	p.wantGets(t, long, "app-long")
	p.laptop.sts.Lifetime(25 * time.Second)
	defer p.laptop.sts.Lifetime(0)
	short := p.ofPod(t, p.runPod(t, ns, "short", annotated("app-short")))
	p.wantGets(t, short, "app-short")
	p.disconnect(t)
	p.wantGets(t, long, "app-long")
	var last answer
	testutil.EventuallyWithin(t, 40*time.Second, "end of the short session", func() bool {
		last = short.get(t, rolesPath+"app-short")
		return last.status != http.StatusOK
	})
	if last.status != http.StatusServiceUnavailable || !strings.Contains(last.body, "mock-ec2-metadata-kube up") {
		t.Errorf("status %d, %s", last.status, last.body)
	}
	p.wantGets(t, long, "app-long")
	p.laptop.sts.Lifetime(0)
	p.install(t, "main")
	testutil.EventuallyWithin(t, 10*time.Second, "credentials again", func() bool { return short.get(t, rolesPath+"app-short").status == http.StatusOK })
}
