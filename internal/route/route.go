// Package route adds the metadata service's addresses to this machine, and those of ECS and EKS Pod Identity: on Linux to an
// interface of its own, by netlink; on macOS and Windows to the loopback interface, by the system's tools.
package route

import (
	"fmt"
	"net/netip"
)

// Interface is the interface that Add creates on Linux. It changes nothing else.
const Interface = "mock-imds"

// Place is the interface of one of the services' addresses.
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

// Find returns the places of the services' addresses.
func Find(s Services) ([]Place, error) { return places(s.Addresses()) }

// occupied returns the error for an address on another interface.
func occupied(address netip.Addr, name, remedy string) error {
	return fmt.Errorf("%s is already on the interface %s; remove it there first: %s", address, name, remedy)
}
