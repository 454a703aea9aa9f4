package guard

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// serviceAddrs are the addresses of the metadata service (imds-reference section 1).
var serviceAddrs = []netip.Addr{netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254")}

// serviceNames are the names that EC2's resolvers give it.
var serviceNames = []string{"instance-data", "instance-data.ec2.internal", "metadata", "localhost"}

// judgeTarget refuses what only a proxy answers: CONNECT, and a URL of another host in the request line (RFC 9112 sections
// 3.2.2 and 3.2.3). A URL of the service itself is allowed: exec --proxy makes clients send it. net/http ignores the Host header
// then.
func (g *Guard) judgeTarget(rules *Rules, r *http.Request) *refusal {
	switch {
	case r.Method == http.MethodConnect:
		return forbidden("hosts", "CONNECT is not allowed: this daemon is not a proxy for https; unset https_proxy for this client")
	case r.URL.Host == "":
		return nil
	case r.URL.Scheme == "http" && g.isService(rules, r.URL.Hostname()):
		return nil
	default:
		return forbidden("hosts", "%.100q is not the metadata service, and this daemon is not a proxy for other hosts; unset http_proxy for this client", r.URL.Host)
	}
}

// isService tells whether a host is the metadata service or this machine.
func (g *Guard) isService(rules *Rules, host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		a = a.Unmap()
		return slices.Contains(serviceAddrs, a) || a.IsLoopback() || g.networks.isOwn(a)
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	return slices.Contains(serviceNames, name) || slices.Contains(rules.Hosts, name)
}
