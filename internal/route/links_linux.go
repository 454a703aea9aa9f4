package route

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// addressesByHand keeps the kernel from making addresses (IN6_ADDR_GEN_MODE_NONE of linux/if_link.h).
const addressesByHand = 1

// links is what of netlink is used.
type links interface {
	LinkList() ([]netlink.Link, error)
	LinkAdd(link netlink.Link) error
	LinkDel(link netlink.Link) error
	LinkSetUp(link netlink.Link) error
	LinkSetIP6AddrGenMode(link netlink.Link, mode int) error
	AddrList(link netlink.Link, family int) ([]netlink.Addr, error)
	AddrAdd(link netlink.Link, addr *netlink.Addr) error
}

// Addresses are those that Add puts on this machine.
func Addresses() []netip.Addr { return addresses("/proc") }

func addresses(proc string) []netip.Addr {
	for _, scope := range []string{"all", "default"} { // a new interface is by default
		off, err := os.ReadFile(filepath.Join(proc, "sys/net/ipv6/conf", scope, "disable_ipv6")) //nolint:gosec // the kernel's
		if err != nil || strings.TrimSpace(string(off)) != "0" {
			return []netip.Addr{IPv4()}
		}
	}
	return []netip.Addr{IPv4(), IPv6()}
}

// Add puts the addresses on the interface, as far as they are not there. It returns whether anything was missing. The target
// is for other systems.
func Add(context.Context, netip.AddrPort) (bool, error) { return add(&netlink.Handle{}, Addresses()) }

// Remove takes the interface away, with its addresses, and says whether there was one.
func Remove(context.Context) (bool, error) { return remove(&netlink.Handle{}) }

// Find says where the addresses are.
func Find() ([]Place, error) { return find(&netlink.Handle{}, Addresses()) }

func add(l links, wanted []netip.Addr) (bool, error) {
	m, err := look(l)
	if err != nil {
		return false, err
	}
	if m.foreign != nil {
		return false, m.foreign
	}
	for _, a := range m.addresses {
		if slices.Contains(wanted, a.Addr()) && a.on() != Interface {
			return false, occupied(a.Addr(), a.on(), fmt.Sprintf("ip address delete %s dev %s", a.Prefix, a.on()))
		}
	}
	link, made := m.own, false
	if link == nil {
		if link, err = create(l); err != nil {
			return false, denied("cannot make the interface "+Interface, err)
		}
		made = true
		// No address but those; where IPv6 is off, there is none to prevent.
		_ = l.LinkSetIP6AddrGenMode(link, addressesByHand)
	}
	added, err := complete(l, link, wanted, m)
	if err != nil && made {
		_ = l.LinkDel(link) // all or nothing
	}
	return made || added, err
}

// create makes the interface: a dummy or, where the kernel has none, a bridge without ports, which does the same.
func create(l links) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = Interface
	var link netlink.Link = &netlink.Dummy{LinkAttrs: attrs}
	err := l.LinkAdd(link)
	if errors.Is(err, unix.EOPNOTSUPP) {
		bridge := &netlink.Bridge{LinkAttrs: attrs}
		if l.LinkAdd(bridge) == nil {
			return bridge, nil
		}
	}
	return link, err
}

// complete sets the interface up, and adds what addresses it lacks.
func complete(l links, link netlink.Link, wanted []netip.Addr, m *machine) (added bool, err error) {
	// Also when it is up already: who may not change it learns so now, not when it is to be taken away.
	if err := l.LinkSetUp(link); err != nil {
		return false, denied("cannot set the interface "+Interface+" up", err)
	}
	for _, a := range wanted {
		if _, there := m.find(a); there {
			continue
		}
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}}
		if a.Is6() {
			addr.Flags = unix.IFA_F_NODAD // there is nobody to object
		}
		if err := l.AddrAdd(link, addr); err != nil && !errors.Is(err, unix.EEXIST) {
			return added, denied(fmt.Sprintf("cannot put %s on the interface %s", a, Interface), err)
		}
		added = true
	}
	return added, nil
}

func remove(l links) (bool, error) {
	m, err := look(l)
	if err != nil {
		return false, err
	}
	if m.foreign != nil || m.own == nil {
		return false, m.foreign
	}
	if err := l.LinkDel(m.own); err != nil {
		return false, denied("cannot take the interface "+Interface+" away", err)
	}
	return true, nil
}

func find(l links, wanted []netip.Addr) ([]Place, error) {
	m, err := look(l)
	if err != nil {
		return nil, err
	}
	places := make([]Place, len(wanted))
	for i, address := range wanted {
		places[i].Address = address
		if a, ok := m.find(address); ok {
			places[i] = Place{Address: address, Interface: a.on(), Kind: a.link.Type(), Ours: a.on() == Interface && m.foreign == nil}
		}
	}
	return places, nil
}

// denied explains an error of netlink's.
func denied(what string, err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%s: %w; it takes root: run it with sudo, or in Docker with --network host --cap-add NET_ADMIN", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
