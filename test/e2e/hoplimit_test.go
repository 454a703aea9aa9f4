//go:build e2e && linux

package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

// TestHopLimit_StopsTokensBehindTheRouter changes the hop limit of a running daemon and asks for tokens from two places: from the
// router next to the daemon, like a process on the instance, and from behind it, like a container with a network of its own.
func TestHopLimit_StopsTokensBehindTheRouter(t *testing.T) {
	needTools(t)
	for name, listen := range map[string][]string{
		"a socket each": {listenIPv4, listenIPv6},
		"one socket":    {":80"}, // of IPv6, which also accepts IPv4
	} {
		t.Run(name, func(t *testing.T) { testHopLimit(t, listen...) })
	}
}

func testHopLimit(t *testing.T, listen ...string) {
	behind, router, daemon := newRoute(t)
	home := t.TempDir()
	configure := func(limit int) {
		writeMockConfig(t, home, fmt.Sprintf("ec2:\n  hostname: limit-%d\n  metadata_options: {http_put_response_hop_limit: %[1]d}\n"+
			"server: {allow_clients: [0.0.0.0/0, \"::/0\"]} # behind the router is another machine\n", limit))
	}
	configure(1)
	daemon.serve(t, home, listen...)

	const timeout = "curl: (28)" // connected, but no answer
	for _, step := range []struct {
		limit          int
		router, behind string // what a token request gets
		reuse          bool   // of the token request's connection
	}{
		{limit: 1, router: "200", behind: timeout},
		{limit: 2, router: "200", behind: "200"},
		{limit: 64, router: "200", behind: "200", reuse: true},
		{limit: 1, router: "200", behind: timeout},
	} {
		configure(step.limit)
		testutil.Eventually(t, "the hop limit is in force", func() bool {
			return router.get(t, "/latest/meta-data/hostname") == "limit-"+strconv.Itoa(step.limit)
		})
		for _, host := range []string{serviceIPv4, "[" + serviceIPv6 + "]"} {
			t.Run(fmt.Sprintf("%d %s", step.limit, host), func(t *testing.T) {
				want := hops{
					TokenAtRouter: step.router, TokenBehind: step.behind, GetBehind: "limit-" + strconv.Itoa(step.limit), Reused: step.reuse,
				}
				got := hops{
					TokenAtRouter: router.putToken(t, host), TokenBehind: behind.putToken(t, host),
					GetBehind: behind.output(t, nil, "curl", "-qfsSg", "--max-time", "2", "http://"+host+"/latest/meta-data/hostname"),
					Reused:    router.reuses(t, host),
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestHopLimit_CountsAGuestsNetworkAsOneHop asks from a guest of the daemon's machine and from that machine itself. No packet between
// them is forwarded, so the kernel's own hop limit would not matter.
func TestHopLimit_CountsAGuestsNetworkAsOneHop(t *testing.T) {
	guest, host := newBox(t)
	home := t.TempDir()
	configure := func(limit int) {
		writeMockConfig(t, home, fmt.Sprintf("ec2:\n  hostname: limit-%d\n  metadata_options: {http_put_response_hop_limit: %[1]d}\n", limit))
	}
	configure(1)
	host.serve(t, home, hostAddress+":80")
	for _, step := range []struct {
		limit       int
		host, guest string
	}{
		{limit: 1, host: "200", guest: "curl: (28)"},
		{limit: 2, host: "200", guest: "200"},
		{limit: 64, host: "200", guest: "200"},
	} {
		configure(step.limit)
		hostname := "limit-" + strconv.Itoa(step.limit)
		testutil.EventuallyWithin(t, time.Minute, "the hop limit is used", func() bool {
			return guest.output(t, nil, "curl", "-qfsS", "--max-time", "2", "http://"+hostAddress+"/latest/meta-data/hostname") == hostname
		})
		if got := host.putToken(t, hostAddress); got != step.host {
			t.Errorf("limit %d: the daemon's machine gets %s, want %s", step.limit, got, step.host)
		}
		if got := guest.putToken(t, hostAddress); got != step.guest {
			t.Errorf("limit %d: the guest gets %s, want %s", step.limit, got, step.guest)
		}
	}
}

// hops is what token requests and a GET get, and whether a connection outlives the token request.
type hops struct {
	TokenAtRouter, TokenBehind string
	GetBehind                  string
	Reused                     bool
}

// putToken asks for a token and returns the status of the answer or, without one, curl's error number.
func (n netns) putToken(t *testing.T, host string) string {
	t.Helper()
	r := n.run(t, nil, "curl", "-qsSg", "--max-time", "0.6", "-o", "/dev/null", "-w", "%{http_code} %{time_connect}",
		"-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", "http://"+host+"/latest/api/token")
	status, connected, _ := strings.Cut(r.stdout, " ")
	if seconds, err := strconv.ParseFloat(connected, 64); err != nil || seconds == 0 {
		t.Errorf("no connection to %s: %s", host, r.stderr)
	}
	if r.code != 0 {
		return fmt.Sprintf("curl: (%d)", r.code)
	}
	return status
}

// reuses tells whether a GET after a token request uses the same connection.
func (n netns) reuses(t *testing.T, host string) bool {
	t.Helper()
	connections := n.output(t, nil, "curl", "-qfsSg", "--max-time", "2", "-o", "/dev/null", "-w", "%{num_connects} ",
		"-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", "http://"+host+"/latest/api/token",
		"--next", "-qfsSg", "--max-time", "2", "-o", "/dev/null", "-w", "%{num_connects}", "http://"+host+"/latest/meta-data/hostname")
	return connections == "1 0"
}

// newRoute makes three network namespaces in a row. The service's addresses are in the last one.
func newRoute(t *testing.T) (behind, router, daemon netns) {
	t.Helper()
	behind, router, daemon = newNamespace(t, "behind"), newNamespace(t, "router"), newNamespace(t, "daemon")
	router.kernel(t, "ipv4/ip_forward", "1")
	router.kernel(t, "ipv6/conf/all/forwarding", "1")
	for i, end := range []netns{behind, daemon} {
		link := fmt.Sprintf("eth%d", i)
		mustIP(t, "-n", string(router), "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", string(end))
		mustIP(t, "-n", string(router), "address", "add", fmt.Sprintf("192.0.2.%d/30", 4*i+1), "dev", link)
		mustIP(t, "-n", string(router), "address", "add", fmt.Sprintf("2001:db8:%d::1/64", i), "dev", link)
		mustIP(t, "-n", string(router), "link", "set", link, "up")
		mustIP(t, "-n", string(end), "address", "add", fmt.Sprintf("192.0.2.%d/30", 4*i+2), "dev", "eth0")
		mustIP(t, "-n", string(end), "address", "add", fmt.Sprintf("2001:db8:%d::2/64", i), "dev", "eth0")
		mustIP(t, "-n", string(end), "link", "set", "eth0", "up")
		end.route(t, "default", "via", fmt.Sprintf("192.0.2.%d", 4*i+1))
		end.route(t, "default", "via", fmt.Sprintf("2001:db8:%d::1", i))
	}
	daemon.own(t, serviceIPv4, serviceIPv6)
	router.route(t, serviceIPv4, "via", "192.0.2.6")
	router.route(t, serviceIPv6, "via", "2001:db8:1::2")
	return behind, router, daemon
}
