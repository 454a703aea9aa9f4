package route

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// machine is the state of the interfaces at one time.
type machine struct {
	own       netlink.Link // the interface with our name; nil if there is none
	conflict  error        // why own is not an interface of Add, if it is not
	addresses []attached
}

// attached is an address of an interface.
type attached struct {
	netip.Prefix
	link netlink.Link
}

// name returns the name of the interface.
func (a attached) name() string { return a.link.Attrs().Name }

// inspect lists the interfaces and their addresses.
func inspect(l links) (*machine, error) {
	all, err := listAll(l.LinkList)
	if err != nil {
		return nil, fmt.Errorf("cannot list the network interfaces: %w", err)
	}
	addrs, err := listAll(func() ([]netlink.Addr, error) { return l.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return nil, fmt.Errorf("cannot list the addresses of the network interfaces: %w", err)
	}
	m := &machine{}
	byIndex := map[int]netlink.Link{}
	for _, link := range all {
		byIndex[link.Attrs().Index] = link
		if link.Attrs().Name == Interface {
			m.own = link
		}
	}
	m.conflict = conflict(m.own, all)
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		link := byIndex[a.LinkIndex]
		if !ok || link == nil {
			continue // the interface has just been removed
		}
		bits, _ := a.Mask.Size()
		m.addresses = append(m.addresses, attached{netip.PrefixFrom(ip.Unmap(), bits), link})
	}
	return m, nil
}

// conflict returns an error if an interface is not what Add creates: a dummy, or a bridge without ports.
func conflict(link netlink.Link, all []netlink.Link) error {
	if link == nil {
		return nil
	}
	const remedy = "rename or remove it"
	switch link.Type() {
	case "dummy":
		return nil
	case "bridge":
		for _, port := range all {
			if port.Attrs().MasterIndex == link.Attrs().Index {
				return fmt.Errorf("the interface %s is a bridge with the port %s, not one of mock-ec2-metadata; %s", Interface, port.Attrs().Name, remedy)
			}
		}
		return nil
	default:
		return fmt.Errorf("the interface %s is a %s, not a dummy of mock-ec2-metadata; %s", Interface, link.Type(), remedy)
	}
}

// find returns the interface that has an address.
func (m *machine) find(address netip.Addr) (attached, bool) {
	for _, a := range m.addresses {
		if a.Addr() == address {
			return a, true
		}
	}
	return attached{}, false
}

// listAll retries a list that was interrupted by a change, up to five times.
func listAll[T any](list func() ([]T, error)) (all []T, err error) {
	for range 5 {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}
