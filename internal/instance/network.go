package instance

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/config"
)

// Interface is an elastic network interface. Lists have the primary value first; empty ones are absent.
type Interface struct {
	MAC          string
	ID           string
	DeviceNumber int
	NetworkCard  int
	OwnerID      string

	Hostname       string // private
	LocalIPv4s     []string
	PublicIPv4s    []string // the nth belongs to the nth of LocalIPv4s
	PublicHostname string
	IPv6s          []string
	IPv4Prefixes   []string
	IPv6Prefixes   []string

	SecurityGroups       []string
	SecurityGroupIDs     []string
	VPCID                string
	SubnetID             string
	VPCIPv4CIDRBlocks    []string
	VPCIPv6CIDRBlocks    []string
	SubnetIPv4CIDRBlock  string
	SubnetIPv6CIDRBlocks []string
}

// Sizes of the networks that are derived around an address: those of a default VPC and its subnets.
const (
	vpcBits, subnetBits   = 16, 20
	vpcBits6, subnetBits6 = 56, 64
)

// defaultSecurityGroup is what every VPC has.
const defaultSecurityGroup = "default"

// interfaces are device 0, which the values of ec2 describe, and those of ec2.network_interfaces, by device number.
func interfaces(c *config.Config, in *Instance) []Interface {
	first := primary(c, in)
	all := []Interface{first}
	for i, n := range c.EC2.NetworkInterfaces {
		all = append(all, further(&n, i, &first, in))
	}
	slices.SortStableFunc(all[1:], func(a, b Interface) int {
		return cmp.Or(a.NetworkCard-b.NetworkCard, a.DeviceNumber-b.DeviceNumber)
	})
	return all
}

func primary(c *config.Config, in *Instance) Interface {
	e := c.EC2
	n := Interface{
		MAC:                  either(e.MAC, mac(in.ID)),
		ID:                   either(e.InterfaceID, hexID("eni-", in.ID)),
		OwnerID:              in.AccountID,
		Hostname:             in.Hostname,
		LocalIPv4s:           one(e.LocalIPv4),
		PublicIPv4s:          one(e.PublicIPv4),
		PublicHostname:       in.PublicHostname,
		IPv6s:                one(e.IPv6),
		SecurityGroups:       e.SecurityGroups,
		SecurityGroupIDs:     e.SecurityGroupIDs,
		VPCID:                either(e.VPCID, hexID("vpc-", in.ID)),
		SubnetID:             either(e.SubnetID, hexID("subnet-", in.ID)),
		VPCIPv4CIDRBlocks:    e.VPCIPv4CIDRBlocks,
		VPCIPv6CIDRBlocks:    long(e.VPCIPv6CIDRBlocks),
		SubnetIPv4CIDRBlock:  e.SubnetIPv4CIDRBlock,
		SubnetIPv6CIDRBlocks: long(e.SubnetIPv6CIDRBlocks),
	}
	n.deriveGroups(in.ID)
	n.deriveNetworks()
	return n
}

// further is the i-th interface beside device 0: what it leaves out, it shares with device 0 or has drawn for it.
func further(c *config.NetworkInterface, i int, first *Interface, in *Instance) Interface {
	owner := fmt.Sprintf("%s %d", in.ID, i+1)
	n := Interface{
		MAC:                  either(c.MAC, mac(owner)),
		ID:                   either(c.InterfaceID, hexID("eni-", owner)),
		DeviceNumber:         c.DeviceNumber,
		NetworkCard:          c.NetworkCard,
		OwnerID:              in.AccountID,
		LocalIPv4s:           c.LocalIPv4s,
		PublicIPv4s:          c.PublicIPv4s,
		PublicHostname:       c.PublicHostname,
		IPv6s:                c.IPv6s,
		IPv4Prefixes:         c.IPv4Prefixes,
		IPv6Prefixes:         c.IPv6Prefixes,
		SecurityGroups:       c.SecurityGroups,
		SecurityGroupIDs:     c.SecurityGroupIDs,
		VPCID:                either(c.VPCID, first.VPCID),
		SubnetID:             c.SubnetID,
		VPCIPv4CIDRBlocks:    c.VPCIPv4CIDRBlocks,
		VPCIPv6CIDRBlocks:    long(c.VPCIPv6CIDRBlocks),
		SubnetIPv4CIDRBlock:  c.SubnetIPv4CIDRBlock,
		SubnetIPv6CIDRBlocks: long(c.SubnetIPv6CIDRBlocks),
	}
	if len(n.LocalIPv4s) == 0 {
		n.LocalIPv4s = one(later(first.LocalIPv4s[0], i+1))
	}
	if len(n.SecurityGroups) == 0 && len(n.SecurityGroupIDs) == 0 {
		n.SecurityGroups, n.SecurityGroupIDs = first.SecurityGroups, first.SecurityGroupIDs
	}
	n.deriveGroups(in.ID)
	n.shareNetworks(first, owner)
	n.deriveNetworks()
	n.Hostname = privateHostname(n.LocalIPv4s[0], in.Region)
	if n.PublicHostname == "" && len(n.PublicIPv4s) > 0 {
		n.PublicHostname = publicHostname(n.PublicIPv4s[0], in.Region, in.Domain)
	}
	return n
}

