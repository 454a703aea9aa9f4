package instance

import (
	"net/netip"
	"slices"
)

// Sizes of the networks that are derived around an address: those of a default VPC and its subnets.
const (
	vpcBits, subnetBits   = 16, 20
	vpcBits6, subnetBits6 = 56, 64
	mostSubnetBits        = 28
)

// vpc is what is known of one VPC.
type vpc struct {
	ipv4, ipv6 []string
	subnets    []*subnet
}

// subnet is what is known of one subnet.
type subnet struct {
	id    string
	ipv4  string
	given bool // ipv4 is the configuration's
	ipv6  []string
	// addresses are those of the interfaces that name the subnet.
	addresses []string
}

// deriveNetworks gathers what the interfaces say of each VPC and subnet, puts networks of a default VPC's sizes around
// the addresses of which nothing is said, and gives every interface the whole.
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
			s.ipv4 = either(s.ipv4, n.SubnetIPv4CIDRBlock)
			s.given = s.ipv4 != ""
			s.addresses = append(s.addresses, n.LocalIPv4s...)
			s.ipv6 = union(s.ipv6, n.SubnetIPv6CIDRBlocks)
		}
	}
	for i := range all {
		vpcs[all[i].VPCID].place(&all[i], instanceID)
	}
	for i := range all {
		n := &all[i]
		v := vpcs[n.VPCID]
		s := v.subnet(n.SubnetID)
		n.SubnetGiven = s.given || n.SubnetIPv4CIDRBlock != ""
		n.SubnetIPv4CIDRBlock = either(n.SubnetIPv4CIDRBlock, s.ipv4)
		n.SubnetIPv6CIDRBlocks = s.ipv6
		n.VPCIPv4CIDRBlocks, n.VPCIPv6CIDRBlocks = v.ipv4, v.ipv6
	}
}

// subnet finds or makes the subnet of an id.
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

// place puts an interface into the subnet that has its address, or into one of its own.
func (v *vpc) place(n *Interface, instanceID string) {
	address := n.LocalIPv4s[0]
	if n.SubnetID == "" {
		for _, s := range v.subnets {
			if s.ipv4 != "" && (n.SubnetIPv4CIDRBlock == s.ipv4 || n.SubnetIPv4CIDRBlock == "" && within(address, s.ipv4)) {
				n.SubnetID = s.id
				break
			}
		}
	}
	if n.SubnetID == "" {
		block := either(n.SubnetIPv4CIDRBlock, v.free(address, nil))
		n.SubnetID = hexID("subnet-", instanceID+" "+block)
	}
	s := v.subnet(n.SubnetID)
	s.given = s.given || s.ipv4 == "" && n.SubnetIPv4CIDRBlock != ""
	s.ipv4 = either(s.ipv4, either(n.SubnetIPv4CIDRBlock, v.free(address, s)))
	s.ipv6 = union(s.ipv6, n.SubnetIPv6CIDRBlocks)
	if !within(address, v.ipv4...) {
		bits := vpcBits
		if p, err := netip.ParsePrefix(s.ipv4); err == nil {
			bits = min(bits, p.Bits())
		}
		v.ipv4 = union(v.ipv4, one(around(address, bits).String()))
	}
	if len(n.IPv6s) == 0 {
		return
	}
	if !within(n.IPv6s[0], s.ipv6...) {
		s.ipv6 = union(s.ipv6, long(one(around(n.IPv6s[0], subnetBits6).String())))
	}
	if !within(n.IPv6s[0], v.ipv6...) {
		v.ipv6 = union(v.ipv6, long(one(around(n.IPv6s[0], vpcBits6).String())))
	}
}

// free is the largest network around an address, up to a default subnet's size, that lies within the VPC's block and has
// nothing of another subnet than self.
func (v *vpc) free(address string, self *subnet) string {
	bits := subnetBits
	for _, block := range v.ipv4 {
		if p, err := netip.ParsePrefix(block); err == nil && within(address, block) {
			bits = max(bits, p.Bits())
		}
	}
	p := around(address, bits)
	for ; bits < mostSubnetBits && v.taken(p, self); bits++ {
		p = around(address, bits+1)
	}
	return p.String()
}

// taken says whether a network has something of a subnet of the VPC other than self.
func (v *vpc) taken(p netip.Prefix, self *subnet) bool {
	return slices.ContainsFunc(v.subnets, func(s *subnet) bool {
		return s != self && (overlap(s.ipv4, p.String()) ||
			slices.ContainsFunc(s.addresses, func(a string) bool { return within(a, p.String()) }))
	})
}

// union is both lists, each value once, in their order.
func union(a, b []string) []string {
	for _, value := range b {
		if !slices.Contains(a, value) {
			a = append(slices.Clip(a), value)
		}
	}
	return a
}

// around is the network of a size that an address lies in. The configuration has been validated.
func around(address string, bits int) netip.Prefix {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, bits).Masked()
}

// within says whether an address lies in one of the networks.
func within(address string, blocks ...string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && slices.ContainsFunc(blocks, func(block string) bool {
		p, err := netip.ParsePrefix(block)
		return err == nil && p.Contains(a)
	})
}
