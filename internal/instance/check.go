package instance

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"mock-ec2-metadata/internal/config"
)

// Check returns what cannot exist in EC2 about the network interfaces of a configuration whose single values are valid. It
// checks the derived values only if the configured ones do not contradict each other.
func Check(c *config.Instance) []*config.KeyError {
	k := checker{used: map[string]string{}}
	zero := configured{keysOfZero(&c.EC2), deviceZero(&c.EC2)}
	k.checkConfigured(zero, zero, nil)
	k.checkHostnameType(c, zero)
	for i, n := range c.EC2.NetworkInterfaces {
		further := configured{keysOf(interfaceKey(i)), n}
		k.checkDevice(further.key, n)
		k.checkConfigured(further, zero, k.derivedAddress(further, zero, i+1))
	}
	if len(k.found) == 0 {
		k.checkDerived(c, New(c, nil).Interfaces)
	}
	return k.found
}

// checker collects contradictions.
type checker struct {
	found []*config.KeyError
	used  map[string]string // key of each value that is allowed only once
}

func (k *checker) fail(key, format string, args ...any) { k.failAt(key, key, format, args...) }

// failAt reports a problem with a key at an element of its list.
func (k *checker) failAt(at, key, format string, args ...any) {
	k.found = append(k.found, &config.KeyError{Key: key, At: at, Reason: fmt.Sprintf(format, args...)})
}

// once reports a value of a kind that another key has.
func (k *checker) once(kind, value, at, key string) {
	other, found := k.used[kind+" "+value]
	switch {
	case value == "":
	case found:
		k.failAt(at, key, "%s is that of %s too", value, other)
	default:
		k.used[kind+" "+value] = key
	}
}

// checkDerived reports at most one contradiction for each interface.
func (k *checker) checkDerived(c *config.Instance, all []Interface) {
	groupIDs := map[string]string{} // by name
	for i := range all {
		n := &all[i]
		if reason := cmp.Or(n.checkGroups(groupIDs), n.checkSubnet(all[:i])); reason != "" {
			k.fail(n.Key, "%s", reason)
			continue
		}
		list, element, reason := n.checkAddresses()
		switch {
		case reason == "":
		case i > 0:
			k.fail(n.Key, "%s", reason)
		default: // device 0 has no block of its own: name the list, and the line of the element
			key := "ec2." + list
			at := fmt.Sprintf("%s[%d]", key, element)
			switch {
			case list == "local_ipv4s" && len(c.EC2.LocalIPv4s) == 0:
				key, at = "ec2.local_ipv4", "ec2.local_ipv4"
			case list == "ipv6s" && len(c.EC2.IPv6s) == 0:
				key, at = "ec2.ipv6", "ec2.ipv6"
			}
			k.failAt(at, key, "%s", reason)
		}
	}
}

// checkGroups requires that a security group has one id. Two VPCs of one instance may have groups of one name, such as default.
func (n *Interface) checkGroups(ids map[string]string) string {
	for i, name := range n.SecurityGroups[:min(len(n.SecurityGroups), len(n.SecurityGroupIDs))] {
		key := n.VPCID + " " + name
		if id, ok := ids[key]; ok && id != n.SecurityGroupIDs[i] {
			return fmt.Sprintf("security group %s has the id %s here and the id %s at another interface", name, n.SecurityGroupIDs[i], id)
		}
		ids[key] = n.SecurityGroupIDs[i]
	}
	return ""
}