// shareNetworks takes over device 0's VPC, and its subnet when the interface's address lies in it.
func (n *Interface) shareNetworks(first *Interface, owner string) {
	if n.VPCID == first.VPCID {
		if len(n.VPCIPv4CIDRBlocks) == 0 && within(n.LocalIPv4s[0], first.VPCIPv4CIDRBlocks...) {
			n.VPCIPv4CIDRBlocks = first.VPCIPv4CIDRBlocks
		}
		if len(n.VPCIPv6CIDRBlocks) == 0 && (len(n.IPv6s) == 0 || within(n.IPv6s[0], first.VPCIPv6CIDRBlocks...)) {
			n.VPCIPv6CIDRBlocks = first.VPCIPv6CIDRBlocks
		}
	}
	same := n.SubnetIPv4CIDRBlock == "" && within(n.LocalIPv4s[0], first.SubnetIPv4CIDRBlock) ||
		n.SubnetIPv4CIDRBlock == first.SubnetIPv4CIDRBlock
	if n.SubnetID == "" {
		n.SubnetID = hexID("subnet-", owner)
		if same && n.VPCID == first.VPCID {
			n.SubnetID = first.SubnetID
		}
	}
	if n.SubnetID != first.SubnetID {
		return
	}
	n.SubnetIPv4CIDRBlock = either(n.SubnetIPv4CIDRBlock, first.SubnetIPv4CIDRBlock)
	if len(n.SubnetIPv6CIDRBlocks) == 0 && (len(n.IPv6s) == 0 || within(n.IPv6s[0], first.SubnetIPv6CIDRBlocks...)) {
		n.SubnetIPv6CIDRBlocks = first.SubnetIPv6CIDRBlocks
	}
}

// deriveNetworks puts networks of a default VPC's sizes around the addresses where none are given. A subnet is never
// larger than the VPC's block that it lies in, nor that smaller than the subnet.
func (n *Interface) deriveNetworks() {
	if n.SubnetIPv4CIDRBlock == "" {
		bits := subnetBits
		for _, block := range n.VPCIPv4CIDRBlocks {
			if p, err := netip.ParsePrefix(block); err == nil && within(n.LocalIPv4s[0], block) {
				bits = max(bits, p.Bits())
			}
		}
		n.SubnetIPv4CIDRBlock = around(n.LocalIPv4s[0], bits).String()
	}
	if len(n.VPCIPv4CIDRBlocks) == 0 {
		bits := vpcBits
		if p, err := netip.ParsePrefix(n.SubnetIPv4CIDRBlock); err == nil {
			bits = min(bits, p.Bits())
		}
		n.VPCIPv4CIDRBlocks = one(around(n.LocalIPv4s[0], bits).String())
	}
	if len(n.IPv6s) == 0 {
		return
	}
	if len(n.SubnetIPv6CIDRBlocks) == 0 {
		n.SubnetIPv6CIDRBlocks = long(one(around(n.IPv6s[0], subnetBits6).String()))
	}
	if len(n.VPCIPv6CIDRBlocks) == 0 {
		n.VPCIPv6CIDRBlocks = long(one(around(n.IPv6s[0], vpcBits6).String()))
	}
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

// later is the address n places behind another one.
func later(address string, n int) string {
	a, err := netip.ParseAddr(address)
	for ; err == nil && n > 0; n-- {
		a = a.Next()
	}
	return a.String()
}

// long writes IPv6 networks as the service does, without "::": 2600:1f16:67f:f201:0:0:0:0/64.
func long(blocks []string) []string {
	var all []string
	for _, block := range blocks {
		p, err := netip.ParsePrefix(block)
		if err != nil {
			continue
		}
		a := p.Addr().As16()
		groups := make([]string, 0, len(a)/2)
		for pair := range slices.Chunk(a[:], 2) {
			groups = append(groups, fmt.Sprintf("%x", binary.BigEndian.Uint16(pair)))
		}
		all = append(all, fmt.Sprintf("%s/%d", strings.Join(groups, ":"), p.Bits()))
	}
	return all
}

// deriveGroups names security groups of which only the ids are known, and the other way round. Without either there is
// the VPC's default one.
func (n *Interface) deriveGroups(instanceID string) {
	if len(n.SecurityGroups) == 0 {
		n.SecurityGroups = []string{defaultSecurityGroup}
		for i := 1; i < len(n.SecurityGroupIDs); i++ {
			n.SecurityGroups = append(n.SecurityGroups, fmt.Sprintf("%s-%d", defaultSecurityGroup, i+1))
		}
	}
	if len(n.SecurityGroupIDs) == 0 {
		for _, name := range n.SecurityGroups {
			n.SecurityGroupIDs = append(n.SecurityGroupIDs, hexID("sg-", instanceID+" "+name))
		}
	}
}

// one is a list of one value, none if that is empty.
func one(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}
