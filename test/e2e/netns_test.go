//go:build e2e && linux

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A virtual machine and its host: two network namespaces with a veth pair between them. Neither is the machine's own, so that the
// tests do not touch its interfaces, routes and packet filter.
const (
	hostAddress = "192.0.2.1"
	boxAddress  = "192.0.2.2"
)

// systemPath is the PATH for all tools; the tests' own does not count.
const systemPath = "/usr/sbin:/usr/bin:/sbin:/bin"

// netns is the name of a network namespace.
type netns string

// newBox makes the pair. The box has no default route yet.
func newBox(t *testing.T) (box, host netns) {
	t.Helper()
	needTools(t)
	id := fmt.Sprintf("%d-%s", os.Getpid(), strings.ToLower(rand.Text()[:6]))
	box, host = netns("mock-ec2-box-"+id), netns("mock-ec2-host-"+id)
	for _, n := range []netns{box, host} {
		mustIP(t, "netns", "add", string(n))
		t.Cleanup(func() { mustIP(t, "netns", "delete", string(n)) })
		mustIP(t, "-n", string(n), "link", "set", "lo", "up")
	}
	// ip makes both ends in their namespaces, so that their names never exist outside.
	mustIP(t, "-n", string(host), "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", string(box))
	for n, address := range map[netns]string{box: boxAddress, host: hostAddress} {
		mustIP(t, "-n", string(n), "address", "add", address+"/30", "dev", "eth0")
		mustIP(t, "-n", string(n), "link", "set", "eth0", "up")
	}
	return box, host
}

// guestGateway is this machine's address for newGuest's guest.
const guestGateway = "198.18.77.1"

// newGuest makes a virtual machine of this machine: a network namespace with a default route.
func newGuest(t *testing.T) netns {
	t.Helper()
	needTools(t)
	id := fmt.Sprintf("%d-%s", os.Getpid(), strings.ToLower(rand.Text()[:6]))
	guest, end := netns("mock-ec2-guest-"+id), "mk"+id[:min(12, len(id))]
	mustIP(t, "netns", "add", string(guest))
	t.Cleanup(func() { mustIP(t, "netns", "delete", string(guest)) }) // and the veth pair with it
	mustIP(t, "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", string(guest))
	mustIP(t, "address", "add", guestGateway+"/30", "dev", end)
	mustIP(t, "link", "set", end, "up")
	mustIP(t, "-n", string(guest), "address", "add", "198.18.77.2/30", "dev", "eth0")
	mustIP(t, "-n", string(guest), "link", "set", "eth0", "up")
	guest.route(t, "default", "via", guestGateway)
	return guest
}

// route adds a route inside the namespace.
func (n netns) route(t *testing.T, args ...string) {
	t.Helper()
	mustIP(t, append([]string{"-n", string(n), "route", "add"}, args...)...)
}

// command prepares a command inside the namespace. Its environment is env and nothing else, but for a PATH, an empty home and
// a directory for sockets where env has none.
func (n netns) command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "ip", append([]string{"netns", "exec", string(n)}, args...)...)
	cmd.Env = append([]string{"PATH=" + systemPath, "HOME=" + t.TempDir(), "XDG_RUNTIME_DIR=" + runtimeDir(t), "LC_ALL=C"}, env...)
	return cmd
}

// run runs a command inside the namespace to its end.
func (n netns) run(t *testing.T, env []string, args ...string) result {
	t.Helper()
	return finish(t, n.command(t, env, args...))
}

// output is what a command inside the namespace prints. The command must succeed.
func (n netns) output(t *testing.T, env []string, args ...string) string {
	t.Helper()
	r := n.run(t, env, args...)
	if r.code != 0 {
		t.Fatalf("%s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// result is how a command ended.
type result struct {
	stdout, stderr string
	code           int
}

// finish runs a prepared command for at most half a minute.
func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// mustIP runs ip on the machine itself.
func mustIP(t *testing.T, args ...string) {
	t.Helper()
	if r := finish(t, exec.CommandContext(context.WithoutCancel(t.Context()), "ip", args...)); r.code != 0 {
		t.Fatalf("ip %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
}

// needTools fails the test if a tool is missing.
func needTools(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can make network namespaces: run this as root")
	}
	for _, tool := range []struct{ name, debian string }{
		{"ip", "iproute2"},
		{"iptables-nft", "iptables"},
		{"iptables-legacy", "iptables"},
		{"nft", "nftables"},
		{"setpriv", "util-linux"},
		{"getent", "libc-bin"},
		{"awk", "mawk"},
		{"curl", "curl"},
		{"wget", "wget"},
		{"/usr/bin/python3", "python3"},
	} {
		if !filepath.IsAbs(tool.name) {
			findTool(t, tool.name, tool.debian)
		} else if _, err := os.Stat(tool.name); err != nil {
			t.Fatalf("%s is missing: apt-get install %s", tool.name, tool.debian)
		}
	}
	if err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import boto3").Run(); err != nil {
		t.Fatalf("/usr/bin/python3 has no boto3: apt-get install python3-boto3")
	}
}

// findTool is the path of a program in systemPath; debian is its package.
func findTool(t *testing.T, name, debian string) string {
	t.Helper()
	for _, dir := range filepath.SplitList(systemPath) {
		if path := filepath.Join(dir, name); syscall.Access(path, 1) == nil {
			return path
		}
	}
	t.Fatalf("%s is missing: apt-get install %s", name, debian)
	return ""
}

// toolDir makes a directory for a PATH, with links to programs: "awk", or "iptables=iptables-legacy" under another name.
func toolDir(t *testing.T, tools ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range tools {
		name, program, renamed := strings.Cut(tool, "=")
		if !renamed {
			program = name
		}
		if err := os.Symlink(findTool(t, program, "the package of "+program), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// startDaemon runs the daemon inside the namespace, with its embedded default, until the test ends.
func startDaemon(t *testing.T, n netns, bin string, args ...string) {
	t.Helper()
	cmd := n.command(t, nil, append([]string{bin, "--log-format", "json"}, args...)...) // ip becomes the daemon: the process id is the daemon's
	cmd.Dir = t.TempDir()                                                               // without conf/config.yaml
	follow(t, cmd)
}
