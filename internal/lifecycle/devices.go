package lifecycle

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
)

// interfaces are those of the instance with all that is derived; device 0 is the first.
func (p *patch) interfaces() []instance.Interface { return instance.New(&p.in, nil).Interfaces }

// find returns the interface with a MAC address; nil if there is none.
func find(all []instance.Interface, mac string) *instance.Interface {
	for i := range all {
		if strings.EqualFold(all[i].MAC, mac) {
			return &all[i]
		}
	}
	return nil
}

// canonicalMAC is a MAC address as the tree writes it.
func (p *patch) canonicalMAC(mac string) string {
	if n := find(p.interfaces(), mac); n != nil {
		return n.MAC
	}
	return mac
}

// device are the addresses of an interface, and where the configuration has them.
type device struct {
	config.NetworkInterface        // only its addresses are used
	mac                     string // also a derived one
	index                   int    // in ec2.network_interfaces; -1 for device 0
}

// device returns the interface with a MAC address, or device 0 for "". It pins what others have derived.
func (p *patch) device(mac string) (*device, error) {
	p.pin()
	all, e := p.interfaces(), &p.in.EC2
	n := &all[0]
	if mac != "" {
		if n = find(all, mac); n == nil {
			return nil, wrong("mac", "no interface has the address %s; name one that is below network/interfaces/macs/", mac)
		}
	}
	if n.Key == all[0].Key {
		return &device{config.NetworkInterface{
			LocalIPv4s: n.LocalIPv4s, PublicIPv4s: n.PublicIPv4s, IPv6s: n.IPv6s, IPv4Prefixes: e.IPv4Prefixes, IPv6Prefixes: e.IPv6Prefixes,
		}, n.MAC, -1}, nil
	}
	i := slices.IndexFunc(e.NetworkInterfaces, func(c config.NetworkInterface) bool { return c.MAC == n.MAC })
	return &device{e.NetworkInterfaces[i], n.MAC, i}, nil
}

// store writes the addresses back. The interfaces have been pinned, so that their slice is a copy.
func (d *device) store(e *config.EC2) {
	if d.index >= 0 {
		if len(d.PublicIPv4s) == 0 {
			d.PublicHostname = ""
		}
		e.NetworkInterfaces[d.index] = d.NetworkInterface
		return
	}
	if d.LocalIPv4s != nil {
		e.LocalIPv4, e.LocalIPv4s = firstOf(d.LocalIPv4s), d.LocalIPv4s
	}
	e.IPv6, e.IPv6s = firstOf(d.IPv6s), d.IPv6s
	e.PublicIPv4, e.PublicIPv4s = firstOf(d.PublicIPv4s), d.PublicIPv4s
	if len(d.PublicIPv4s) == 0 {
		e.PublicHostname = ""
	}
	e.IPv4Prefixes, e.IPv6Prefixes = d.IPv4Prefixes, d.IPv6Prefixes
}

// pin writes the derived MAC address, id and addresses of each further interface into the configuration: they are derived from its
// position and the addresses of device 0, which an event may change.
func (p *patch) pin() {
	pinned := slices.Clone(p.in.EC2.NetworkInterfaces)
	for _, n := range p.interfaces()[1:] {
		c := &pinned[indexOf(&n)]
		c.MAC, c.InterfaceID = n.MAC, n.ID
		if c.LocalIPv4s == nil && len(n.LocalIPv4s) > 0 {
			c.LocalIPv4s = n.LocalIPv4s
		}
	}
	p.in.EC2.NetworkInterfaces = pinned
}

// indexOf is the position of a further interface in ec2.network_interfaces, which its key ends with: ec2.network_interfaces[1].
func indexOf(n *instance.Interface) int {
	i, _ := strconv.Atoi(strings.TrimSuffix(n.Key[strings.IndexByte(n.Key, '[')+1:], "]"))
	return i
}

