//go:build e2e && linux

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An office of three network namespaces: the developer's machine, which runs the daemon, its virtual box, and the LAN. Veth pairs
// connect the machine with both. Only under auto does it matter that the LAN's interface is virtual, too.
const (
	boxSide    = "192.0.2.1"
	boxIPv4    = "192.0.2.2"
	officeSide = "198.51.100.1"
	lanIPv4    = "198.51.100.2"
	lanIPv6    = "2001:db8:1::2"

	credentialsPath = "/latest/meta-data/iam/security-credentials/myrole"
)

type office struct {
	machine, box, lan netns
}

func newOffice(t *testing.T) *office {
	t.Helper()
	needTools(t)
	o := &office{newNamespace(t, "machine"), newNamespace(t, "box"), newNamespace(t, "lan")}
	for _, link := range []struct {
		name       string
		end        netns
		ipv4, ipv6 string // formats; the machine has the number 1, the end 2
	}{
		{name: "eth0", end: o.box, ipv4: "192.0.2.%d/24", ipv6: "2001:db8::%d/64"},
		{name: "eth1", end: o.lan, ipv4: "198.51.100.%d/24", ipv6: "2001:db8:1::%d/64"},
	} {
		mustIP(t, "-n", string(o.machine), "link", "add", link.name, "type", "veth", "peer", "name", "eth0", "netns", string(link.end))
		for i, side := range []struct {
			n   netns
			dev string
		}{{o.machine, link.name}, {link.end, "eth0"}} {
			for _, address := range []string{link.ipv4, link.ipv6} {
				mustIP(t, "-n", string(side.n), "address", "add", fmt.Sprintf(address, i+1), "dev", side.dev)
			}
			mustIP(t, "-n", string(side.n), "link", "set", side.dev, "up")
		}
	}
	return o
}

// serve runs the daemon on all addresses of the machine, in its home, until the test ends. by is a command that executes the
// daemon, as ip does, so that the process id is the daemon's.
func (o *office) serve(t *testing.T, bin, home string, by ...string) (d *local, pid int) {
	t.Helper()
	cmd := o.machine.command(t, []string{"HOME=" + home}, append(by, bin, "--log-format", "json", "--listen", "[::]:5000")...)
	cmd.Dir = home
	return follow(t, cmd), cmd.Process.Pid
}

// inside runs f on a thread in the namespace. The sockets that f makes, not those of its goroutines, belong to the namespace.
func (n netns) inside(f func() error) error {
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // without Unlock: the thread ends with the goroutine
		space, err := os.Open(filepath.Join("/run/netns", string(n)))
		if err != nil {
			ended <- err
			return
		}
		err = unix.Setns(int(space.Fd()), unix.CLONE_NEWNET)
		_ = space.Close()
		if err == nil {
			err = f()
		}
		ended <- err
	}()
	return <-ended
}

// dial connects from inside the namespace, by the address from, or "" for any.
func (n netns) dial(ctx context.Context, from, to string) (conn net.Conn, err error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	if from != "" {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
	}
	err = n.inside(func() error {
		conn, err = d.DialContext(ctx, "tcp", to)
		return err
	})
	return conn, err
}

// client is a client inside the namespace, with a connection for each request.
func (n netns) client(from string) *http.Client {
	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, to string) (net.Conn, error) {
				return n.dial(ctx, from, to)
			},
		},
	}
}

// answer is the response to one request.
type answer struct {
	status int
	header http.Header
	body   string
}

// get returns the answer to a GET. Without one, its body is the error.
func get(client *http.Client, url string) answer {
	resp, err := client.Get(url)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// exchange sends bytes as they are and reads all answers until the server closes the connection. Unless waits is set, it closes
// its own side after the last byte.
func exchange(conn net.Conn, text string, waits bool) ([]answer, error) {
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(8 * time.Second)) // less than the daemon waits for a body
	go func() {
		// The server may close the connection before all is sent.
		_, err := io.WriteString(conn, text)
		if half, ok := conn.(*net.TCPConn); ok && err == nil && !waits {
			_ = half.CloseWrite()
		}
	}()
	in := bufio.NewReader(conn)
	var answers []answer
	for _, method := range append(strings.Fields(text), "GET") {
		if method != "HEAD" {
			method = "GET"
		}
		if _, err := in.Peek(1); errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) && len(answers) > 0 {
			return answers, nil
		}
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return answers, err
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		answers = append(answers, answer{resp.StatusCode, resp.Header, string(b)})
		if err != nil {
			return answers, err
		}
	}
	return answers, errors.New("more answers than there can be")
}

// statuses are the status codes of answers, with spaces between them.
func statuses(answers []answer) string {
	var all []string
	for _, a := range answers {
		all = append(all, fmt.Sprint(a.status))
	}
	return strings.Join(all, " ")
}

// buildPlain builds the daemon without the race detector, which multiplies its memory.
func buildPlain(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "mock-ec2-metadata")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../../cmd/mock-ec2-metadata")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}
