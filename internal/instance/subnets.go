package instance

import (
	"cmp"
	"net/netip"
	"slices"
)

// Prefix lengths of derived networks: those of a default VPC and its subnets, and of EC2's smallest subnet.
const (
	vpcBits, subnetBits   = 16, 20
	vpcBits6, subnetBits6 = 56, 64
	maxSubnetBits         = 28
)

// usualVPC is the IPv4 block of a VPC none of whose interfaces has an IPv4 address: every VPC has one.
const usualVPC = "10.0.0.0/16"

// maxUsableBits is the length of the smallest network that has an address for an instance.
const maxUsableBits = 29

// vpc collects what the interfaces configure of one VPC, and what is derived.
type vpc struct {
	ipv4, ipv6 []string
	subnets    []*subnet
}

// subnet collects the same of one subnet.
type subnet struct {
	id         string
	ipv4       string
	configured bool // ipv4 is configured, not derived
	ipv6       []string
	// addresses are those of the interfaces that name the subnet.
	addresses []string
}

// deriveNetworks collects what the interfaces configure of each VPC and subnet, derives the missing networks in the sizes
// of a default VPC, and sets the result on every interface.
func deriveNetworks(all []Interface, instanceID string) {
	vpcs := map[string]*vpc{}
	for i := range all {
		n := &all[i]
		v := vpcs[n.VPCID]
		if v == nil {
			v = &vpc{}
			vpcs[n.VPCID] = v
		}
		v.ipv4 = union(v.ipv4, n.VPCIPv4CIDRBlocks)
		v.ipv6 = union(v.ipv6, n.VPCIPv6CIDRBlocks)
		if n.SubnetID != "" {
			s := v.subnet(n.SubnetID)
			s.ipv4 = cmp.Or(s.ipv4, n.SubnetIPv4CIDRBlock)
			s.configured = s.ipv4 != ""
			s.addresses = append(s.addresses, n.LocalIPv4s...)
			s.ipv6 = union(s.ipv6, n.SubnetIPv6CIDRBlocks)
		}
	}
	for i := range all {
		vpcs[all[i].VPCID].assignSubnet(&all[i], instanceID)
	}
	for i := range all {
		n := &all[i]
		v := vpcs[n.VPCID]
		s := v.subnet(n.SubnetID)
		n.SubnetConfigured = s.configured || n.SubnetIPv4CIDRBlock != ""
		n.SubnetIPv4CIDRBlock = cmp.Or(n.SubnetIPv4CIDRBlock, s.ipv4)
		n.SubnetIPv6CIDRBlocks, n.VPCIPv6CIDRBlocks = s.ipv6, v.ipv6
		n.VPCIPv4CIDRBlocks = v.ipv4
		if len(v.ipv4) == 0 {
			n.VPCIPv4CIDRBlocks = single(usualVPC)
		}
		if len(n.LocalIPv4s) == 0 {
			n.SubnetIPv4CIDRBlock = ""
		}
		if !n.hasIPv6() {
			n.SubnetIPv6CIDRBlocks, n.VPCIPv6CIDRBlocks = nil, nil
		}
	}
}

// subnet returns the subnet with an id and adds it if it is missing.
func (v *vpc) subnet(id string) *subnet {
	for _, s := range v.subnets {
		if s.id == id {
			return s
		}
	}
	s := &subnet{id: id}
	v.subnets = append(v.subnets, s)
	return s
}

// assignSubnet assigns an interface to the subnet that contains its address, or to a new one.
func (v *vpc) assignSubnet(n *Interface, instanceID string) {
	if n.SubnetID == "" {
		n.SubnetID = cmp.Or(v.subnetOf(n), hexID("subnet-", instanceID+" "+v.blockOf(n)))
	}
	s := v.subnet(n.SubnetID)
	s.configured = s.configured || s.ipv4 == "" && n.SubnetIPv4CIDRBlock != ""
	s.ipv6 = union(s.ipv6, n.SubnetIPv6CIDRBlocks)
	if len(n.LocalIPv4s) > 0 {
		v.assignIPv4(s, n)
	}
	if address := n.anyIPv6(); address != "" {
		if !contained(address, s.ipv6...) {
			s.ipv6 = union(s.ipv6, expanded(single(networkOf(address, subnetBits6).String())))
		}
		if !contained(address, v.ipv6...) {
			v.ipv6 = union(v.ipv6, expanded(single(networkOf(address, vpcBits6).String())))
		}
	}
}

