//go:build e2e && linux

package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"
)

// The service's real addresses, which clients have built in.
const (
	serviceIPv4 = "169.254.169.254"
	serviceIPv6 = "fd00:ec2::254"
	listenIPv4  = serviceIPv4 + ":80"
	listenIPv6  = "[" + serviceIPv6 + "]:80"
)

// newSite makes a network namespace that has these addresses, for a daemon and its clients.
func newSite(t *testing.T, addresses ...string) netns {
	t.Helper()
	needTools(t)
	site := newNamespace(t, "site")
	site.own(t, addresses...)
	return site
}

// newNamespace makes a network namespace with a loopback only. IPv6 addresses work in it at once: there is no duplicate address
// detection, which takes a second.
func newNamespace(t *testing.T, kind string) netns {
	t.Helper()
	n := netns(fmt.Sprintf("mock-ec2-%s-%d-%s", kind, os.Getpid(), strings.ToLower(rand.Text()[:6])))
	mustIP(t, "netns", "add", string(n))
	t.Cleanup(func() { mustIP(t, "netns", "delete", string(n)) })
	n.kernel(t, "ipv6/conf/default/accept_dad", "0")
	mustIP(t, "-n", string(n), "link", "set", "lo", "up")
	return n
}

// own puts addresses on the loopback.
func (n netns) own(t *testing.T, addresses ...string) {
	t.Helper()
	for _, address := range addresses {
		mustIP(t, "-n", string(n), "address", "add", address, "dev", "lo")
	}
}

// kernel sets a parameter of the namespace's own /proc/sys/net.
func (n netns) kernel(t *testing.T, name, value string) {
	t.Helper()
	n.output(t, nil, "sh", "-c", `echo "$1" >"/proc/sys/net/$0"`, name, value)
}

// serve runs the daemon inside the namespace, in its home, until the test ends.
func (n netns) serve(t *testing.T, home string, listen ...string) {
	t.Helper()
	args := []string{buildDaemon(t), "--log-format", "json"}
	for _, address := range listen {
		args = append(args, "--listen", address)
	}
	cmd := n.command(t, []string{"HOME=" + home}, args...) // ip becomes the daemon: the process id is the daemon's
	cmd.Dir = home
	follow(t, cmd)
}

// get gets a path by curl from the service at its IPv4 address. The answer must be 200.
func (n netns) get(t *testing.T, path string) string {
	t.Helper()
	return n.output(t, nil, "curl", "-qfsS", "--max-time", "5", "http://"+serviceIPv4+path)
}

// needFile fails the test if a file of a Debian package is missing.
func needFile(t *testing.T, file, debian string) {
	t.Helper()
	if _, err := os.Stat(file); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", file, debian)
	}
}
