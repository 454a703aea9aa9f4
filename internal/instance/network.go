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

// Interface is an elastic network interface. Lists start with the primary value; empty lists are absent. Without an IPv4 address
// only the VPC has IPv4 networks, without an IPv6 address or prefix there are no IPv6 networks.
type Interface struct {
	// Key is the configuration key of the interface: ec2, or ec2.network_interfaces[1].
	Key string

	MAC          string
	ID           string
	DeviceNumber int
	NetworkCard  int
	OwnerID      string

	Hostname       string // private
	LocalIPv4s     []string
	PublicIPv4s    []string // the n-th belongs to the n-th of LocalIPv4s
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
	// SubnetConfigured says that SubnetIPv4CIDRBlock is configured, not derived.
	SubnetConfigured bool
}

// defaultSecurityGroup is the name of the security group that every VPC has.
const defaultSecurityGroup = "default"

// interfaces derives device 0 from the values of ec2, and the other interfaces, sorted by device number, from
// ec2.network_interfaces. What one interface configures of a VPC, subnet or security group holds for all its members.
func interfaces(c *config.Instance, in *Instance) []Interface {
	all := []Interface{primary(c, in)}
	for i := range c.EC2.NetworkInterfaces {
		all = append(all, secondary(&c.EC2, i, &all[0], in))
	}
	deriveGroups(all, in.ID)
	deriveNetworks(all, in.ID)
	slices.SortStableFunc(all[1:], func(a, b Interface) int {
		return cmp.Or(a.NetworkCard-b.NetworkCard, a.DeviceNumber-b.DeviceNumber)
	})
	return all
}

// zeroKey is the key that describes device 0.
const zeroKey = "ec2"

func interfaceKey(i int) string { return fmt.Sprintf("ec2.network_interfaces[%d]", i) }

func primary(c *config.Instance, in *Instance) Interface {
	n := newInterface(zeroKey, deviceZero(&c.EC2), in.ID, in)
	n.VPCID = cmp.Or(n.VPCID, hexID("vpc-", in.ID))
	n.SubnetID = cmp.Or(n.SubnetID, hexID("subnet-", in.ID))
	n.Hostname = c.EC2.Hostname
	n.deriveNames(c.EC2.HostnameType, in)
	return n
}

// secondary derives an interface from ec2.network_interfaces[i]. VPC and security groups default to those of device 0.
func secondary(e *config.EC2, i int, first *Interface, in *Instance) Interface {
	c := e.NetworkInterfaces[i]
	n := newInterface(interfaceKey(i), c, fmt.Sprintf("%s %d", in.ID, i+1), in)
	n.VPCID = cmp.Or(n.VPCID, first.VPCID)
	if c.LocalIPv4s == nil && len(first.LocalIPv4s) > 0 {
		n.LocalIPv4s = single(addressAfter(highest(first.LocalIPv4s), i+1))
	}
	if len(n.SecurityGroups) == 0 && len(n.SecurityGroupIDs) == 0 {
		n.SecurityGroups, n.SecurityGroupIDs = first.SecurityGroups, first.SecurityGroupIDs
	}
	n.deriveNames(e.HostnameType, in)
	return n
}

// deriveNames completes the host names. Without an IPv4 address the private one is the resource name (EC2 user guide, "EC2
// instance hostname types").
func (n *Interface) deriveNames(hostnameType string, in *Instance) {
	name := in.ID
	if len(n.LocalIPv4s) > 0 && hostnameType != resourceName {
		name = ipName(n.LocalIPv4s[0])
	}
	n.Hostname = cmp.Or(n.Hostname, privateHostname(name, in.Region))
	if n.PublicHostname == "" && len(n.PublicIPv4s) > 0 {
		n.PublicHostname = publicHostname(n.PublicIPv4s[0], in.Region, in.Domain)
	}
}

// hasIPv6 reports whether an interface has an IPv6 address or prefix.
func (n *Interface) hasIPv6() bool { return len(n.IPv6s)+len(n.IPv6Prefixes) > 0 }

// newInterface returns what is configured of an interface, and derives its MAC address and its id from owner.
func newInterface(key string, c config.NetworkInterface, owner string, in *Instance) Interface {
	return Interface{
		Key:                  key,
		MAC:                  cmp.Or(c.MAC, mac(owner)),
		ID:                   cmp.Or(c.InterfaceID, hexID("eni-", owner)),
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
		VPCID:                c.VPCID,
		SubnetID:             c.SubnetID,
		VPCIPv4CIDRBlocks:    c.VPCIPv4CIDRBlocks,
		VPCIPv6CIDRBlocks:    expanded(c.VPCIPv6CIDRBlocks),
		SubnetIPv4CIDRBlock:  c.SubnetIPv4CIDRBlock,
		SubnetIPv6CIDRBlocks: expanded(c.SubnetIPv6CIDRBlocks),
	}
}

// deriveGroups completes the names or ids of security groups: from another interface that has both, or else derived. An
// interface with neither gets the default group of the VPC.
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
				n.SecurityGroups = append(n.SecurityGroups, cmp.Or(names[id], name))
			}
		}
		if len(n.SecurityGroupIDs) == 0 {
			for _, name := range n.SecurityGroups {
				n.SecurityGroupIDs = append(n.SecurityGroupIDs, cmp.Or(ids[name], hexID("sg-", instanceID+" "+name)))
			}
		}
	}
}

// addressAfter returns the n-th address after another one.
func addressAfter(address string, n int) string {
	a, err := netip.ParseAddr(address)
	for ; err == nil && n > 0; n-- {
		a = a.Next()
	}
	return a.String()
}

// highest returns the highest of several valid addresses of one family.
func highest(addresses []string) string {
	var most netip.Addr
	for _, address := range addresses {
		if a, err := netip.ParseAddr(address); err == nil && (!most.IsValid() || most.Less(a)) {
			most = a
		}
	}
	return most.String()
}

// canonical formats IPv6 addresses as in RFC 5952.
func canonical(addresses []string) []string {
	var all []string
	for _, address := range addresses {
		if a, err := netip.ParseAddr(address); err == nil {
			all = append(all, a.String())
		}
	}
	return all
}

// expanded formats IPv6 networks as the service does, without "::": 2600:1f16:67f:f201:0:0:0:0/64.
func expanded(blocks []string) []string {
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

// listOr returns a list that is given, or one value, or nil.
func listOr(list []string, value string) []string {
	if list != nil {
		return list
	}
	return single(value)
}

// single returns a list of one value, or nil for "".
func single(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}
