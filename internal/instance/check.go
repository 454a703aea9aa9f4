package instance

import (
	"fmt"
	"net/netip"
)

// KeyError is something impossible about what the configuration key Key describes.
type KeyError struct {
	Key    string
	Reason string
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Reason }

// Check says what could not be in EC2 about how the interfaces go together, derived values included. Its error is a
// *KeyError.
func (in *Instance) Check() error {
	groups := map[string]string{} // name → id
	type place struct{ vpc, block, key string }
	subnets := map[string]place{} // by id
	for i := range in.Interfaces {
		n := &in.Interfaces[i]
		wrong := func(format string, args ...any) error { return &KeyError{n.Key, fmt.Sprintf(format, args...)} }
		for j, name := range n.SecurityGroups {
			if j < len(n.SecurityGroupIDs) {
				if id, ok := groups[name]; ok && id != n.SecurityGroupIDs[j] {
					return wrong("security group %s has the id %s here and %s elsewhere", name, n.SecurityGroupIDs[j], id)
				}
				groups[name] = n.SecurityGroupIDs[j]
			}
		}
		s, known := subnets[n.SubnetID]
		switch {
		case known && s.vpc != n.VPCID:
			return wrong("subnet %s is in %s here and in %s at %s", n.SubnetID, n.VPCID, s.vpc, s.key)
		case known && s.block != n.SubnetIPv4CIDRBlock:
			return wrong("subnet %s has the block %s here and %s at %s", n.SubnetID, n.SubnetIPv4CIDRBlock, s.block, s.key)
		}
		for id, other := range subnets {
			if id != n.SubnetID && other.vpc == n.VPCID && overlap(other.block, n.SubnetIPv4CIDRBlock) {
				return wrong("its subnet %s, %s, overlaps %s, %s, of %s", n.SubnetID, n.SubnetIPv4CIDRBlock, id, other.block, other.key)
			}
		}
		subnets[n.SubnetID] = place{n.VPCID, n.SubnetIPv4CIDRBlock, n.Key}
		if err := n.checkAddresses(); err != nil {
			return &KeyError{n.Key, err.Error()}
		}
	}
	return nil
}

// checkAddresses wants the addresses and prefixes in the subnet, and none of those that AWS keeps in it: the first four and
// the last (VPC user guide, "Subnet sizing"). A derived subnet says nothing about that.
func (n *Interface) checkAddresses() error {
	block, err := netip.ParsePrefix(n.SubnetIPv4CIDRBlock)
	if err != nil {
		return fmt.Errorf("its subnet %q is no network", n.SubnetIPv4CIDRBlock)
	}
	reserved := map[string]bool{}
	first := block.Masked().Addr()
	for range 4 {
		reserved[first.String()] = true
		first = first.Next()
	}
	for _, address := range n.LocalIPv4s {
		a, err := netip.ParseAddr(address)
		switch {
		case err != nil || !block.Contains(a):
			return fmt.Errorf("address %s is not in its subnet %s", address, block)
		case n.SubnetGiven && (reserved[address] || !block.Contains(a.Next())):
			return fmt.Errorf("address %s is one of those that AWS keeps in the subnet %s: the first four and the last", address, block)
		}
	}
	for _, prefix := range n.IPv4Prefixes {
		if !overlap(prefix, n.SubnetIPv4CIDRBlock) {
			return fmt.Errorf("prefix %s is not in its subnet %s", prefix, block)
		}
	}
	for _, address := range n.IPv6s {
		if !within(address, n.SubnetIPv6CIDRBlocks...) {
			return fmt.Errorf("address %s is not in its subnet's %v", address, n.SubnetIPv6CIDRBlocks)
		}
	}
	return nil
}

// overlap says whether two networks have an address in common.
func overlap(a, b string) bool {
	p, err := netip.ParsePrefix(a)
	q, err2 := netip.ParsePrefix(b)
	return err == nil && err2 == nil && p.Overlaps(q)
}
