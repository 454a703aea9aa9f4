package instance

import (
	"fmt"
	"net/netip"
	"slices"

	"mock-ec2-metadata/internal/config"
)

// networks are those that a key configures.
type networks struct {
	key  string
	list []netip.Prefix
}

// parseNetworks parses the networks of a key. The configuration has been validated.
func parseNetworks(key string, cidrs ...string) networks {
	n := networks{key: key}
	for _, cidr := range cidrs {
		if p, err := netip.ParsePrefix(cidr); err == nil {
			n.list = append(n.list, p)
		}
	}
	return n
}

// String names the key and, if it has only one, the network.
func (n networks) String() string {
	if len(n.list) == 1 {
		return n.key + " " + n.list[0].String()
	}
	return n.key
}

// hold reports whether one of the networks is or contains another one.
func (n networks) hold(p netip.Prefix) bool {
	return slices.ContainsFunc(n.list, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Contains(p.Addr()) })
}

// address is one address and the key that configures it.
type address struct {
	netip.Addr
	at, key string // at is the element of the key's list
	note    string // says how it was derived
}

// parseAddresses parses the addresses of a key. The configuration has been validated.
func parseAddresses(key string, texts ...string) []address {
	var list []address
	for i, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil {
			list = append(list, address{Addr: a, at: fmt.Sprintf("%s[%d]", key, i), key: key})
		}
	}
	return list
}

// configured is an interface as the configuration has it.
type configured struct {
	keys
	config.NetworkInterface
}

// keys are the key of an interface and those of its addresses.
type keys struct{ key, local, public, ipv6 string }

func keysOf(key string) keys {
	return keys{key: key, local: key + ".local_ipv4s", public: key + ".public_ipv4s", ipv6: key + ".ipv6s"}
}

// keysOfZero returns the keys of device 0, of single addresses where there is no list.
func keysOfZero(e *config.EC2) keys {
	k := keysOf(zeroKey)
	if e.LocalIPv4s == nil {
		k.local = zeroKey + ".local_ipv4"
	}
	if e.PublicIPv4s == nil {
		k.public = zeroKey + ".public_ipv4"
	}
	if e.IPv6s == nil {
		k.ipv6 = zeroKey + ".ipv6"
	}
	return k
}

// derivedAddress returns the address of an interface that configures none: the one so many places after device 0's. Beside a
// device 0 without IPv4 there is none.
func (k *checker) derivedAddress(n, zero configured, places int) []address {
	if n.LocalIPv4s != nil || len(zero.LocalIPv4s) == 0 {
		return nil
	}
	last, after := highest(zero.LocalIPv4s), zero.local
	if len(zero.LocalIPv4s) > 1 {
		after = "the highest of " + after
	}
	a, err := netip.ParseAddr(addressAfter(last, places))
	if err != nil {
		k.fail(n.local, "is missing, and there is none %d after %s %s", places, after, last)
		return nil
	}
	return []address{{Addr: a, at: n.local, key: n.local, note: fmt.Sprintf(" (%d after %s)", places, after)}}
}

// checkDevice requires a place of its own for an interface beside device 0.
func (k *checker) checkDevice(key string, n config.NetworkInterface) {
	device := key + ".device_number"
	place := fmt.Sprintf("device %d %d", n.NetworkCard, n.DeviceNumber)
	switch other, taken := k.used[place]; {
	case n.NetworkCard == 0 && n.DeviceNumber == 0:
		k.fail(device, "0 is the interface that ec2.local_ipv4, ec2.mac and so on describe; this is a further one")
	case taken:
		k.fail(device, "%d on network card %d is %s already", n.DeviceNumber, n.NetworkCard, other)
	default:
		k.used[place] = key
	}
}

// deviceZero returns what ec2 configures of its own interface.
func deviceZero(e *config.EC2) config.NetworkInterface {
	return config.NetworkInterface{
		MAC:                  e.MAC,
		InterfaceID:          e.InterfaceID,
		LocalIPv4s:           listOr(e.LocalIPv4s, e.LocalIPv4),
		PublicIPv4s:          listOr(e.PublicIPv4s, e.PublicIPv4),
		PublicHostname:       e.PublicHostname,
		IPv6s:                listOr(e.IPv6s, e.IPv6),
		IPv4Prefixes:         e.IPv4Prefixes,
		IPv6Prefixes:         e.IPv6Prefixes,
		VPCID:                e.VPCID,
		SubnetID:             e.SubnetID,
		VPCIPv4CIDRBlocks:    e.VPCIPv4CIDRBlocks,
		VPCIPv6CIDRBlocks:    e.VPCIPv6CIDRBlocks,
		SubnetIPv4CIDRBlock:  e.SubnetIPv4CIDRBlock,
		SubnetIPv6CIDRBlocks: e.SubnetIPv6CIDRBlocks,
		SecurityGroups:       e.SecurityGroups,
		SecurityGroupIDs:     e.SecurityGroupIDs,
	}
}

