package route

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// machine is how the interfaces are at one time.
type machine struct {
	own       netlink.Link // the one of our name; nil: there is none
	foreign   error        // why own is none of ours, if it is not
	addresses []attached
}

// attached is an address of an interface.
type attached struct {
	netip.Prefix
	link netlink.Link
}

// on is the interface's name.
func (a attached) on() string { return a.link.Attrs().Name }

// look lists the interfaces and their addresses.
func look(l links) (*machine, error) {
	all, err := whole(l.LinkList)
	if err != nil {
		return nil, fmt.Errorf("cannot list the network interfaces: %w", err)
	}
	addrs, err := whole(func() ([]netlink.Addr, error) { return l.AddrList(nil, netlink.FAMILY_ALL) })
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
	m.foreign = foreign(m.own, all)
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		link := byIndex[a.LinkIndex]
		if !ok || link == nil {
			continue // it has just gone
		}
		bits, _ := a.Mask.Size()
		m.addresses = append(m.addresses, attached{netip.PrefixFrom(ip.Unmap(), bits), link})
	}
	return m, nil
}

// foreign says why an interface is none that Add makes: a dummy, or a bridge without ports.
func foreign(link netlink.Link, all []netlink.Link) error {
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
				return fmt.Errorf("the interface %s is a bridge with the port %s, and so not the one that is meant; %s", Interface, port.Attrs().Name, remedy)
			}
		}
		return nil
	default:
		return fmt.Errorf("the interface %s is a %s, and so not the one that is meant, a dummy; %s", Interface, link.Type(), remedy)
	}
}

// find gives where an address is, if anywhere.
func (m *machine) find(address netip.Addr) (attached, bool) {
	for _, a := range m.addresses {
		if a.Addr() == address {
			return a, true
		}
	}
	return attached{}, false
}

// whole lists something that does not change meanwhile, for some tries.
func whole[T any](list func() ([]T, error)) (all []T, err error) {
	for range 5 {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}
