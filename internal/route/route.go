// Package route puts the metadata service's own addresses on this machine: on Linux on an interface of its own, by netlink;
// on macOS and Windows on the loopback interface, by the system's own tools.
package route

import (
	"fmt"
	"net/netip"
	"strings"
)

// Interface is the one that is made on Linux. Nothing else of the machine is changed.
const Interface = "mock-imds"

// IPv4 is the service's address everywhere.
func IPv4() netip.Addr { return netip.AddrFrom4([4]byte{169, 254, 169, 254}) }

// IPv6 is its other address, where IPv6 is on (imds-reference section 3).
func IPv6() netip.Addr { return netip.MustParseAddr("fd00:ec2::254") }

// Place says where one of the service's addresses is.
type Place struct {
	Address   netip.Addr
	Interface string // "": on none of this machine's
	Kind      string // of the interface, on Linux
	Ours      bool   // the interface is where Add puts the address
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

// Names joins the addresses in words.
func Names(addresses []netip.Addr) string {
	names := make([]string, len(addresses))
	for i, a := range addresses {
		names[i] = a.String()
	}
	return strings.Join(names, " and ")
}

// occupied is the error for an address that an interface of somebody else's has.
func occupied(address netip.Addr, name, remedy string) error {
	return fmt.Errorf("%s is on the interface %s already; take it away there first: %s", address, name, remedy)
}
