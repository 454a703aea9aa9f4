package config

import (
	"fmt"
	"net/netip"
	"slices"
)

const (
	// reservedAddresses is how many addresses at the start of a subnet AWS keeps for itself, beside the last (VPC user
	// guide, "Subnet sizing"). A subnet of mostSubnetBits is the smallest that has any left.
	reservedAddresses = 4
	mostSubnetBits    = 29
	// maxInterfaces and maxAddresses are above anything that EC2 has.
	maxInterfaces = 64
	maxAddresses  = 256
)

// blocks are the networks that one key names.
type blocks struct {
	path string
	list []netip.Prefix // none: nothing said, or something wrong by itself
}

// blocks parses the networks at path.
func (l *loader) blocks(path string, cidrs ...string) blocks {
	b := blocks{path: path}
	l.atMost(path, len(cidrs), maxAddresses, "networks")
	if !l.usable(path) {
		return b
	}
	for _, cidr := range cidrs {
		if p, err := netip.ParsePrefix(cidr); err == nil {
			b.list = append(b.list, p)
		}
	}
	return b
}

// known is true when there is something to compare with.
func (b blocks) known() bool { return len(b.list) > 0 }

// hold is true when one of them has the address.
func (b blocks) hold(a netip.Addr) bool {
	return slices.ContainsFunc(b.list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// String names the key and, if there is but one, the network.
func (b blocks) String() string {
	if len(b.list) == 1 {
		return b.path + " " + b.list[0].String()
	}
	return b.path
}

// networks are those that a network interface is in.
type networks struct{ subnet4, vpc4, subnet6, vpc6 blocks }

// networks parses what stands below path, "ec2" or one of the further interfaces.
func (l *loader) networks(path, subnet4 string, vpc4, subnet6, vpc6 []string) networks {
	return networks{
		subnet4: l.blocks(join(path, "subnet_ipv4_cidr_block"), subnet4),
		vpc4:    l.blocks(join(path, "vpc_ipv4_cidr_blocks"), vpc4...),
		subnet6: l.blocks(join(path, "subnet_ipv6_cidr_blocks"), subnet6...),
		vpc6:    l.blocks(join(path, "vpc_ipv6_cidr_blocks"), vpc6...),
	}
}

// atMost reports a list that is too long to go on with.
func (l *loader) atMost(path string, n, most int, what string) {
	if n > most && !l.broken[path] {
		l.fail(l.origin(path), path, "%d %s; at most %d", n, what, most)
	}
}

// address is one address, and the key that has it.
type address struct {
	netip.Addr
	path string
	at   origin
	note string // where it comes from, if not from a source
}

// String is the address for a message.
func (a address) String() string { return a.Addr.String() + a.note }

// addresses parses a list of them; none when something is wrong with it.
func (l *loader) addresses(path string, texts []string) []address {
	l.atMost(path, len(texts), maxAddresses, "addresses")
	if l.broken[path] {
		return nil
	}
	list := make([]address, 0, len(texts))
	for i, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil {
			list = append(list, address{Addr: a, path: path, at: l.origin(fmt.Sprintf("%s[%d]", path, i))})
		}
	}
	return list
}

// address parses a single one.
func (l *loader) address(path, text string) []address {
	a, err := netip.ParseAddr(text)
	if err != nil || l.broken[path] {
		return nil
	}
	return []address{{Addr: a, path: path, at: l.origin(path)}}
}

// validateNetwork judges what the instance says of its own interface, device 0, and then the further ones.
func (l *loader) validateNetwork() {
	c := l.config.EC2
	in := l.networks("ec2", c.SubnetIPv4CIDRBlock, c.VPCIPv4CIDRBlocks, c.SubnetIPv6CIDRBlocks, c.VPCIPv6CIDRBlocks)
	l.nested(in.subnet4, in.vpc4)
	l.nested(in.subnet6, in.vpc6)
	l.roomy(in.subnet4)
	local, ipv6s := l.address("ec2.local_ipv4", c.LocalIPv4), l.address("ec2.ipv6", c.IPv6)
	if l.isSet("ec2.local_ipv4") { // the default is right by construction
		l.within(local, in.subnet4, in.vpc4)
	}
	l.within(ipv6s, in.subnet6, in.vpc6)
	l.sameLength("ec2", c.SecurityGroups, c.SecurityGroupIDs)
	if c.PublicHostname != "" && !l.isSet("ec2.public_ipv4") {
		l.wrong("ec2.public_hostname", "needs ec2.public_ipv4")
	}

	s := seen{macs: unique{}, ids: unique{}, private: unique{}, public: unique{}, devices: map[[2]int]string{}}
	l.only(s.macs, c.MAC, "ec2.mac", l.origin("ec2.mac"))
	l.only(s.ids, c.InterfaceID, "ec2.interface_id", l.origin("ec2.interface_id"))
	l.onlyAddresses(s.private, local, ipv6s)
	l.onlyAddresses(s.public, l.address("ec2.public_ipv4", c.PublicIPv4))
	l.validateInterfaces(in, s)
}

// nested wants each subnet in the VPC.
func (l *loader) nested(subnet, vpc blocks) {
	if !vpc.known() {
		return
	}
	for i, p := range subnet.list {
		inside := slices.ContainsFunc(vpc.list, func(v netip.Prefix) bool { return v.Bits() <= p.Bits() && v.Contains(p.Addr()) })
		if !inside {
			at := l.origin(fmt.Sprintf("%s[%d]", subnet.path, i))
			l.problems.add(at, subnet.path, "%s is not in %s", p, vpc)
		}
	}
}

// roomy wants a subnet with an address for an instance.
func (l *loader) roomy(subnet blocks) {
	for _, p := range subnet.list {
		if p.Bits() > mostSubnetBits {
			l.wrong(subnet.path, "%s is too small: AWS keeps the first four addresses and the last; write e.g. %s", p, netip.PrefixFrom(p.Addr(), 24).Masked())
		}
	}
}

// within wants addresses in the subnet, where that is not known in the VPC, and not among AWS's own.
func (l *loader) within(addresses []address, subnet, vpc blocks) {
	around := subnet
	if !subnet.known() {
		around = vpc
	}
	for _, a := range addresses {
		switch {
		case !around.known():
		case !around.hold(a.Addr):
			l.problems.add(a.at, a.path, "%s is not in %s", a, around)
		case subnet.known() && a.Is4() && subnet.list[0].Bits() <= mostSubnetBits && reserved(subnet.list[0], a.Addr):
			l.problems.add(a.at, a.path, "%s is AWS's own: it keeps the first four addresses and the last of %s", a, subnet)
		}
	}
}

// reserved is true for the addresses of a subnet that no instance can have.
func reserved(subnet netip.Prefix, a netip.Addr) bool {
	own := subnet.Addr()
	for range reservedAddresses {
		if a == own {
			return true
		}
		own = own.Next()
	}
	return !subnet.Contains(a.Next())
}

// sameLength wants a name for every id.
func (l *loader) sameLength(path string, names, ids []string) {
	namesPath, idsPath := join(path, "security_groups"), join(path, "security_group_ids")
	if len(names) > 0 && len(ids) > 0 && len(names) != len(ids) && l.comparable(namesPath, idsPath) {
		l.wrong(idsPath, "%d ids, but %s has %d names", len(ids), namesPath, len(names))
	}
}

// onlyAddresses reports addresses that another key has.
func (l *loader) onlyAddresses(first unique, lists ...[]address) {
	for _, list := range lists {
		for _, a := range list {
			l.only(first, a.Addr.String(), a.path, a.at)
		}
	}
}

// oddAddress warns of addresses that no instance has.
func oddAddress(value string) string {
	a, err := netip.ParseAddr(value)
	switch {
	case err != nil:
		return ""
	case a.IsLoopback():
		return value + " is a loopback address; an instance has one of its VPC, e.g. 10.0.0.10"
	case a.IsUnspecified():
		return value + " is no instance's address; an instance has one of its VPC, e.g. 10.0.0.10"
	case a.IsMulticast():
		return value + " is a multicast address; an instance has one of its VPC, e.g. 10.0.0.10"
	}
	return ""
}

// oddPublic warns of addresses that nobody can reach from elsewhere.
func oddPublic(value string) string {
	if a, err := netip.ParseAddr(value); err == nil && (a.IsPrivate() || !a.IsGlobalUnicast()) {
		return value + " is not a public address"
	}
	return ""
}

// oddSize warns of networks that AWS does not make (VPC user guide, "Subnet sizing").
func oddSize(value string) string {
	if p, err := netip.ParsePrefix(value); err == nil && (p.Bits() < 16 || p.Bits() > 28) {
		return value + " is not of a size that AWS makes, /16 to /28"
	}
	return ""
}
