package importer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// ec2Network maps the network interfaces. It returns false if an interface's networks are not in the input.
func (in *Instance) ec2Network(e *ec2Instance, all *ec2Inputs) (known bool) {
	zero, others := in.ec2Interfaces(e)
	given := all
	all = in.ec2Consistent(append([]ec2Interface{*zero}, others...), given)
	known = in.ec2Interface("ec2", zero, all)
	if len(in.Addresses) == 0 {
		in.note(Guessed, "PrivateIpAddress", "the input has no address, so that clients see the default one")
	}
	in.set("ec2.hostname", cmp.Or(e.PrivateDNSName, zero.PrivateDNSName))
	if e.PrivateDNSNameOptions.HostnameType == "resource-name" {
		in.set("ec2.hostname_type", "resource-name")
	}
	for i := range others {
		key := fmt.Sprintf("ec2.network_interfaces.[%d]", i)
		in.setInt(key+".device_number", others[i].Attachment.DeviceIndex)
		if card := others[i].Attachment.NetworkCardIndex; card > 0 {
			in.setInt(key+".network_card", card)
		}
		known = in.ec2Interface(key, &others[i], all) && known
	}
	in.guessNetworks(append([]ec2Interface{*zero}, others...), all)
	return known || all != given
}

// ec2Interfaces returns device 0, and the others by network card and device. Without interfaces in the input, device 0 has what the
// instance says.
func (in *Instance) ec2Interfaces(e *ec2Instance) (zero *ec2Interface, others []ec2Interface) {
	var list []ec2Interface
	for i := range e.NetworkInterfaces {
		n := e.NetworkInterfaces[i]
		if n.Attachment == nil {
			n.Attachment = &ec2Attachment{DeviceIndex: i}
		}
		if status := cmp.Or(n.Attachment.Status, "attached"); n.Status != "" && n.Status != "in-use" || status == "detaching" || status == "detached" {
			in.note(Skipped, "NetworkInterfaces", "%s is %s", n.NetworkInterfaceID, cmp.Or(n.Attachment.Status, n.Status))
			continue
		}
		list = append(list, n)
	}
	slices.SortStableFunc(list, func(a, b ec2Interface) int {
		return cmp.Or(a.Attachment.NetworkCardIndex-b.Attachment.NetworkCardIndex, a.Attachment.DeviceIndex-b.Attachment.DeviceIndex)
	})
	if len(list) > 0 && list[0].Attachment.DeviceIndex == 0 && list[0].Attachment.NetworkCardIndex == 0 {
		zero, others = &list[0], list[1:]
	} else {
		zero, others = &ec2Interface{}, list
	}
	zero.SubnetID, zero.VPCID = cmp.Or(zero.SubnetID, e.SubnetID), cmp.Or(zero.VPCID, e.VPCID)
	zero.PrivateIPAddress = cmp.Or(zero.PrivateIPAddress, e.PrivateIPAddress)
	if len(zero.Groups) == 0 {
		zero.Groups = e.SecurityGroups
	}
	if zero.Association == nil && e.PublicIPAddress != "" {
		zero.Association = &ec2Association{PublicIP: e.PublicIPAddress}
	}
	if zero.Association != nil && zero.Association.PublicIP == e.PublicIPAddress {
		zero.Association.PublicDNSName = cmp.Or(e.PublicDNSName, zero.Association.PublicDNSName)
	}
	if len(zero.IPv6Addresses) == 0 && e.IPv6Address != "" {
		zero.IPv6Addresses = []ec2IPv6{{IPv6Address: e.IPv6Address}}
	}
	return zero, others
}

// ec2Interface maps an interface to the keys below one of ours. It returns false if the input has not its networks.
func (in *Instance) ec2Interface(key string, n *ec2Interface, all *ec2Inputs) (known bool) {
	in.set(key+".mac", n.MACAddress)
	in.set(key+".interface_id", n.NetworkInterfaceID)
	in.set(key+".vpc_id", n.VPCID)
	in.set(key+".subnet_id", n.SubnetID)
	locals := in.ec2Addresses(key, n)
	ipv6s := n.ipv6s()
	in.Addresses = append(append(in.Addresses, locals...), ipv6s...)
	switch {
	case key == "ec2" && len(ipv6s) == 1:
		in.set("ec2.ipv6", ipv6s[0])
	default:
		in.setList(key+".ipv6s", ipv6s)
	}
	var prefixes4, prefixes6 []string
	for _, p := range n.IPv4Prefixes {
		prefixes4 = append(prefixes4, p.IPv4Prefix)
	}
	for _, p := range n.IPv6Prefixes {
		prefixes6 = append(prefixes6, p.IPv6Prefix)
	}
	in.setList(key+".ipv4_prefixes", prefixes4)
	in.setList(key+".ipv6_prefixes", prefixes6)
	var names, ids []string
	for _, g := range n.Groups {
		names, ids = append(names, g.GroupName), append(ids, g.GroupID)
	}
	if !slices.Contains(names, "") {
		in.setList(key+".security_groups", names)
	}
	if !slices.Contains(ids, "") {
		in.setList(key+".security_group_ids", ids)
	}
	if key != "ec2" && n.MACAddress != "" {
		in.setLeafText("meta-data/network/interfaces/macs/"+n.MACAddress+"/local-hostname", n.PrivateDNSName)
	}
	return in.ec2Networks(key, n, all)
}

