package config

import (
	"cmp"
	"net/netip"
)

// deriveAddresses sets the single addresses of device 0 from the lists beside them, and the private one without either from the
// networks.
func (l *loader) deriveAddresses() {
	e := &l.config.EC2
	if !l.isSet("ec2.local_ipv4") && e.LocalIPv4s == nil {
		network := e.SubnetIPv4CIDRBlock
		if network == "" && len(e.VPCIPv4CIDRBlocks) > 0 {
			network = e.VPCIPv4CIDRBlocks[0]
		}
		e.LocalIPv4 = cmp.Or(usualAddress(network), e.LocalIPv4)
	}
	l.deriveFirst("ec2.local_ipv4", &e.LocalIPv4, e.LocalIPv4s)
	l.deriveFirst("ec2.public_ipv4", &e.PublicIPv4, e.PublicIPv4s)
	l.deriveFirst("ec2.ipv6", &e.IPv6, e.IPv6s)
}

// deriveFirst sets the address at key to the first of its list, if there is a list, and reports one that is another.
func (l *loader) deriveFirst(key string, first *string, list []string) {
	plural := key + "s"
	switch {
	case list == nil || l.scope.broken[key] || l.scope.broken[plural]:
	case !l.isSet(key):
		*first = ""
		if len(list) > 0 {
			*first = list[0]
		}
	case len(list) == 0:
		l.wrong(key, "%s is an address, but %s is [], no address; remove one of the two", *first, plural)
	case !sameAddress(*first, list[0]):
		l.wrong(key, "%s is not the first of %s, %s; remove one of the two", *first, plural, list[0])
	}
}

// sameAddress reports whether two texts are the same address.
func sameAddress(a, b string) bool {
	x, err := netip.ParseAddr(a)
	y, err2 := netip.ParseAddr(b)
	return err == nil && err2 == nil && x == y
}

// usualAddress returns address number 10 of an IPv4 network, or the middle one of a network without as many: in a /29 the first
// that AWS does not reserve. It returns "" for other texts.
func usualAddress(cidr string) string {
	p, err := netip.ParsePrefix(cidr)
	if err != nil || !p.Addr().Is4() || p != p.Masked() {
		return ""
	}
	a, number := p.Addr(), 10
	if p.Bits() > 28 {
		number = 1 << (32 - p.Bits()) / 2
	}
	for range number {
		a = a.Next()
	}
	return a.String()
}
