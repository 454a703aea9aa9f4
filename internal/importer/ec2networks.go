package importer

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// ec2Networks maps the networks of an interface's subnet and VPC. It returns false if the input has not both.
func (in *Instance) ec2Networks(key string, n *ec2Interface, all *ec2Inputs) (known bool) {
	subnet, ofSubnet := all.subnets[n.SubnetID]
	vpc, ofVPC := all.vpcs[n.VPCID]
	hasIPv4 := len(n.PrivateIPAddresses) > 0 || n.PrivateIPAddress != ""
	if ofSubnet && hasIPv4 {
		in.set(key+".subnet_ipv4_cidr_block", subnet.CIDRBlock)
	}
	if ofSubnet && len(n.IPv6Addresses)+len(n.IPv6Prefixes) > 0 {
		in.setList(key+".subnet_ipv6_cidr_blocks", associated6(subnet.IPv6))
	}
	if ofVPC {
		in.setList(key+".vpc_ipv4_cidr_blocks", vpc.blocks())
		if len(n.IPv6Addresses)+len(n.IPv6Prefixes) > 0 {
			in.setList(key+".vpc_ipv6_cidr_blocks", associated6(vpc.IPv6))
		}
	}
	return ofSubnet && ofVPC || n.SubnetID == ""
}

// blocks are the IPv4 networks of a VPC.
func (v *ec2VPC) blocks() []string {
	var blocks []string
	for _, b := range v.IPv4 {
		if cmp.Or(b.State.State, "associated") == "associated" {
			blocks = append(blocks, b.CIDRBlock)
		}
	}
	if v.CIDRBlock != "" && !slices.Contains(blocks, v.CIDRBlock) {
		blocks = slices.Insert(blocks, 0, v.CIDRBlock)
	}
	return blocks
}

// associated6 are the IPv6 networks that are associated.
func associated6(all []ec2BlockIPv6) []string {
	var blocks []string
	for _, b := range all {
		if cmp.Or(b.State.State, "associated") == "associated" {
			blocks = append(blocks, b.CIDRBlock)
		}
	}
	return blocks
}

// usualSubnetBits is the size of a default subnet, which is derived where the input has none.
const usualSubnetBits = 20

// guessNetworks widens the networks that would be derived for subnets that the input lacks, so that they have all addresses of the subnet.
func (in *Instance) guessNetworks(list []ec2Interface, all *ec2Inputs) {
	addresses := map[string][]netip.Addr{} // of each subnet, IPv4
	for i := range list {
		n := &list[i]
		if _, known := all.subnets[n.SubnetID]; known || n.SubnetID == "" {
			continue
		}
		for _, p := range append([]ec2Private{{PrivateIPAddress: n.PrivateIPAddress}}, n.PrivateIPAddresses...) {
			if a, err := netip.ParseAddr(p.PrivateIPAddress); err == nil && a.Is4() {
				addresses[n.SubnetID] = append(addresses[n.SubnetID], a)
			}
		}
		for _, p := range n.IPv4Prefixes {
			if prefix, err := netip.ParsePrefix(p.IPv4Prefix); err == nil && prefix.Addr().Is4() {
				addresses[n.SubnetID] = append(addresses[n.SubnetID], prefix.Addr())
			}
		}
	}
	for i := range list {
		key := "ec2"
		if i > 0 {
			key = fmt.Sprintf("ec2.network_interfaces.[%d]", i-1)
		}
		if block, wide := around(addresses[list[i].SubnetID]); wide && (list[i].PrivateIPAddress != "" || len(list[i].PrivateIPAddresses) > 0) {
			in.set(key+".subnet_ipv4_cidr_block", block.String())
			in.guess("networks", "the smallest network around the addresses of "+list[i].SubnetID, key+".subnet_ipv4_cidr_block")
		}
	}
}

// around returns the smallest network that has all addresses as an instance can have them, and whether it is larger than one of the
// usual size.
func around(addresses []netip.Addr) (block netip.Prefix, wide bool) {
	if len(addresses) == 0 {
		return block, false
	}
	fits := func(bits int) bool {
		block = netip.PrefixFrom(addresses[0], bits).Masked()
		return !slices.ContainsFunc(addresses, func(a netip.Addr) bool { return !block.Contains(a) })
	}
	if fits(usualSubnetBits) {
		return block, false
	}
	reserved := func(a netip.Addr) bool { return atEdge(block, a) }
	for bits := usualSubnetBits - 1; bits > 0; bits-- {
		if fits(bits) && !slices.ContainsFunc(addresses, reserved) {
			return block, true
		}
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0), true
}

// atEdge reports whether AWS keeps an address of a subnet for itself: the first four and the last (VPC user guide, "Subnet sizing").
func atEdge(block netip.Prefix, a netip.Addr) bool {
	first := block.Addr()
	for range 4 {
		if a == first {
			return true
		}
		first = first.Next()
	}
	return !block.Contains(a.Next())
}

// ec2Consistent returns the inputs without the subnets and VPCs that lack an address of an interface. EC2 gives no such answers, but
// programs that imitate it do.
func (in *Instance) ec2Consistent(list []ec2Interface, all *ec2Inputs) *ec2Inputs {
	wrong := map[string]bool{} // ids
	for i := range list {
		n := &list[i]
		subnet, ofSubnet := all.subnets[n.SubnetID]
		vpc, ofVPC := all.vpcs[n.VPCID]
		for _, a := range n.addresses() {
			if ofSubnet && !inside(a, append(associated6(subnet.IPv6), subnet.CIDRBlock)) {
				wrong[n.SubnetID] = true
			}
			if ofVPC && !inside(a, append(associated6(vpc.IPv6), vpc.blocks()...)) {
				wrong[n.VPCID] = true
			}
		}
	}
	if len(wrong) == 0 {
		return all
	}
	for _, id := range slices.Sorted(maps.Keys(wrong)) {
		in.note(Guessed, id, "its networks in the input lack addresses of the instance; guessed around these")
	}
	less := *all
	less.subnets, less.vpcs = maps.Clone(all.subnets), maps.Clone(all.vpcs)
	maps.DeleteFunc(less.subnets, func(id string, _ ec2Subnet) bool { return wrong[id] })
	maps.DeleteFunc(less.vpcs, func(id string, _ ec2VPC) bool { return wrong[id] })
	return &less
}

// addresses are those of an interface that are some.
func (n *ec2Interface) addresses() []netip.Addr {
	texts := append(n.ipv6s(), n.PrivateIPAddress)
	for _, p := range n.PrivateIPAddresses {
		texts = append(texts, p.PrivateIPAddress)
	}
	var all []netip.Addr
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil {
			all = append(all, a)
		}
	}
	return all
}

// inside reports whether one of the networks has an address.
func inside(a netip.Addr, networks []string) bool {
	return slices.ContainsFunc(networks, func(network string) bool {
		block, err := netip.ParsePrefix(network)
		return err == nil && block.Contains(a)
	})
}
