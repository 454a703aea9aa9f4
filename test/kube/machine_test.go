//go:build kube && linux

package kube

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A machine is a network namespace, by its file. The node's is where the product's own commands run too: that is the laptop. A
// pod's is where its clients are.
type machine struct{ netns string }

// command prepares a command of this machine inside the network namespace. Its environment has a PATH and nothing of the tests'.
func (m machine) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + m.netns}, args...)...) // nsenter becomes the command
	cmd.Env = []string{"PATH=" + binDir() + ":" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "LC_ALL=C"}
	return cmd
}

// within calls f on a thread that is inside the network namespace. Sockets that f makes stay there.
func (m machine) within(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // without Unlock: the thread ends with the goroutine
		done <- func() error {
			ns, err := os.Open(m.netns)
			if err != nil {
				return err
			}
			defer func() { _ = ns.Close() }()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			return f()
		}()
	}()
	return <-done
}

// listen makes a TCP listener of this process inside the network namespace.
func (m machine) listen(t *testing.T, address string) net.Listener {
	t.Helper()
	var l net.Listener
	if err := m.within(func() (err error) { l, err = net.Listen("tcp", address); return err }); err != nil {
		t.Fatal(err)
	}
	return l
}

// dial connects from inside the network namespace. The address must be numeric.
func (m machine) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = m.within(func() (err error) { conn, err = new(net.Dialer).DialContext(ctx, network, address); return err })
	return conn, err
}

// client is an HTTP client inside the network namespace, which keeps connections if keepAlive says so. Its requests take as long as
// they take.
func (m machine) client(t *testing.T, keepAlive bool) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: m.dial, DisableKeepAlives: !keepAlive, ResponseHeaderTimeout: 30 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// changing is what differs between two dumps of the same rules: counters, and times and versions in comments.
var changing = regexp.MustCompile(`(?m)^#.*\n|\[\d+:\d+\]| ?counter packets \d+ bytes \d+`)

// rules are all rules of the packet filter, of each kind that this machine has tools for.
func (m machine) rules(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dump := range [][]string{
		{"iptables-nft-save"}, {"iptables-legacy-save"}, {"ip6tables-nft-save"}, {"ip6tables-legacy-save"}, {"nft", "list", "ruleset"},
	} {
		if _, err := exec.LookPath(dump[0]); err != nil {
			t.Fatalf("%s is missing: apt-get install iptables nftables", dump[0])
		}
		r := finish(t, m.command(t.Context(), dump...))
		if r.code != 0 {
			t.Fatalf("%s: exit %d\n%s", dump[0], r.code, r.stderr)
		}
		all.WriteString(strings.Join(dump, " ") + "\n" + changing.ReplaceAllString(r.stdout, ""))
	}
	return all.String()
}

// addresses are the addresses of the namespace but those of pods' interfaces, which come and go.
func (m machine) addresses(t *testing.T) string {
	t.Helper()
	r := finish(t, m.command(t.Context(), "ip", "-o", "address", "show"))
	if r.code != 0 {
		t.Fatal(r.stderr)
	}
	var kept strings.Builder
	for line := range strings.Lines(r.stdout) {
		if f := strings.Fields(line); !strings.HasPrefix(f[1], "veth") && !strings.HasPrefix(f[3], "fe80:") {
			kept.WriteString(f[1] + " " + f[3] + " " + strings.Join(f[4:6], " ") + "\n")
		}
	}
	return kept.String()
}
