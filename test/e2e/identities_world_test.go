//go:build e2e && linux

package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/test/stsfake"
)

// The network of the tests' containers, and this machine's addresses in it.
const (
	containersNet      = "mock-ec2-metadata-identities"
	containersSubnet   = "172.31.250.0/24"
	containersGateway  = "172.31.250.1"
	containersSubnet6  = "fd00:5ca1:ab1f::/64"
	containersGateway6 = "fd00:5ca1:ab1f::1"
)

const roleLabel = "mock-ec2-metadata.role"

// containerWorld is a daemon on this machine, an STS that containers reach, and containers in a network.
type containerWorld struct {
	t      *testing.T
	docker dockerCLI
	sts    *stsfake.Server
	home   string
	blocks string // of the configuration, after roles
	daemon *local
	port   string // of the daemon, at all addresses
	url    string // of the daemon for containers, with a slash
}

// containerRoles are the roles that are configured.
func containerRoles() []string { return []string{"web", "jobs", "secret"} }

// newContainerWorld makes one whose daemon asks engine. Containers may name the roles web, jobs, and those whose ARN says dev-*.
func newContainerWorld(t *testing.T, engine string) *containerWorld {
	t.Helper()
	needTools(t)
	w := &containerWorld{t: t, docker: needEngine(t)}
	importBusybox(t)
	remove := func() {
		ids, _ := w.docker("ps", "--all", "--quiet", "--filter", "label=mock-ec2-metadata.test=identities")
		if ids != "" {
			_, _ = w.docker(append([]string{"rm", "--force"}, strings.Fields(ids)...)...)
		}
		_, _ = w.docker("network", "rm", containersNet)
	}
	remove()
	t.Cleanup(remove)
	w.must("network", "create", "--subnet", containersSubnet, "--gateway", containersGateway,
		"--ipv6", "--subnet", containersSubnet6, "--gateway", containersGateway6, containersNet)
	l, err := net.Listen("tcp", net.JoinHostPort(containersGateway, "0"))
	if err != nil {
		t.Fatal(err)
	}
	w.sts = stsfake.StartOn(t, l)
	w.sts.AddRole(arnOf("dev-7"))
	w.blocks = "containers:\n  engine: " + engine + "\n  allow: [web, jobs, " + arnOf("dev-*") + "]\n"
	w.home = rolesHome(t, w.sts, containerRoles(), w.blocks)
	w.daemon = startLocal(t, w.home, w.sts.URL(), "--listen", "[::]:0")
	var everywhere struct{ Listen string }
	if err := json.Unmarshal([]byte(w.daemon.waitFor(t, `"listen":"[::]:`)), &everywhere); err != nil {
		t.Fatal(err)
	}
	w.port = portOf(everywhere.Listen)
	w.url = "http://" + net.JoinHostPort(containersGateway, w.port) + "/"
	return w
}

// must runs docker, which must succeed.
func (w *containerWorld) must(args ...string) string {
	w.t.Helper()
	out, err := w.docker(args...)
	if err != nil {
		w.t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

// create runs a command in a new container; options are those of docker run.
func (w *containerWorld) create(options []string, command ...string) string {
	w.t.Helper()
	return w.must(slices.Concat([]string{"run", "--label", "mock-ec2-metadata.test=identities"}, options, []string{locatorImage}, command)...)
}

// start starts a container in the network that does nothing.
func (w *containerWorld) start(name string, options ...string) {
	w.t.Helper()
	w.create(append([]string{"--detach", "--name", name, "--network", containersNet}, options...), "sleep", "1000")
}

// enter gives the network namespace of a running container a name, for this machine's programs.
func (w *containerWorld) enter(name string) netns {
	w.t.Helper()
	n := netns(fmt.Sprintf("mock-ec2-container-%d-%s", os.Getpid(), strings.ToLower(rand.Text()[:6])))
	mustIP(w.t, "netns", "attach", string(n), w.must("inspect", "--format", "{{.State.Pid}}", name))
	w.t.Cleanup(func() { mustIP(w.t, "netns", "delete", string(n)) })
	return n
}

// wantRole checks which role the metadata lists for a container, and that it has its credentials.
func (w *containerWorld) wantRole(n netns, role string) {
	w.t.Helper()
	n.wantAnswer(w.t, w.url+rolesList, role)
	status, document := n.ask(w.t, w.url+rolesList+role)
	if status != http.StatusOK || !strings.Contains(document, `"Code" : "Success"`) {
		w.t.Errorf("%s: %d %s", role, status, document)
	}
}

// logLines are the lines of the daemon's log that contain a text.
func (d *local) logLines(text string) []string {
	return slices.DeleteFunc(slices.Clone(d.logged()), func(line string) bool { return !strings.Contains(line, text) })
}
