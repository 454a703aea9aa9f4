package importer

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"mock-ec2-metadata/internal/config"
)

// nic is an interface as a metadata service shows it.
type nic struct {
	mac    string
	values map[string]string // by the name of the leaf
}

func (n *nic) list(name string) []string { return lines(n.values[name]) }

// number returns a number of the interface, or 0.
func (n *nic) number(name string) int {
	number, err := strconv.Atoi(n.values[name])
	if err != nil {
		return 0
	}
	return number
}

// nics returns the interfaces of a tree, device 0 first, and whether there is a device 0.
func nics(l leaves) (all []*nic, zero bool) {
	byMAC := map[string]*nic{}
	for path, rest := range below(l, macsDir) {
		mac, name, ok := strings.Cut(rest, "/")
		if !ok {
			continue
		}
		n := byMAC[mac]
		if n == nil {
			n = &nic{mac: mac, values: map[string]string{}}
			byMAC[mac] = n
			all = append(all, n)
		}
		n.values[name] = l[path]
	}
	isZero := func(n *nic) bool {
		if main := l["meta-data/mac"]; main != "" {
			return n.mac == main
		}
		return n.number("device-number") == 0 && n.number("network-card") == 0
	}
	slices.SortStableFunc(all, func(a, b *nic) int {
		if isZero(a) != isZero(b) {
			return map[bool]int{true: -1, false: 1}[isZero(a)]
		}
		return cmp.Or(a.number("network-card")-b.number("network-card"), a.number("device-number")-b.number("device-number"), cmp.Compare(a.mac, b.mac))
	})
	return all, len(all) > 0 && isZero(all[0])
}

// interfaces takes the network interfaces over: device 0 as keys of ec2, the others as network_interfaces.
func (in *Instance) interfaces(l leaves) {
	all, hasZero := nics(l)
	zero := &nic{mac: l["meta-data/mac"], values: map[string]string{}}
	if hasZero {
		zero, all = all[0], all[1:]
	}
	in.deviceZero(zero, l)
	used := map[[2]int]bool{{0, 0}: true}
	i := 0
	for _, n := range all {
		place := [2]int{n.number("network-card"), n.number("device-number")}
		if !config.Fits("ec2.mac", n.mac) || n.values["device-number"] == "" || used[place] {
			continue // its leaves are metadata
		}
		used[place] = true
		at := "ec2.network_interfaces.[" + strconv.Itoa(i) + "]"
		i++
		in.setInt(at+".device_number", place[1])
		if place[0] != 0 {
			in.setInt(at+".network_card", place[0])
		}
		in.set(at+".mac", n.mac)
		if locals := n.list("local-ipv4s"); len(locals) > 0 {
			in.fitList(at+".local_ipv4s", locals)
			in.fitList(at+".public_ipv4s", n.public(len(locals)))
		} else {
			in.setNode(listNode(nil), append(strings.Split(at, "."), "local_ipv4s")...)
		}
		in.fitList(at+".ipv6s", n.list("ipv6s"))
		in.common(at, n)
	}
}

// deviceZero takes device 0 over. Single addresses are keys of their own.
func (in *Instance) deviceZero(n *nic, l leaves) {
	in.fit("ec2.mac", n.mac)
	locals := n.list("local-ipv4s")
	if main := l["meta-data/local-ipv4"]; len(locals) == 0 && main != "" {
		locals = []string{main}
	}
	ipv6s := n.list("ipv6s")
	if main := l["meta-data/ipv6"]; len(ipv6s) == 0 && main != "" {
		ipv6s = []string{main}
	}
	n.values["local-ipv4s"], n.values["ipv6s"] = strings.Join(locals, "\n"), strings.Join(ipv6s, "\n")
	in.oneOrList("ec2.local_ipv4", locals)
	in.oneOrList("ec2.ipv6", ipv6s)
	most := max(len(locals), 1) // without one, there is that of the configuration
	if len(locals) == 0 && l["meta-data/mac"] != "" && (in.has("ec2.ipv6") || in.has("ec2.ipv6s")) {
		in.setNode(listNode(nil), "ec2", "local_ipv4s")
		most = 0
	}
	publics := n.public(most)
	if main := l["meta-data/public-ipv4"]; len(publics) == 0 && main != "" && most > 0 {
		publics = []string{main}
	}
	in.oneOrList("ec2.public_ipv4", publics)
	in.Addresses = slices.Concat(locals, ipv6s)
	if !in.fit("aws.account_id", n.values["owner-id"]) && n.values["owner-id"] != "" {
		in.note(Guessed, "owner-id", "%s is no account id", n.values["owner-id"])
	}
	if n.values["public-hostname"] == "" {
		n.values["public-hostname"] = l["meta-data/public-hostname"]
	}
	if len(n.values["security-groups"]) == 0 {
		n.values["security-groups"] = l["meta-data/security-groups"]
	}
	in.common("ec2", n)
}

