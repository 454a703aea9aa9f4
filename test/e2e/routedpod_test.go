//go:build e2e && linux

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// TestGuard_AutoAllowsARoutedPodWhileItsRouteIsThere routes a pod over a veth pair, as Calico does. Its address is in no network of
// the machine. A client behind a gateway is denied.
func TestGuard_AutoAllowsARoutedPodWhileItsRouteIsThere(t *testing.T) {
	const pod, service = "10.244.0.5", "198.51.100.1"
	box, host := newBox(t)
	mustIP(t, "-n", string(box), "address", "flush", "dev", "eth0")
	mustIP(t, "-n", string(box), "address", "add", pod+"/32", "dev", "eth0")
	box.route(t, "169.254.1.1", "dev", "eth0", "scope", "link")
	box.route(t, "default", "via", "169.254.1.1")
	host.kernel(t, "ipv4/conf/eth0/proxy_arp", "1")
	host.kernel(t, "ipv4/ip_forward", "1")
	host.own(t, service+"/32")
	host.route(t, "default", "dev", "lo") // proxy ARP answers for what it could forward
	home := t.TempDir()
	writeMockConfig(t, home, "")
	host.serve(t, home, "0.0.0.0:5000")
	ask := func() result {
		return box.run(t, nil, "curl", "-qsS", "--max-time", "2", "http://"+service+":5000/latest/meta-data/instance-id")
	}
	until := func(where, want string) {
		t.Helper()
		testutil.Eventually(t, fmt.Sprintf("%q for a pod %s", want, where), func() bool { return strings.Contains(ask().stdout, want) })
	}
	host.route(t, pod+"/32", "dev", "eth0", "scope", "link")
	until("directly behind the interface", "i-0123456789abcdef0")
	mustIP(t, "-n", string(host), "route", "delete", pod+"/32")
	host.route(t, "192.0.2.9", "dev", "eth0")
	host.route(t, pod+"/32", "via", "192.0.2.9", "dev", "eth0")
	mustIP(t, "-n", string(box), "address", "add", "192.0.2.9/32", "dev", "eth0")
	until("behind a gateway", "client "+pod+" is not allowed")
}
