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

// noGeneratedAddresses keeps the kernel from generating addresses (IN6_ADDR_GEN_MODE_NONE of linux/if_link.h).
const noGeneratedAddresses = 1

// links is the part of netlink.Handle that is used.
type links interface {
	LinkList() ([]netlink.Link, error)
	LinkAdd(link netlink.Link) error
	LinkDel(link netlink.Link) error
	LinkSetUp(link netlink.Link) error
	LinkSetIP6AddrGenMode(link netlink.Link, mode int) error
	AddrList(link netlink.Link, family int) ([]netlink.Addr, error)
	AddrAdd(link netlink.Link, addr *netlink.Addr) error
}

// hasIPv6 tells whether IPv6 is enabled for new interfaces.
func hasIPv6() bool { return ipv6Enabled("/proc") }

func ipv6Enabled(proc string) bool {
	for _, scope := range []string{"all", "default"} { // default is for new interfaces
		disabled, err := os.ReadFile(filepath.Join(proc, "sys/net/ipv6/conf", scope, "disable_ipv6")) //nolint:gosec // a file of the kernel
		if err != nil || strings.TrimSpace(string(disabled)) != "0" {
			return false
		}
	}
	return true
}

// Add creates the interface with the services' addresses, or adds what is missing, and reports whether anything was missing. It
// removes none. It ignores the target, which other systems need.
func Add(_ context.Context, _ netip.AddrPort, s Services) (bool, error) {
	return add(&netlink.Handle{}, s.Addresses())
}

// Remove deletes the interface with the addresses of all services and reports whether it existed.
func Remove(context.Context) (bool, error) { return remove(&netlink.Handle{}) }

func places(wanted []netip.Addr) ([]Place, error) { return find(&netlink.Handle{}, wanted) }

func add(l links, wanted []netip.Addr) (bool, error) {
	m, err := inspect(l)
	if err != nil {
		return false, err
	}
	if m.conflict != nil {
		return false, m.conflict
	}
	for _, a := range m.addresses {
		if slices.Contains(wanted, a.Addr()) && a.name() != Interface {
			return false, occupied(a.Addr(), a.name(), fmt.Sprintf("ip address delete %s dev %s", a.Prefix, a.name()))
		}
	}
	link, created := m.own, false
	if link == nil {
		if link, err = create(l); err != nil {
			return false, explain("cannot create the interface "+Interface, err)
		}
		created = true
		// This fails where IPv6 is disabled, and then is not needed.
		_ = l.LinkSetIP6AddrGenMode(link, noGeneratedAddresses)
	}
	added, err := configure(l, link, wanted, m)
	if err != nil && created {
		_ = l.LinkDel(link) // all or nothing
	}
	return created || added, err
}

// create creates a dummy interface or, where the kernel has none, a bridge without ports, which works the same.
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

// configure sets the interface up and adds the missing addresses.
func configure(l links, link netlink.Link, wanted []netip.Addr, m *machine) (added bool, err error) {
	// Even if it is up already: without the right to change it, Add must fail, not Remove later.
	if err := l.LinkSetUp(link); err != nil {
		return false, explain("cannot set the interface "+Interface+" up", err)
	}
	for _, a := range wanted {
		if _, present := m.find(a); present {
			continue
		}
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}}
		if a.Is6() {
			addr.Flags = unix.IFA_F_NODAD // no other host is on this interface
		}
		if err := l.AddrAdd(link, addr); err != nil && !errors.Is(err, unix.EEXIST) {
			return added, explain(fmt.Sprintf("cannot add %s to the interface %s", a, Interface), err)
		}
		added = true
	}
	return added, nil
}

func remove(l links) (bool, error) {
	m, err := inspect(l)
	if err != nil {
		return false, err
	}
	if m.conflict != nil || m.own == nil {
		return false, m.conflict
	}
	if err := l.LinkDel(m.own); err != nil {
		return false, explain("cannot delete the interface "+Interface, err)
	}
	return true, nil
}

func find(l links, wanted []netip.Addr) ([]Place, error) {
	m, err := inspect(l)
	if err != nil {
		return nil, err
	}
	places := make([]Place, len(wanted))
	for i, address := range wanted {
		places[i].Address = address
		if a, ok := m.find(address); ok {
			places[i] = Place{Address: address, Interface: a.name(), Kind: a.link.Type(), Ours: a.name() == Interface && m.conflict == nil}
		}
	}
	return places, nil
}

// explain adds the failed action, and the remedy if root is missing, to an error of netlink.
func explain(what string, err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%s: %w; run it as root with sudo, or in Docker with --network host --cap-add NET_ADMIN", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}