// ec2Addresses maps the IPv4 addresses of an interface, and returns the private ones, the primary one first.
func (in *Instance) ec2Addresses(key string, n *ec2Interface) (locals []string) {
	list := slices.Clone(n.PrivateIPAddresses)
	slices.SortStableFunc(list, func(a, b ec2Private) int {
		switch {
		case a.Primary == b.Primary:
			return 0
		case a.Primary:
			return -1
		default:
			return 1
		}
	})
	list = slices.DeleteFunc(list, func(p ec2Private) bool { return p.PrivateIPAddress == "" })
	if len(list) == 0 && n.PrivateIPAddress != "" {
		list = []ec2Private{{PrivateIPAddress: n.PrivateIPAddress}}
	}
	if len(list) > 0 && list[0].Association == nil {
		list[0].Association = n.Association
	}
	var publics []string
	for _, p := range list {
		locals = append(locals, p.PrivateIPAddress)
		if a := p.Association; a != nil && a.PublicIP != "" {
			publics = append(publics, a.PublicIP)
		}
		if a := p.Association; a != nil && a.CarrierIP+a.CustomerOwnedIP != "" {
			in.note(Lost, "Association", "%s of %s; there is no key for it", cmp.Or(a.CarrierIP, a.CustomerOwnedIP), p.PrivateIPAddress)
		}
	}
	in.setAddresses(key, "local_ipv4", locals, len(n.IPv6Addresses)+len(n.IPv6Prefixes) > 0 || key != "ec2")
	for i := range publics { // ours belong to the private ones in order
		if a := list[i].Association; a == nil || a.PublicIP != publics[i] {
			in.publicLeaves(n, list)
			return locals
		}
	}
	in.setAddresses(key, "public_ipv4", publics, false)
	if len(publics) == 0 {
		return locals
	}
	name := cmp.Or(n.Association.name(publics[0]), list[0].Association.PublicDNSName)
	in.set(key+".public_hostname", name)
	if name == "" {
		at := key + ".public_ipv4s"
		if !in.has(at) {
			at = key + ".public_ipv4"
		}
		in.guess("PublicDnsName", "the public host name, which the input does not have", at)
	}
	return locals
}

// name is the host name of a public address.
func (a *ec2Association) name(address string) string {
	if a == nil || a.PublicIP != address {
		return ""
	}
	return a.PublicDNSName
}

// setAddresses sets the list of an interface, or device 0's only one. With none, it writes an empty list if that is said.
func (in *Instance) setAddresses(key, name string, addresses []string, none bool) {
	switch {
	case len(addresses) == 1 && key == "ec2":
		in.set(key+"."+name, addresses[0])
	case len(addresses) > 0:
		in.setList(key+"."+name+"s", addresses)
	case none:
		in.setNode(listNode(nil), append(strings.Split(key, "."), name+"s")...)
	}
}

// publicLeaves writes public addresses where a primary address has none and a later one has.
func (in *Instance) publicLeaves(n *ec2Interface, list []ec2Private) {
	if n.MACAddress == "" {
		in.note(Lost, "Association", "public addresses of secondary addresses; the interface has no MacAddress")
		return
	}
	dir := "meta-data/network/interfaces/macs/" + n.MACAddress + "/"
	var addresses []string
	for _, p := range list {
		if a := p.Association; a != nil && a.PublicIP != "" {
			in.setLeafText(dir+"ipv4-associations/"+a.PublicIP, p.PrivateIPAddress)
			addresses = append(addresses, a.PublicIP)
		}
	}
	in.setLeafText(dir+"public-ipv4s", strings.Join(addresses, "\n"))
}

// ipv6s returns the IPv6 addresses, the primary one first.
func (n *ec2Interface) ipv6s() []string {
	var texts []string
	for _, a := range n.IPv6Addresses {
		switch {
		case a.IPv6Address == "":
		case a.IsPrimaryIPv6:
			texts = slices.Insert(texts, 0, a.IPv6Address)
		default:
			texts = append(texts, a.IPv6Address)
		}
	}
	return texts
}
