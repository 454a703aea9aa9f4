package docker

import (
	"net/netip"

	"mock-ec2-metadata/internal/caller"
)

// wireAddresses are a container's in one network.
type wireAddresses struct {
	MacAddress                     string
	IPAddress, Gateway             string
	IPPrefixLen                    int
	GlobalIPv6Address, IPv6Gateway string
	GlobalIPv6PrefixLen            int
}

// network is what they tell. mode is the container's, in the engine's words.
func (w *wireAddresses) network(name, mode string) caller.Network {
	n := caller.Network{Name: name, Mode: networkMode(mode), MAC: w.MacAddress}
	n.IPv4, n.Gateway4, n.Subnet4 = family(w.IPAddress, w.Gateway, w.IPPrefixLen)
	n.IPv6, n.Gateway6, n.Subnet6 = family(w.GlobalIPv6Address, w.IPv6Gateway, w.GlobalIPv6PrefixLen)
	return n
}

// networkMode is a word of caller.Network. All networks of Docker and Podman but these are bridges, or look like one.
func networkMode(mode string) string {
	switch mode {
	case "host", "none", "slirp4netns", "pasta":
		return mode
	}
	return "bridge"
}

// family are the addresses, the gateway and the subnet of one family; what is no address is left out.
func family(address, gateway string, length int) (addresses []string, gatewayPrefix, subnet string) {
	a, ok := parseAddr(address)
	if !ok {
		return nil, "", ""
	}
	addresses = []string{a.String()}
	if p, err := a.Prefix(length); err == nil && length > 0 {
		subnet = p.String()
		if g, ok := parseAddr(gateway); ok && g.Is4() == a.Is4() {
			gatewayPrefix = netip.PrefixFrom(g, length).String()
		}
	}
	return addresses, gatewayPrefix, subnet
}