// detach takes an interface away. The others keep all that they show, also what they have derived from it.
func (p *patch) detach(mac string) error {
	all := p.interfaces()
	n := find(all, mac)
	switch {
	case n == nil:
		return wrong("mac", "no interface has the address %s; name one that is below network/interfaces/macs/", mac)
	case n.Key == all[0].Key:
		return wrong("mac", "%s is device 0, which cannot be detached; name another interface", mac)
	}
	p.pin()
	minimal := p.in.EC2
	minimal.NetworkInterfaces = slices.Delete(slices.Clone(minimal.NetworkInterfaces), indexOf(n), indexOf(n)+1)
	p.pinNetworks(all)
	full := p.in.EC2
	full.NetworkInterfaces = slices.Delete(full.NetworkInterfaces, indexOf(n), indexOf(n)+1)
	if p.try("mac", full) != nil { // what is derived cannot always be configured
		p.in.EC2 = minimal
	}
	return nil
}

// pinNetworks writes what is derived of VPCs, subnets and security groups into the configuration.
func (p *patch) pinNetworks(all []instance.Interface) {
	e := &p.in.EC2
	zero := &all[0]
	e.VPCID, e.SubnetID = zero.VPCID, zero.SubnetID
	e.VPCIPv4CIDRBlocks, e.VPCIPv6CIDRBlocks = zero.VPCIPv4CIDRBlocks, zero.VPCIPv6CIDRBlocks
	e.SubnetIPv6CIDRBlocks = zero.SubnetIPv6CIDRBlocks
	e.SecurityGroups, e.SecurityGroupIDs = zero.SecurityGroups, zero.SecurityGroupIDs
	if zero.SubnetConfigured { // the reserved addresses of a derived block may be in use
		e.SubnetIPv4CIDRBlock = zero.SubnetIPv4CIDRBlock
	}
	for i := range all[1:] {
		n := &all[1+i]
		c := &e.NetworkInterfaces[indexOf(n)]
		c.VPCID, c.SubnetID = n.VPCID, n.SubnetID
		c.VPCIPv4CIDRBlocks, c.VPCIPv6CIDRBlocks = n.VPCIPv4CIDRBlocks, n.VPCIPv6CIDRBlocks
		c.SubnetIPv6CIDRBlocks = n.SubnetIPv6CIDRBlocks
		c.SecurityGroups, c.SecurityGroupIDs = n.SecurityGroups, n.SecurityGroupIDs
		if n.SubnetConfigured {
			c.SubnetIPv4CIDRBlock = n.SubnetIPv4CIDRBlock
		}
	}
}

// freeDevice is the first device number after 0 that no interface of network card 0 has.
func freeDevice(all []instance.Interface) int {
	number := 1
	for slices.ContainsFunc(all, func(n instance.Interface) bool { return n.NetworkCard == 0 && n.DeviceNumber == number }) {
		number++
	}
	return number
}

// freeAddress is the first address after device 0's that no interface has, also not in a prefix.
func freeAddress(all []instance.Interface) string {
	var used []netip.Prefix
	for i := range all {
		for _, text := range slices.Concat(all[i].LocalIPv4s, all[i].IPv4Prefixes) {
			if p, ok := networkOf(text); ok {
				used = append(used, p)
			}
		}
	}
	a, err := netip.ParseAddr(all[0].LocalIPv4s[0])
	if err != nil {
		return ""
	}
	for a = a.Next(); slices.ContainsFunc(used, func(p netip.Prefix) bool { return p.Contains(a) }); {
		a = a.Next()
	}
	return a.String()
}

// firstLeaves are what an interface shows first: what its driver needs.
func firstLeaves(all []instance.Interface, mac string) map[string]string {
	n := find(all, mac)
	dir := macDir(n.MAC)
	values := map[string]string{
		dir + "/device-number": strconv.Itoa(n.DeviceNumber),
		dir + "/interface-id":  n.ID,
		dir + "/mac":           n.MAC,
	}
	if len(n.LocalIPv4s) > 0 {
		values[dir+"/local-ipv4s"] = strings.Join(n.LocalIPv4s, "\n")
	}
	return values
}
