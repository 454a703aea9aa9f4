package route

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// IPv4 returns the metadata service's address on all systems.
func IPv4() netip.Addr { return netip.AddrFrom4([4]byte{169, 254, 169, 254}) }

// IPv6 returns the metadata service's address where IPv6 is enabled (imds-reference section 3).
func IPv6() netip.Addr { return netip.MustParseAddr("fd00:ec2::254") }

// ECS returns the address of container credentials and task metadata (container-credentials-reference section 3.1).
func ECS() netip.Addr { return netip.AddrFrom4([4]byte{169, 254, 170, 2}) }

// PodIdentityIPv4 returns the address of EKS Pod Identity on all systems.
func PodIdentityIPv4() netip.Addr { return netip.AddrFrom4([4]byte{169, 254, 170, 23}) }

// PodIdentityIPv6 returns the address of EKS Pod Identity where IPv6 is enabled (container-credentials-reference section 10.2).
func PodIdentityIPv6() netip.Addr { return netip.MustParseAddr("fd00:ec2::23") }

// Services are those whose addresses are wanted, besides the metadata service's, which always are.
type Services struct {
	ECS         bool
	PodIdentity bool
}

// The names of services, as arguments of a process.
const (
	ecsName         = "ecs"
	podIdentityName = "pod-identity"
)

// ParseServices returns the services of these names, which Names makes.
func ParseServices(names []string) (s Services, err error) {
	for _, name := range names {
		switch name {
		case ecsName:
			s.ECS = true
		case podIdentityName:
			s.PodIdentity = true
		default:
			return Services{}, fmt.Errorf("%q: no such service; name %s or %s", name, ecsName, podIdentityName)
		}
	}
	return s, nil
}

// Names returns the names of the services, without the metadata service.
func (s Services) Names() []string {
	var names []string
	if s.ECS {
		names = append(names, ecsName)
	}
	if s.PodIdentity {
		names = append(names, podIdentityName)
	}
	return names
}

// Addresses returns the addresses that Add puts on this machine for the services. The metadata service's are the first. On Linux
// there are those of IPv6 if it is enabled; on other systems there are none.
func (s Services) Addresses() []netip.Addr { return s.addresses(hasIPv6()) }

func (s Services) addresses(ipv6 bool) []netip.Addr {
	all := []netip.Addr{IPv4(), IPv6()}
	if s.ECS {
		all = append(all, ECS())
	}
	if s.PodIdentity {
		all = append(all, PodIdentityIPv4(), PodIdentityIPv6())
	}
	if ipv6 {
		return all
	}
	return slices.DeleteFunc(all, netip.Addr.Is6)
}

// known returns all services.
func known() Services { return Services{ECS: true, PodIdentity: true} }

// Names joins addresses with commas and "and".
func Names(addresses []netip.Addr) string {
	names := make([]string, len(addresses))
	for i, a := range addresses {
		names[i] = a.String()
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
