package config

import (
	"fmt"
	"net/netip"
)

const interfacesPath = "ec2.network_interfaces"

// interfacePath is the key of one of the further network interfaces.
func interfacePath(i int) string { return fmt.Sprintf("%s[%d]", interfacesPath, i) }

// seen is what the interfaces so far have, and no other may.
type seen struct {
	macs, ids, private, public unique

	devices map[[2]int]string // by network card and device number
}

// validateInterfaces judges the further network interfaces. What they leave out they have from the instance, which is in.
func (l *loader) validateInterfaces(in networks, s seen) {
	list := l.config.EC2.NetworkInterfaces
	l.atMost(interfacesPath, len(list), maxInterfaces, "interfaces")
	if l.broken[interfacesPath] {
		return
	}
	for i := range list {
		l.validateInterface(i, in, s)
	}
}

func (l *loader) validateInterface(i int, in networks, s seen) {
	n, path := &l.config.EC2.NetworkInterfaces[i], interfacePath(i)
	l.validateDevice(n, path, s.devices)
	macPath, idPath := join(path, "mac"), join(path, "interface_id")
	l.only(s.macs, n.MAC, macPath, l.origin(macPath))
	l.only(s.ids, n.InterfaceID, idPath, l.origin(idPath))

	its := l.networks(path, n.SubnetIPv4CIDRBlock, n.VPCIPv4CIDRBlocks, n.SubnetIPv6CIDRBlocks, n.VPCIPv6CIDRBlocks)
	l.roomy(its.subnet4)
	if c := l.config.EC2; n.VPCID == "" || n.VPCID == c.VPCID {
		sameSubnet := n.SubnetID != "" && n.SubnetID == c.SubnetID
		l.inherit(&its.subnet4, &its.vpc4, in.subnet4, in.vpc4, sameSubnet)
		l.inherit(&its.subnet6, &its.vpc6, in.subnet6, in.vpc6, sameSubnet)
	}
	if its.subnet4.path != in.subnet4.path {
		l.nested(its.subnet4, its.vpc4)
	}
	if its.subnet6.path != in.subnet6.path {
		l.nested(its.subnet6, its.vpc6)
	}

	local := l.addresses(join(path, "local_ipv4s"), n.LocalIPv4s)
	if len(n.LocalIPv4s) == 0 {
		local = l.nextAddress(join(path, "local_ipv4s"), i+1)
	}
	public := l.addresses(join(path, "public_ipv4s"), n.PublicIPv4s)
	ipv6s := l.addresses(join(path, "ipv6s"), n.IPv6s)
	l.within(local, its.subnet4, its.vpc4)
	l.within(ipv6s, its.subnet6, its.vpc6)
	l.onlyAddresses(s.private, local, ipv6s)
	l.onlyAddresses(s.public, public)

	if len(public) > len(local) && len(local) > 0 {
		l.wrong(join(path, "public_ipv4s"), "%d public addresses for %d private; each needs its own", len(public), len(local))
	}
	if n.PublicHostname != "" && !l.isSet(join(path, "public_ipv4s")) {
		l.wrong(join(path, "public_hostname"), "needs %s", join(path, "public_ipv4s"))
	}
	l.atMost(join(path, "ipv4_prefixes"), len(n.IPv4Prefixes), maxAddresses, "networks")
	l.atMost(join(path, "ipv6_prefixes"), len(n.IPv6Prefixes), maxAddresses, "networks")
	l.sameLength(path, n.SecurityGroups, n.SecurityGroupIDs)
}

// validateDevice wants a place of its own for the interface. Number 0 of card 0 is the instance's.
func (l *loader) validateDevice(n *NetworkInterface, path string, taken map[[2]int]string) {
	device, card := join(path, "device_number"), join(path, "network_card")
	if !l.comparable(device, card) {
		return
	}
	place := [2]int{n.NetworkCard, n.DeviceNumber}
	switch {
	case place == [2]int{}:
		l.wrong(device, "0 is the interface that ec2.local_ipv4, ec2.mac and so on describe; this is a further one")
	case taken[place] != "":
		l.wrong(device, "%d on network card %d is %s already", n.DeviceNumber, n.NetworkCard, taken[place])
	default:
		taken[place] = path
	}
}

// nextAddress is what an interface has that names no address: the one so many places after the instance's.
func (l *loader) nextAddress(path string, places int) []address {
	if !l.comparable(path, "ec2.local_ipv4") {
		return nil
	}
	a, err := netip.ParseAddr(l.config.EC2.LocalIPv4)
	if err != nil {
		return nil
	}
	for range places {
		a = a.Next()
	}
	if !a.IsValid() {
		l.wrong(path, "is missing, and there is none %d after ec2.local_ipv4 %s", places, l.config.EC2.LocalIPv4)
		return nil
	}
	return []address{{Addr: a, path: path, at: l.origin(path), note: fmt.Sprintf(" (%d after ec2.local_ipv4)", places)}}
}

// inherit completes the networks of one kind with the instance's. One that does not name its subnet may be in another.
func (l *loader) inherit(subnet, vpc *blocks, ofSubnet, ofVPC blocks, sameSubnet bool) {
	if l.isSet(vpc.path) {
		return
	}
	*vpc = ofVPC
	if sameSubnet && !l.isSet(subnet.path) {
		*subnet = ofSubnet
	}
}