// checkSubnet requires that a subnet has one VPC and one block, which overlaps no other subnet's.
func (n *Interface) checkSubnet(others []Interface) string {
	for _, o := range others {
		switch {
		case o.SubnetID == n.SubnetID && o.VPCID != n.VPCID:
			return fmt.Sprintf("subnet %s is in %s here and in %s at %s", n.SubnetID, n.VPCID, o.VPCID, o.Key)
		case o.SubnetID == n.SubnetID && o.ipv6Only() != n.ipv6Only() && o.hasAddress() && n.hasAddress():
			return fmt.Sprintf("only one of this interface and %s has an IPv4 address in subnet %s; give both one, or name another subnet", o.Key, n.SubnetID)
		case o.SubnetID == n.SubnetID && o.hasAddress() && n.hasAddress() && o.SubnetIPv4CIDRBlock != n.SubnetIPv4CIDRBlock:
			return fmt.Sprintf("subnet %s has the block %s here and %s at %s", n.SubnetID, n.SubnetIPv4CIDRBlock, o.SubnetIPv4CIDRBlock, o.Key)
		case o.SubnetID != n.SubnetID && o.VPCID == n.VPCID && overlap(o.SubnetIPv4CIDRBlock, n.SubnetIPv4CIDRBlock):
			return fmt.Sprintf("its subnet %s, %s, overlaps %s, %s, of %s", n.SubnetID, n.SubnetIPv4CIDRBlock, o.SubnetID, o.SubnetIPv4CIDRBlock, o.Key)
		}
	}
	return ""
}

// ipv6Only reports whether an interface has no IPv4 address.
func (n *Interface) ipv6Only() bool { return len(n.LocalIPv4s) == 0 }

// hasAddress reports whether an interface has an address or an IPv6 prefix. One for EFA alone has none.
func (n *Interface) hasAddress() bool { return len(n.LocalIPv4s) > 0 || n.hasIPv6() }

// checkAddresses requires that the addresses and prefixes lie in the subnet and that AWS does not reserve them. Only a
// configured subnet has reserved addresses.
func (n *Interface) checkAddresses() (list string, element int, reason string) {
	block, err := netip.ParsePrefix(n.SubnetIPv4CIDRBlock)
	if err != nil && len(n.LocalIPv4s) > 0 {
		return "local_ipv4s", 0, fmt.Sprintf("its subnet %q is not a network", n.SubnetIPv4CIDRBlock)
	}
	for i, address := range n.LocalIPv4s {
		a, err := netip.ParseAddr(address)
		switch {
		case err != nil || !block.Contains(a):
			return "local_ipv4s", i, fmt.Sprintf("address %s is not in its subnet %s", address, block)
		case n.SubnetConfigured && reserved(block, a):
			return "local_ipv4s", i, fmt.Sprintf("address %s is reserved: AWS reserves the first four and the last of the subnet %s; choose another", address, block)
		}
	}
	for i, prefix := range n.IPv4Prefixes {
		if !overlap(prefix, n.SubnetIPv4CIDRBlock) {
			return "ipv4_prefixes", i, fmt.Sprintf("prefix %s is not in its subnet %s", prefix, block)
		}
	}
	for i, address := range n.IPv6s {
		if !contained(address, n.SubnetIPv6CIDRBlocks...) {
			return "ipv6s", i, fmt.Sprintf("address %s is not in any of its subnet's networks %v", address, n.SubnetIPv6CIDRBlocks)
		}
	}
	for i, prefix := range n.IPv6Prefixes {
		if !slices.ContainsFunc(n.SubnetIPv6CIDRBlocks, func(block string) bool { return overlap(prefix, block) }) {
			return "ipv6_prefixes", i, fmt.Sprintf("prefix %s is not in any of its subnet's networks %v", prefix, n.SubnetIPv6CIDRBlocks)
		}
	}
	return "", 0, ""
}

// reserved reports whether AWS keeps an address of a subnet for itself: it keeps the first four and the last (VPC user
// guide, "Subnet sizing").
func reserved(subnet netip.Prefix, a netip.Addr) bool {
	first := subnet.Masked().Addr()
	for range 4 {
		if a == first {
			return true
		}
		first = first.Next()
	}
	return !subnet.Contains(a.Next())
}

// overlap reports whether two networks share an address.
func overlap(a, b string) bool {
	p, err := netip.ParsePrefix(a)
	q, err2 := netip.ParsePrefix(b)
	return err == nil && err2 == nil && p.Overlaps(q)
}
