//go:build kube && linux

package kube

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// netnsName is the network namespace of the tests' cluster. It differs from that of up.sh, so that a contributor's stays.
	netnsName = "mock-ec2-kube-test"
	// nodeName is the only node.
	nodeName = "node1"
	// nodeAddress is the node's InternalIP.
	nodeAddress = "172.30.0.1"
	// busybox is the image for pods of tests; it is never pulled.
	busybox = "localhost/busybox:1"
)

// A cluster is what up.sh has started.
type cluster struct {
	run        string // directory of its files
	kubeconfig string
	machine    machine
	api        *client // of an administrator
}

// newCluster starts the cluster anew: another run may have been killed.
func newCluster() (*cluster, error) {
	c := &cluster{run: filepath.Join(filepath.Dir(binDir()), "run-test"), machine: machine{"/run/netns/" + netnsName}}
	c.kubeconfig = filepath.Join(c.run, "admin.conf")
	if err := c.script("down.sh"); err != nil {
		return nil, err
	}
	if err := c.script("up.sh"); err != nil {
		return nil, err
	}
	transport, err := certified(filepath.Join(c.run, "pki", "ca.crt"), filepath.Join(c.run, "pki", "admin"))
	if err != nil {
		return nil, err
	}
	transport.DialContext = c.machine.dial
	c.api = &client{url: "https://" + nodeAddress + ":6443", http: &http.Client{Transport: transport}}
	return c, nil
}

// isFile reports whether something has this path.
func isFile(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// down ends the cluster.
func (c *cluster) down() error { return c.script("down.sh") }

// load imports an archive of an image, as load.sh does.
func (c *cluster) load(t *testing.T, archive string) {
	t.Helper()
	if err := c.script("load.sh", archive); err != nil {
		t.Fatal(err)
	}
}

// script runs a script of this folder on the tests' cluster, for at most four minutes.
func (c *cluster) script(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "./"+name, args...)
	cmd.Env = append(os.Environ(), "K8S_DIR="+filepath.Dir(binDir()), "K8S_RUN="+c.run, "K8S_NETNS="+netnsName)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

// result is how a command ended.
type result struct {
	stdout, stderr string
	code           int
}

// kubectlCommand prepares kubectl as the administrator, on the node's machine.
func (c *cluster) kubectlCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := c.machine.command(ctx, append([]string{filepath.Join(binDir(), "kubectl")}, args...)...)
	cmd.Env = append(cmd.Env, "KUBECONFIG="+c.kubeconfig)
	return cmd
}

// tryKubectl runs kubectl with this standard input, for at most two minutes.
func (c *cluster) tryKubectl(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	defer cancel()
	cmd := c.kubectlCommand(ctx, args...)
	cmd.Stdin = strings.NewReader(stdin)
	return finish(t, cmd)
}

// kubectlOutput is what kubectl prints. It must succeed.
func (c *cluster) kubectlOutput(t *testing.T, args ...string) string {
	t.Helper()
	r := c.tryKubectl(t, "", args...)
	if r.code != 0 {
		t.Fatalf("kubectl %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// apply makes the objects of a YAML text.
func (c *cluster) apply(t *testing.T, yaml string) {
	t.Helper()
	if r := c.tryKubectl(t, yaml, "apply", "-f", "-"); r.code != 0 {
		t.Fatalf("kubectl apply: exit %d\n%s%s\n%s", r.code, r.stdout, r.stderr, yaml)
	}
}

// exec runs a command in a pod, which must succeed, and returns its standard output.
func (c *cluster) exec(t *testing.T, namespace, pod string, command ...string) string {
	t.Helper()
	return c.kubectlOutput(t, append([]string{"exec", "-n", namespace, pod, "--"}, command...)...)
}

// logs are those of a pod, or of the pods of what "daemonset/NAME" names.
func (c *cluster) logs(t *testing.T, namespace, what string) string {
	t.Helper()
	return c.kubectlOutput(t, "logs", "-n", namespace, "--all-containers", "--tail=-1", what)
}

// newNamespace makes a namespace of this name, which ends with the test. Its pods may end a little later.
func (c *cluster) newNamespace(t *testing.T, name string, annotations map[string]string) string {
	t.Helper()
	c.api.do(t, http.MethodPost, "/api/v1/namespaces", object{"metadata": object{"name": name, "annotations": annotations}}, nil)
	return c.begin(t, name)
}

// namespace makes a namespace with the annotations, which ends with the test. Its pods may end a little later.
func (c *cluster) namespace(t *testing.T, annotations map[string]string) string {
	t.Helper()
	return c.begin(t, c.api.namespace(t, annotations))
}

// begin waits until pods can be made in a new namespace, and ends it with the test.
func (c *cluster) begin(t *testing.T, name string) string {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if status, err := c.api.try(ctx, http.MethodDelete, "/api/v1/namespaces/"+name, nil, nil); err != nil || status >= http.StatusBadRequest {
			t.Errorf("namespace %s stays: status %d, error %v", name, status, err)
		}
	})
	c.api.waitFor(t, "/api/v1/namespaces/"+name+"/serviceaccounts", "default", 30*time.Second, exists)
	return name
}

// finish runs a prepared command to its end. Any exit code is fine.
func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() < 0 {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, stdout.String(), stderr.String())
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// nodePID is the id, on the tests' side, of the first process of the node.
func (c *cluster) nodePID(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.run, "node.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
