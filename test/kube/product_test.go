//go:build kube && linux

package kube

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// daemonNamespace is where up puts the daemon.
const daemonNamespace = "mock-ec2-metadata"

// A product is the program, and what of it runs in the tests' cluster. Tests share it: an up takes ten seconds.
type product struct {
	*cluster
	laptop *laptop
	dir    string // of its files
	binary string
	before string      // the node's packet filter and addresses, before the first up
	config string      // the configuration that is up; "" for none
	up     *background // the up that gives credentials; nil for none
	stop   []func()    // what ends at the end of the run
}

// withConfig is the product with one of the configurations up, and the laptop connected.
func withConfig(t *testing.T, name string) *product {
	t.Helper()
	p := theProduct(t)
	if p.config != name || p.up == nil || p.up.hasEnded() {
		p.install(t, name)
	}
	return p
}

// theProduct is the product of this run, whatever of it is up.
func theProduct(t *testing.T) *product {
	t.Helper()
	c := theCluster(t)
	if theSuite.product != nil {
		return theSuite.product
	}
	dir, err := os.MkdirTemp("", "mock-ec2-kube-")
	if err != nil {
		t.Fatal(err)
	}
	p := &product{cluster: c, dir: dir, binary: buildProgram(t, dir, "one")}
	p.stop = append(p.stop, func() { _ = os.RemoveAll(dir) })
	sts := stsfake.New()
	listener := c.machine.listen(t, nodeAddress+":0")
	go func() { _ = sts.Serve(listener) }()
	p.stop = append(p.stop, func() { _ = sts.Close() })
	testutil.Eventually(t, "STS", func() bool { return sts.URL() != "" })
	p.laptop = c.laptopWith(t, sts, filepath.Join(dir, "home"), "app-host", "app-default", "app-account", "app-associated", "admin")
	c.runPod(t, c.namespace(t, nil), "first", podSpec{}) // with the first pod the node gets its bridge
	p.before = p.traces(t)
	c.api.do(t, http.MethodPatch, "/api/v1/nodes/"+nodeName, object{"metadata": object{"labels": object{"topology.kubernetes.io/zone": "eu-central-1b"}}}, nil)
	theSuite.product = p
	return p
}

// buildProgram builds the product as make does, but for its version, and returns its path.
func buildProgram(t *testing.T, dir, version string) string {
	t.Helper()
	path := filepath.Join(dir, "mock-ec2-metadata-kube-"+version)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-tags", "nethttpomithttp2",
		"-ldflags", "-s -w -X main.version="+version, "-o", path, "../../cmd/mock-ec2-metadata-kube")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if r := finish(t, cmd); r.code != 0 {
		t.Fatal(r.stderr)
	}
	return path
}

// close ends what runs outside the cluster.
func (p *product) close() {
	if p.up != nil {
		p.up.kill()
	}
	for _, stop := range slices.Backward(p.stop) {
		stop()
	}
}

// traces are what the product might change of the node for good.
func (p *product) traces(t *testing.T) string {
	t.Helper()
	return p.machine.addresses(t) + p.machine.rules(t)
}

// command prepares the program with arguments, on the laptop.
func (p *product) command(t *testing.T, binary string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := p.machine.command(t.Context(), append([]string{binary}, args...)...)
	cmd.Env = append(cmd.Env, p.laptop.env...)
	cmd.Env = append(cmd.Env, "CONTAINERD_ADDRESS="+filepath.Join(p.run, "containerd.sock"))
	return cmd
}

// do runs the program to its end.
func (p *product) do(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, p.command(t, p.binary, args...))
}

// upArgs are those of an up with one of the configurations.
func (p *product) upArgs(t *testing.T, name string, more ...string) []string {
	t.Helper()
	file := testutil.Write(t, filepath.Join(p.dir, name+".yaml"), configurations(t, name))
	return append([]string{"up", "--yes", "--config", file}, more...)
}

// install runs up with a configuration, in place of what is up.
func (p *product) install(t *testing.T, name string, more ...string) {
	t.Helper()
	p.disconnect(t)
	p.up = startBackground(t, p.command(t, p.binary, p.upArgs(t, name, more...)...))
	p.up.wantFed(t)
	p.config = name
}

