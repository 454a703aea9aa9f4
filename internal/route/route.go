// Package route adds the metadata service's addresses to this machine: on Linux to an interface of its own, by netlink; on
// macOS and Windows to the loopback interface, by the system's tools.
package route

import (
	"fmt"
	"net/netip"
	"strings"
)

// Interface is the interface that Add creates on Linux. It changes nothing else.
const Interface = "mock-imds"

// IPv4 returns the service's address on all systems.
func IPv4() netip.Addr { return netip.AddrFrom4([4]byte{169, 254, 169, 254}) }

// IPv6 returns the service's address where IPv6 is enabled (imds-reference section 3).
func IPv6() netip.Addr { return netip.MustParseAddr("fd00:ec2::254") }

// Place is the interface of one of the service's addresses.
type Place struct {
	Address   netip.Addr
	Interface string // "" if no interface of this machine has the address
	Kind      string // of the interface, on Linux
	Ours      bool   // whether Add puts the address on this interface
}

func (p Place) String() string {
	switch {
	case p.Interface == "":
		return "on no interface of this machine"
	case p.Kind == "":
		return "on " + p.Interface
	default:
		return fmt.Sprintf("on %s (%s)", p.Interface, p.Kind)
	}
}

// Names joins addresses with "and".
func Names(addresses []netip.Addr) string {
	names := make([]string, len(addresses))
	for i, a := range addresses {
		names[i] = a.String()
	}
	return strings.Join(names, " and ")
}

// occupied returns the error for an address on another interface.
func occupied(address netip.Addr, name, remedy string) error {
	return fmt.Errorf("%s is already on the interface %s; remove it there first: %s", address, name, remedy)
}