// checkConfigured checks an interface, with the address that was derived for it, against those before.
func (k *checker) checkConfigured(n, zero configured, derived []address) {
	key := n.key
	public := parseAddresses(n.public, n.PublicIPv4s...)
	local := append(parseAddresses(n.local, n.LocalIPv4s...), derived...)
	ipv6s := parseAddresses(n.ipv6, n.IPv6s...)

	k.once("MAC address", n.MAC, key+".mac", key+".mac")
	k.once("interface id", n.InterfaceID, key+".interface_id", key+".interface_id")
	k.checkPlace(n, zero, ipv4Place, local)
	k.checkPlace(n, zero, ipv6Place, ipv6s)
	for _, a := range slices.Concat(local, ipv6s) {
		k.once("private address", a.String(), a.at, a.key)
	}
	for _, a := range public {
		k.once("public address", a.String(), a.at, a.key)
	}
	without := len(local) == 0 && (n.LocalIPv4s != nil || len(zero.LocalIPv4s) == 0)
	if len(public) > len(local) && (len(local) > 0 || without) {
		k.fail(n.public, "%d public addresses for %d private; each needs its own", len(public), len(local))
	}
	if n.PublicHostname != "" && len(public) == 0 {
		k.fail(key+".public_hostname", "needs %s", n.public)
	}
	if without {
		k.checkWithoutIPv4(n)
	}
	if names, ids := len(n.SecurityGroups), len(n.SecurityGroupIDs); names > 0 && ids > 0 && names != ids {
		k.fail(key+".security_group_ids", "%d ids, but %s.security_groups has %d names", ids, key, names)
	}
}

// checkWithoutIPv4 refuses what an interface without an IPv4 address cannot have: it is in a subnet of IPv6 alone.
func (k *checker) checkWithoutIPv4(n configured) {
	if n.SubnetIPv4CIDRBlock != "" {
		k.fail(n.key+".subnet_ipv4_cidr_block", "in such a subnet an interface has an IPv4 address, but %s is []; remove one of the two", n.local)
	}
	if len(n.IPv4Prefixes) > 0 {
		k.fail(n.key+".ipv4_prefixes", "needs an address in %s", n.local)
	}
	if n.key == zeroKey && len(n.IPv6s)+len(n.IPv6Prefixes) == 0 {
		k.fail(n.local, "[] needs %s.ipv6s: an instance has an address", n.key)
	}
}

// checkHostnameType refuses names after an IPv4 address that device 0 does not have.
func (k *checker) checkHostnameType(c *config.Instance, zero configured) {
	if c.EC2.HostnameType == "ip-name" && len(zero.LocalIPv4s) == 0 {
		k.fail("ec2.hostname_type", "ip-name needs an address in %s; write %s, or leave it out", zero.local, resourceName)
	}
}

// place is where the addresses of one family are.
type place struct{ subnet, vpc networks }

func ipv4Place(n configured) place {
	return place{
		parseNetworks(n.key+".subnet_ipv4_cidr_block", single(n.SubnetIPv4CIDRBlock)...),
		parseNetworks(n.key+".vpc_ipv4_cidr_blocks", n.VPCIPv4CIDRBlocks...),
	}
}

func ipv6Place(n configured) place {
	return place{
		parseNetworks(n.key+".subnet_ipv6_cidr_blocks", n.SubnetIPv6CIDRBlocks...),
		parseNetworks(n.key+".vpc_ipv6_cidr_blocks", n.VPCIPv6CIDRBlocks...),
	}
}

// checkPlace checks the networks of an interface and the addresses in them. An interface of device 0's VPC has the networks
// of device 0, those of the subnet only if it names the same one.
func (k *checker) checkPlace(n, zero configured, of func(configured) place, addresses []address) {
	p, shared := of(n), of(zero)
	share := len(p.vpc.list) == 0 && (n.VPCID == "" || n.VPCID == zero.VPCID)
	if share {
		p.vpc = shared.vpc
	}
	usable := k.checkSubnets(p)
	if share && len(p.subnet.list) == 0 && n.SubnetID != "" && n.SubnetID == zero.SubnetID {
		p.subnet = shared.subnet
	}
	around := p.subnet
	if len(around.list) == 0 {
		around = p.vpc
	}
	for _, a := range addresses {
		switch {
		case len(around.list) == 0:
		case !around.hold(netip.PrefixFrom(a.Addr, a.BitLen())):
			k.failAt(a.at, a.key, "%s%s is not in %s", a.Addr, a.note, around)
		case a.Is4() && usable && len(p.subnet.list) > 0 && reserved(p.subnet.list[0], a.Addr):
			k.failAt(a.at, a.key, "%s%s is AWS's own: it keeps the first four addresses and the last of %s", a.Addr, a.note, p.subnet)
		}
	}
}

// checkSubnets requires that the subnets lie in the VPC and have an address for an instance. It returns false if there is no
// such address.
func (k *checker) checkSubnets(p place) (usable bool) {
	usable = true
	for i, subnet := range p.subnet.list {
		if subnet.Addr().Is4() && subnet.Bits() > maxUsableBits {
			k.fail(p.subnet.key, "%s is too small: AWS keeps the first four addresses and the last; write e.g. %s", subnet, netip.PrefixFrom(subnet.Addr(), 24).Masked())
			usable = false
		}
		if len(p.vpc.list) > 0 && !p.vpc.hold(subnet) {
			k.failAt(fmt.Sprintf("%s[%d]", p.subnet.key, i), p.subnet.key, "%s is not in %s", subnet, p.vpc)
		}
	}
	return usable
}