// disconnect ends the up that gives credentials, as Ctrl-C does. What it has installed stays.
func (p *product) disconnect(t *testing.T) {
	t.Helper()
	if p.up != nil {
		p.up.interrupt(t)
		p.up = nil
	}
}

// down takes the product out of the cluster.
func (p *product) down(t *testing.T) result {
	t.Helper()
	p.disconnect(t)
	p.config = ""
	return p.do(t, "down", "--yes")
}

// status is what the daemon of the node says.
func (p *product) status(t *testing.T) *api.Status {
	t.Helper()
	r := p.do(t, "status", "--json")
	var report struct {
		Nodes []struct {
			Error  string
			Status *api.Status
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || len(report.Nodes) != 1 || report.Nodes[0].Status == nil {
		t.Fatalf("status: error %v, exit %d\n%s%s", err, r.code, r.stdout, r.stderr)
	}
	return report.Nodes[0].Status
}

// daemon is the pod of the daemon, which is ready.
func (p *product) daemon(t *testing.T) pod {
	t.Helper()
	var found pod
	testutil.EventuallyWithin(t, time.Minute, "a daemon that is ready", func() bool {
		var list struct{ Items []pod }
		p.api.do(t, http.MethodGet, "/api/v1/namespaces/"+daemonNamespace+"/pods?labelSelector=app.kubernetes.io/component%3Ddaemon", nil, &list)
		for _, found = range list.Items {
			if found.ready() && found.Metadata.DeletionTimestamp == "" {
				return true
			}
		}
		return false
	})
	return found
}

// processOf is the daemon's process that was started by this command, such as serve.
func (p *product) processOf(t *testing.T, command string) process {
	t.Helper()
	daemon := p.daemon(t)
	for _, process := range p.processes(t) {
		if process.pod == daemon.Metadata.UID && len(process.args) > 1 && process.args[1] == command {
			return process
		}
	}
	t.Fatalf("no process of the daemon's pod is %s", command)
	return process{}
}

// log is the daemon's.
func (p *product) log(t *testing.T) string {
	t.Helper()
	return p.logs(t, daemonNamespace, p.daemon(t).Metadata.Name)
}

// addRole makes a role of a test's own that pods may name, and returns its name.
func (p *product) addRole(t *testing.T, name string, trust ...stsfake.Trust) string {
	t.Helper()
	p.laptop.sts.AddRole(roleARN(name), trust...)
	return name
}

// calls counts the AssumeRole calls for a role.
func (p *product) calls(role string) int {
	n := 0
	for _, r := range p.laptop.sts.Requests() {
		if r.Action == "AssumeRole" && r.Form.Get("RoleArn") == roleARN(role) {
			n++
		}
	}
	return n
}

// annotated is a pod whose annotation of kube2iam names a role.
func annotated(role string) podSpec {
	return podSpec{annotations: map[string]string{"iam.amazonaws.com/role": role}}
}

// client makes a pod in a namespace of its own and returns the machine that it is, too.
func (p *product) client(t *testing.T, spec podSpec) (pod, machine) {
	t.Helper()
	made := p.runPod(t, p.namespace(t, nil), "client", spec)
	return made, p.ofPod(t, made)
}

// configurations are those of the tests by name.
func configurations(t *testing.T, name string) string {
	t.Helper()
	text, ok := map[string]string{
		"main": fmt.Sprintf(`
roles:
  associated: {iam_role: %s}
kubernetes:
  rules:
    host_network: app-host
    service_accounts: {shop/checkout: app-account}
    namespaces:
      "*": {allow: ["app*", "team/*"]}
pod_identity:
  enabled: true
  associations:
    - {namespace: shop, service_account: web, role: associated}
`, roleARN("app-associated")),
		"watch": `
kubernetes:
  pods: {find: [watch]}
  rules:
    default_role: app-default
    namespaces:
      "*": {allow: ["app*"]}
`,
		"namespaces": `
kubernetes:
  rules:
    namespace_annotations: true
    namespaces:
      "*": {allow: ["*"]}
`,
	}[name]
	if !ok {
		t.Fatalf("there is no configuration %s", name)
	}
	return strings.TrimPrefix(text, "\n")
}
