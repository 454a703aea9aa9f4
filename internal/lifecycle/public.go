package lifecycle

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"slices"

	"mock-ec2-metadata/internal/config"
)

// publicIP gives device 0 another public address, or takes it away. The public host names and associations are derived from it.
func (p *patch) publicIP(e *Event) error {
	address := e.Spec.PublicIP
	if address == "release" {
		// EC2 gives another one only to an instance with one interface (events-reference section 1.1).
		address = ""
		if publicAddress(&p.in.EC2) != "" && len(p.in.EC2.NetworkInterfaces) == 0 {
			address = p.otherAddress(e)
		}
	}
	if address != "" {
		zero := macDir(p.interfaces()[0].MAC)
		for _, path := range []string{
			"meta-data/public-ipv4", "meta-data/public-hostname", zero + "/public-ipv4s", zero + "/public-hostname", zero + "/ipv4-associations/" + address,
		} {
			if err := p.free(kindPublicIP, path); err != nil {
				return err
			}
		}
	}
	return p.try(kindPublicIP, withPublicAddress(p.in.EC2, address))
}

// publicAddress is the first public address of device 0; "" if it has none.
func publicAddress(e *config.EC2) string {
	if len(e.PublicIPv4s) > 0 {
		return e.PublicIPv4s[0]
	}
	return e.PublicIPv4
}

// withPublicAddress returns values of ec2 with another first public address for device 0; "" takes it away.
func withPublicAddress(e config.EC2, address string) config.EC2 {
	var list []string
	if address != "" {
		list = []string{address}
	}
	if len(e.PublicIPv4s) > 0 {
		list = append(list, e.PublicIPv4s[1:]...)
	}
	e.PublicIPv4s, e.PublicHostname = list, ""
	e.PublicIPv4 = firstOf(list)
	return e
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// otherAddress derives a public address from an event, of the networks for documentation. No interface has or had it.
func (p *patch) otherAddress(e *Event) string {
	used := slices.Clone(e.avoid)
	for _, ec2 := range []*config.EC2{&p.file.EC2, &p.in.EC2} {
		used = append(append(used, ec2.PublicIPv4), ec2.PublicIPv4s...)
		for _, n := range ec2.NetworkInterfaces {
			used = append(used, n.PublicIPv4s...)
		}
	}
	sum := digest("public address", p.in.EC2.InstanceID+" "+e.ID)
	start := int(binary.BigEndian.Uint16(sum[:]))
	const hosts = 254 // of each network
	for i := range 2 * hosts {
		n := (start + i) % (2 * hosts)
		address := fmt.Sprintf("198.51.100.%d", n%hosts+1)
		if n >= hosts {
			address = fmt.Sprintf("203.0.113.%d", n%hosts+1)
		}
		if !slices.Contains(used, address) {
			return address
		}
	}
	return "" // a configuration cannot use all: see the limit of public_ipv4s
}

// publicAddresses are those that events have given.
func (s Set) publicAddresses() []string {
	var all []string
	for _, e := range s.events {
		if e.Spec.PublicIP != "" {
			all = append(all, e.Spec.PublicIP)
		}
	}
	return all
}

// digest hashes what a derived value is for and what owns it.
func digest(purpose, owner string) [sha256.Size]byte {
	return sha256.Sum256([]byte("event " + purpose + " " + owner))
}

// hexID derives an id in EC2's format: a prefix and 17 hexadecimal digits.
func hexID(prefix, owner string) string {
	sum := digest(prefix, owner)
	return prefix + hex.EncodeToString(sum[:])[:17]
}

// macOf derives a locally administered hardware address.
func macOf(owner string) string {
	sum := digest("mac", owner)
	return append(net.HardwareAddr{0x06}, sum[:5]...).String()
}
