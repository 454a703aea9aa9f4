package app

import (
	"fmt"
	"net/netip"
	"strings"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/guard"
)

// RulesOf are the guard's rules in a configuration.
func RulesOf(c *config.Config) *guard.Rules {
	s := c.Server
	r := &guard.Rules{
		Auto:                 len(s.AllowClients) == 1 && s.AllowClients[0] == "auto",
		Proxies:              s.AllowProxies,
		MaxURL:               s.Limits.URLBytes,
		MaxHeader:            s.Limits.HeaderBytes,
		MaxBody:              int64(s.Limits.BodyBytes),
		Connections:          s.Limits.Connections,
		ConnectionsPerClient: s.Limits.ConnectionsPerClient,
	}
	for _, host := range s.AllowHosts {
		r.Hosts = append(r.Hosts, strings.ToLower(host))
	}
	for _, origin := range s.AllowOrigins {
		r.Origins = append(r.Origins, strings.ToLower(origin))
	}
	if r.Auto {
		return r
	}
	for _, cidr := range s.AllowClients {
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			continue // config has validated it
		}
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 { // the guard knows only plain IPv4
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		r.Clients = append(r.Clients, p)
	}
	return r
}

// DescribeRules says in words which requests the guard allows, one line per rule. networks are those of the virtual interfaces
// now.
func DescribeRules(c *config.Config, networks []string) []string {
	s := c.Server
	hosts := "IP addresses, names without a dot, localhost, *.localhost, *.internal, *.local"
	if len(s.AllowHosts) > 0 {
		hosts += ", " + strings.Join(s.AllowHosts, ", ")
	}
	pages := "none"
	if len(s.AllowOrigins) > 0 {
		pages = strings.Join(s.AllowOrigins, ", ")
	}
	proxies := "get no session tokens"
	if s.AllowProxies {
		proxies = "get session tokens"
	}
	return []string{
		"clients (server.allow_clients): " + DescribeClients(c, networks),
		"Host names (server.allow_hosts): " + hosts,
		"web pages (server.allow_origins): " + pages,
		"proxies (server.allow_proxies): " + proxies,
		fmt.Sprintf("limits (server.limits): %d connections, %d of one client, URLs of %d bytes, headers of %d, bodies of %d",
			s.Limits.Connections, s.Limits.ConnectionsPerClient, s.Limits.URLBytes, s.Limits.HeaderBytes, s.Limits.BodyBytes),
	}
}

// DescribeClients says in words which clients the guard allows.
func DescribeClients(c *config.Config, networks []string) string {
	s := c.Server
	const own = "this machine"
	switch {
	case len(s.AllowClients) == 0:
		return own + " only"
	case s.AllowClients[0] != "auto":
		return own + ", and " + strings.Join(s.AllowClients, ", ")
	case len(networks) == 0:
		return own + ", and the networks of virtual interfaces (auto), now none"
	default:
		return own + ", and the networks of virtual interfaces (auto), now " + strings.Join(networks, ", ")
	}
}

// NetworksVariable holds the virtual networks of the machine around a container, which the daemon in it cannot see.
// run-docker.sh gets them from the networks command.
const NetworksVariable = "MOCK_EC2_METADATA_NETWORKS"

// HostNetworks reads NetworksVariable from the environment.
func HostNetworks(environ []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, entry := range environ {
		value, ok := strings.CutPrefix(entry, NetworksVariable+"=")
		if !ok || value == "" {
			continue
		}
		for cidr := range strings.SplitSeq(value, ",") {
			p, err := netip.ParsePrefix(cidr)
			if err != nil {
				return nil, fmt.Errorf("%s: %q is not a CIDR block; write e.g. 192.168.121.0/24,172.17.0.0/16", NetworksVariable, cidr)
			}
			networks = append(networks, p)
		}
	}
	return networks, nil
}
