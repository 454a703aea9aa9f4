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
	// Key is the configuration key that describes it: ec2, or ec2.network_interfaces[1].
	Key string

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
	// SubnetGiven says that SubnetIPv4CIDRBlock is the configuration's, not derived.
	SubnetGiven bool
}

// defaultSecurityGroup is what every VPC has.
const defaultSecurityGroup = "default"

// interfaces are device 0, which the values of ec2 describe, and those of ec2.network_interfaces, by device number. What
// one says of a VPC, subnet or security group holds for all that are in it.
func interfaces(c *config.Config, in *Instance) []Interface {
	all := []Interface{primary(c, in)}
	for i, n := range c.EC2.NetworkInterfaces {
		all = append(all, further(&n, i, &all[0], in))
	}
	deriveGroups(all, in.ID)
	deriveNetworks(all, in.ID)
	slices.SortStableFunc(all[1:], func(a, b Interface) int {
		return cmp.Or(a.NetworkCard-b.NetworkCard, a.DeviceNumber-b.DeviceNumber)
	})
	return all
}

func primary(c *config.Config, in *Instance) Interface {
	e := c.EC2
	return Interface{
		Key:                  "ec2",
		MAC:                  either(e.MAC, mac(in.ID)),
		ID:                   either(e.InterfaceID, hexID("eni-", in.ID)),
		OwnerID:              in.AccountID,
		Hostname:             in.Hostname,
		LocalIPv4s:           one(e.LocalIPv4),
		PublicIPv4s:          one(e.PublicIPv4),
		PublicHostname:       in.PublicHostname,
		IPv6s:                canonical(one(e.IPv6)),
		SecurityGroups:       e.SecurityGroups,
		SecurityGroupIDs:     e.SecurityGroupIDs,
		VPCID:                either(e.VPCID, hexID("vpc-", in.ID)),
		SubnetID:             either(e.SubnetID, hexID("subnet-", in.ID)),
		VPCIPv4CIDRBlocks:    e.VPCIPv4CIDRBlocks,
		VPCIPv6CIDRBlocks:    long(e.VPCIPv6CIDRBlocks),
		SubnetIPv4CIDRBlock:  e.SubnetIPv4CIDRBlock,
		SubnetIPv6CIDRBlocks: long(e.SubnetIPv6CIDRBlocks),
	}
}

// further is the i-th interface beside device 0, of the same VPC and groups unless it says otherwise.
func further(c *config.NetworkInterface, i int, first *Interface, in *Instance) Interface {
	owner := fmt.Sprintf("%s %d", in.ID, i+1)
	n := Interface{
		Key:                  fmt.Sprintf("ec2.network_interfaces[%d]", i),
		MAC:                  either(c.MAC, mac(owner)),
		ID:                   either(c.InterfaceID, hexID("eni-", owner)),
		DeviceNumber:         c.DeviceNumber,
		NetworkCard:          c.NetworkCard,
		OwnerID:              in.AccountID,
		LocalIPv4s:           c.LocalIPv4s,
		PublicIPv4s:          c.PublicIPv4s,
		PublicHostname:       c.PublicHostname,
		IPv6s:                canonical(c.IPv6s),
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
	n.Hostname = privateHostname(n.LocalIPv4s[0], in.Region)
	if n.PublicHostname == "" && len(n.PublicIPv4s) > 0 {
		n.PublicHostname = publicHostname(n.PublicIPv4s[0], in.Region, in.Domain)
	}
	return n
}

// deriveGroups names security groups of which only the ids are known, and the other way round: by what another interface
// says of the group, else drawn. Without either there is the VPC's default one.
func deriveGroups(all []Interface, instanceID string) {
	ids, names := map[string]string{}, map[string]string{}
	for _, n := range all {
		for i := range min(len(n.SecurityGroups), len(n.SecurityGroupIDs)) {
			ids[n.SecurityGroups[i]] = n.SecurityGroupIDs[i]
			names[n.SecurityGroupIDs[i]] = n.SecurityGroups[i]
		}
	}
	for i := range all {
		n := &all[i]
		if len(n.SecurityGroups) == 0 && len(n.SecurityGroupIDs) == 0 {
			n.SecurityGroups = []string{defaultSecurityGroup}
		}
		if len(n.SecurityGroups) == 0 {
			for j, id := range n.SecurityGroupIDs {
				name := defaultSecurityGroup
				if j > 0 {
					name = fmt.Sprintf("%s-%d", defaultSecurityGroup, j+1)
				}
				n.SecurityGroups = append(n.SecurityGroups, either(names[id], name))
			}
		}
		if len(n.SecurityGroupIDs) == 0 {
			for _, name := range n.SecurityGroups {
				n.SecurityGroupIDs = append(n.SecurityGroupIDs, either(ids[name], hexID("sg-", instanceID+" "+name)))
			}
		}
	}
}

// later is the address n places behind another one.
func later(address string, n int) string {
	a, err := netip.ParseAddr(address)
	for ; err == nil && n > 0; n-- {
		a = a.Next()
	}
	return a.String()
}

// canonical writes IPv6 addresses as RFC 5952 wants them.
func canonical(addresses []string) []string {
	var all []string
	for _, address := range addresses {
		if a, err := netip.ParseAddr(address); err == nil {
			all = append(all, a.String())
		}
	}
	return all
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

// one is a list of one value, none if that is empty.
func one(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}