// common takes over what all interfaces have under the same keys.
func (in *Instance) common(at string, n *nic) {
	in.fit(at+".interface_id", n.values["interface-id"])
	in.fit(at+".vpc_id", n.values["vpc-id"])
	in.fit(at+".subnet_id", n.values["subnet-id"])
	if in.has(at+".public_ipv4") || in.has(at+".public_ipv4s") {
		in.fit(at+".public_hostname", n.values["public-hostname"])
	}
	in.fitList(at+".ipv4_prefixes", n.list("ipv4-prefix"))
	in.fitList(at+".ipv6_prefixes", n.list("ipv6-prefix"))
	names, ids := n.list("security-groups"), n.list("security-group-ids")
	if len(names) == len(ids) || len(names) == 0 || len(ids) == 0 {
		in.fitList(at+".security_groups", names)
		in.fitList(at+".security_group_ids", ids)
	}
	in.networks(at, n)
}

// networks takes the CIDR blocks over if the addresses and each other allow it. What they contradict stays metadata.
func (in *Instance) networks(at string, n *nic) {
	vpc := n.list("vpc-ipv4-cidr-blocks")
	if len(vpc) == 0 {
		vpc = n.list("vpc-ipv4-cidr-block")
	}
	subnet := n.list("subnet-ipv4-cidr-block")
	if coherent(n.list("local-ipv4s"), subnet, vpc) {
		in.fitList(at+".vpc_ipv4_cidr_blocks", vpc)
		if len(subnet) == 1 {
			in.fit(at+".subnet_ipv4_cidr_block", subnet[0])
		}
	}
	vpc, subnet = n.list("vpc-ipv6-cidr-blocks"), n.list("subnet-ipv6-cidr-blocks")
	if coherent(n.list("ipv6s"), subnet, vpc) {
		in.fitList(at+".vpc_ipv6_cidr_blocks", vpc)
		in.fitList(at+".subnet_ipv6_cidr_blocks", subnet)
	}
}

// coherent reports whether addresses are in the networks of a subnet and a VPC, and the subnet in the VPC. AWS keeps the first four
// addresses of an IPv4 subnet and the last for itself.
func coherent(addresses, subnets, vpcs []string) bool {
	subnet, vpc := prefixes(subnets), prefixes(vpcs)
	if len(subnet) != len(subnets) || len(vpc) != len(vpcs) {
		return false
	}
	for _, p := range subnet {
		if len(vpc) > 0 && !slices.ContainsFunc(vpc, func(v netip.Prefix) bool { return v.Bits() <= p.Bits() && v.Contains(p.Addr()) }) {
			return false
		}
		if p.Addr().Is4() && p.Bits() > 28 {
			return false
		}
	}
	around := subnet
	if len(around) == 0 {
		around = vpc
	}
	for _, text := range addresses {
		a, err := netip.ParseAddr(text)
		if err != nil || len(around) > 0 && !slices.ContainsFunc(around, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return false
		}
		if a.Is4() && len(subnet) > 0 && keptByAWS(subnet[0], a) {
			return false
		}
	}
	return true
}

// keptByAWS reports whether an address is one of those that AWS keeps of an IPv4 subnet.
func keptByAWS(subnet netip.Prefix, a netip.Addr) bool {
	first := subnet.Masked().Addr()
	for range 4 {
		if a == first {
			return true
		}
		first = first.Next()
	}
	next := a.Next()
	return !next.IsValid() || !subnet.Contains(next)
}

func prefixes(texts []string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		if p, err := netip.ParsePrefix(text); err == nil && p == p.Masked() {
			all = append(all, p)
		}
	}
	return all
}

// public returns the public addresses; no more than private ones.
func (n *nic) public(locals int) []string {
	all := n.list("public-ipv4s")
	return all[:min(len(all), locals)]
}

// oneOrList sets the key for a single address, or with an s at its end that for a list.
func (in *Instance) oneOrList(path string, addresses []string) {
	if len(addresses) == 1 {
		in.fit(path, addresses[0])
	} else {
		in.fitList(path+"s", addresses)
	}
}
