package instance

import (
	"fmt"
	"net/netip"
)

// KeyError is a contradiction in what configuration key Key describes.
type KeyError struct {
	Key    string
	Reason string
}

func (e *KeyError) Error() string { return e.Key + ": " + e.Reason }

// Check returns an error if the interfaces, with their derived values, cannot exist together in EC2. The error is a
// *KeyError.
func (in *Instance) Check() error {
	groupIDs := map[string]string{} // by name
	type use struct{ vpc, block, key string }
	subnets := map[string]use{} // by id
	for i := range in.Interfaces {
		n := &in.Interfaces[i]
		fail := func(format string, args ...any) error { return &KeyError{n.Key, fmt.Sprintf(format, args...)} }
		for j, name := range n.SecurityGroups {
			if j < len(n.SecurityGroupIDs) {
				if id, ok := groupIDs[name]; ok && id != n.SecurityGroupIDs[j] {
					return fail("security group %s has the id %s here and the id %s at another interface", name, n.SecurityGroupIDs[j], id)
				}
				groupIDs[name] = n.SecurityGroupIDs[j]
			}
		}
		s, known := subnets[n.SubnetID]
		switch {
		case known && s.vpc != n.VPCID:
			return fail("subnet %s is in %s here and in %s at %s", n.SubnetID, n.VPCID, s.vpc, s.key)
		case known && s.block != n.SubnetIPv4CIDRBlock:
			return fail("subnet %s has the block %s here and %s at %s", n.SubnetID, n.SubnetIPv4CIDRBlock, s.block, s.key)
		}
		for id, other := range subnets {
			if id != n.SubnetID && other.vpc == n.VPCID && overlap(other.block, n.SubnetIPv4CIDRBlock) {
				return fail("its subnet %s, %s, overlaps %s, %s, of %s", n.SubnetID, n.SubnetIPv4CIDRBlock, id, other.block, other.key)
			}
		}
		subnets[n.SubnetID] = use{n.VPCID, n.SubnetIPv4CIDRBlock, n.Key}
		if err := n.checkAddresses(); err != nil {
			return &KeyError{n.Key, err.Error()}
		}
	}
	return nil
}

// checkAddresses requires that the addresses and prefixes lie in the subnet and that AWS does not reserve them: it reserves
// the first four and the last (VPC user guide, "Subnet sizing"). Only a configured subnet has reserved addresses.
func (n *Interface) checkAddresses() error {
	block, err := netip.ParsePrefix(n.SubnetIPv4CIDRBlock)
	if err != nil {
		return fmt.Errorf("its subnet %q is not a network", n.SubnetIPv4CIDRBlock)
	}
	reserved := map[string]bool{}
	next := block.Masked().Addr()
	for range 4 {
		reserved[next.String()] = true
		next = next.Next()
	}
	for _, address := range n.LocalIPv4s {
		a, err := netip.ParseAddr(address)
		switch {
		case err != nil || !block.Contains(a):
			return fmt.Errorf("address %s is not in its subnet %s", address, block)
		case n.SubnetConfigured && (reserved[address] || !block.Contains(a.Next())):
			return fmt.Errorf("address %s is reserved: AWS reserves the first four and the last of the subnet %s; choose another", address, block)
		}
	}
	for _, prefix := range n.IPv4Prefixes {
		if !overlap(prefix, n.SubnetIPv4CIDRBlock) {
			return fmt.Errorf("prefix %s is not in its subnet %s", prefix, block)
		}
	}
	for _, address := range n.IPv6s {
		if !contained(address, n.SubnetIPv6CIDRBlocks...) {
			return fmt.Errorf("address %s is not in any of its subnet's networks %v", address, n.SubnetIPv6CIDRBlocks)
		}
	}
	return nil
}

// overlap reports whether two networks share an address.
func overlap(a, b string) bool {
	p, err := netip.ParsePrefix(a)
	q, err2 := netip.ParsePrefix(b)
	return err == nil && err2 == nil && p.Overlaps(q)
}