// assignIPv4 derives the blocks of a subnet and its VPC from an interface with an IPv4 address.
func (v *vpc) assignIPv4(s *subnet, n *Interface) {
	address := n.LocalIPv4s[0]
	s.ipv4 = cmp.Or(s.ipv4, n.SubnetIPv4CIDRBlock, v.freeBlock(address, s))
	if contained(address, v.ipv4...) {
		return
	}
	bits := vpcBits
	if p, err := netip.ParsePrefix(s.ipv4); err == nil {
		bits = min(bits, p.Bits())
	}
	v.ipv4 = union(v.ipv4, single(networkOf(address, bits).String()))
}

// subnetOf returns the id of the subnet that an interface's addresses are in, or "". A subnet has IPv4 for each interface or
// for none. An interface without any address, for EFA alone, is in the first subnet.
func (v *vpc) subnetOf(n *Interface) string {
	for _, s := range v.subnets {
		in := false
		switch {
		case len(n.LocalIPv4s) > 0 && s.ipv4 != "":
			in = n.SubnetIPv4CIDRBlock == s.ipv4 || n.SubnetIPv4CIDRBlock == "" && contained(n.LocalIPv4s[0], s.ipv4)
		case len(n.LocalIPv4s) > 0:
		case n.hasIPv6():
			in = s.ipv4 == "" && len(s.addresses) == 0 && contained(n.anyIPv6(), s.ipv6...)
		default:
			in = true
		}
		if in {
			return s.id
		}
	}
	return ""
}

// blockOf returns the block of a new subnet for an interface; "" if it has no address.
func (v *vpc) blockOf(n *Interface) string {
	switch {
	case len(n.LocalIPv4s) > 0:
		return cmp.Or(n.SubnetIPv4CIDRBlock, v.freeBlock(n.LocalIPv4s[0], nil))
	case n.hasIPv6():
		return networkOf(n.anyIPv6(), subnetBits6).String()
	default:
		return ""
	}
}

// anyIPv6 returns the first IPv6 address of an interface or of its prefixes, or "".
func (n *Interface) anyIPv6() string {
	if len(n.IPv6s) > 0 {
		return n.IPv6s[0]
	}
	for _, prefix := range n.IPv6Prefixes {
		if p, err := netip.ParsePrefix(prefix); err == nil {
			return p.Addr().String()
		}
	}
	return ""
}

// freeBlock returns the largest network that contains an address, lies in the VPC's block and does not overlap a subnet
// other than self. It is at most as large as a default subnet.
func (v *vpc) freeBlock(address string, self *subnet) string {
	bits := subnetBits
	for _, block := range v.ipv4 {
		if p, err := netip.ParsePrefix(block); err == nil && contained(address, block) {
			bits = max(bits, p.Bits())
		}
	}
	p := networkOf(address, bits)
	for ; bits < maxSubnetBits && v.taken(p, self); bits++ {
		p = networkOf(address, bits+1)
	}
	return p.String()
}

// taken reports whether a network contains a part or an address of a subnet other than self.
func (v *vpc) taken(p netip.Prefix, self *subnet) bool {
	return slices.ContainsFunc(v.subnets, func(s *subnet) bool {
		return s != self && (overlap(s.ipv4, p.String()) ||
			slices.ContainsFunc(s.addresses, func(a string) bool { return contained(a, p.String()) }))
	})
}

// union appends the values of b that a lacks.
func union(a, b []string) []string {
	for _, value := range b {
		if !slices.Contains(a, value) {
			a = append(slices.Clip(a), value)
		}
	}
	return a
}

// networkOf returns the network of a prefix length that contains an address; the zero Prefix if the address is invalid.
func networkOf(address string, bits int) netip.Prefix {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, bits).Masked()
}

// contained reports whether an address lies in one of the networks.
func contained(address string, blocks ...string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && slices.ContainsFunc(blocks, func(block string) bool {
		p, err := netip.ParsePrefix(block)
		return err == nil && p.Contains(a)
	})
}
