package guard

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Networks tracks the networks that this machine is attached to.
type Networks struct {
	log        *slog.Logger
	list       func() ([]attachment, error)
	uplinks    func() (map[string]bool, error) // names of the interfaces of default routes; nil for none
	extra      []netip.Prefix                  // virtual networks that this process cannot see
	refreshing sync.Mutex                      // serialises refreshes, so that an older list never replaces a newer one
	latest     atomic.Pointer[snapshot]
	// stale reports whether the snapshot needs a refresh before use. It is always false where the kernel reports changes.
	stale func() bool
}

// attachment is one address of one interface, or one on-link route.
type attachment struct {
	prefix  netip.Prefix // the address, with the prefix length of its network
	name    string       // of the interface
	virtual bool         // whether the interface is virtual
	routed  bool         // an on-link route: this machine has no address in the network
	loop    bool         // of the loopback interface
	guests  bool         // whether the network is of this machine's containers or virtual machines alone
}

// snapshot is the immutable state of the networks at one time.
type snapshot struct {
	own      map[netip.Addr]bool
	networks []attachment // smallest network first
}

// NewNetworks reads the machine's interfaces now and, until Watch is called, when a snapshot is older than a second. A
// container cannot see its host's virtual networks: pass them as extra.
func NewNetworks(log *slog.Logger, extra ...netip.Prefix) *Networks {
	n := &Networks{log: log, list: attachments, uplinks: defaultRoutes, extra: extra, stale: every(time.Second)}
	n.refresh()
	return n
}

// Watch refreshes the snapshot after each change until ctx is done. It returns at once; call it before the first request.
func (n *Networks) Watch(ctx context.Context) {
	n.stale = n.watch(ctx) // before the next refresh, so that no change is missed
	n.refresh()
}

// refresh replaces the snapshot. If the networks cannot be listed it keeps the old one.
func (n *Networks) refresh() {
	n.refreshing.Lock()
	defer n.refreshing.Unlock()
	list, err := n.list()
	if err != nil {
		n.log.Warn("cannot list network interfaces", "error", err)
		if n.latest.Load() == nil {
			n.latest.Store(&snapshot{})
		}
		return
	}
	var uplinks map[string]bool
	if n.uplinks != nil {
		if uplinks, err = n.uplinks(); err != nil {
			n.log.Warn("cannot list default routes", "error", err)
		}
	}
	v := &snapshot{own: map[netip.Addr]bool{}}
	for _, a := range list {
		a.guests = a.virtual && !uplinks[a.name]
		if !a.routed {
			v.own[zoned(a.prefix.Addr(), a.name)] = true
		}
		a.prefix = a.prefix.Masked()
		v.networks = append(v.networks, a)
	}
	for _, p := range n.extra {
		v.networks = append(v.networks, attachment{prefix: p.Masked(), name: "host", virtual: true})
	}
	slices.SortStableFunc(v.networks, func(a, b attachment) int { return cmp.Compare(b.prefix.Bits(), a.prefix.Bits()) })
	n.latest.Store(v)
}

// zoned adds the interface to a link-local address, which is ambiguous without it.
func zoned(a netip.Addr, name string) netip.Addr {
	if a.Is6() && a.IsLinkLocalUnicast() {
		return a.WithZone(name)
	}
	return a
}

func (n *Networks) current() *snapshot {
	if n.stale() {
		n.refresh()
	}
	return n.latest.Load()
}

// isOwn reports whether an address belongs to this machine.
func (n *Networks) isOwn(a netip.Addr) bool { return n.current().own[a] }

// isVirtual reports whether an address is in the network of a virtual interface. The smallest network that contains it
// decides, as in routing: the large network of a VPN may contain that of the LAN.
func (n *Networks) isVirtual(a netip.Addr) bool {
	return n.allOf(a, func(at attachment) bool { return at.virtual })
}

// isGuest reports whether an address is in the network of this machine's containers or virtual machines. The interface of the
// default route leads out of this machine: in a container it is virtual, too. Nor do packets to networks that only the host sees
// leave through an interface of this machine: the host itself is a hop to them.
func (n *Networks) isGuest(a netip.Addr) bool {
	return n.allOf(a, func(at attachment) bool { return at.guests })
}

// allOf reports whether ok holds for the smallest network that contains an address, or for all of that size.
func (n *Networks) allOf(a netip.Addr, ok func(attachment) bool) bool {
	bare, zone, local := a.WithZone(""), a.Zone(), a.Is6() && a.IsLinkLocalUnicast()
	v := n.current()
	for i, at := range v.networks {
		if !at.prefix.Contains(bare) || local && at.name != zone {
			continue
		}
		all := ok(at)
		for _, other := range v.networks[i+1:] {
			if other.prefix.Bits() == at.prefix.Bits() && other.prefix.Contains(bare) && (!local || other.name == zone) {
				all = all && ok(other)
			}
		}
		return all
	}
	return false
}

// Prefixes returns the networks of virtual interfaces, sorted, without link-local ones, which no other host can use.
func (n *Networks) Prefixes() []netip.Prefix {
	var prefixes []netip.Prefix
	for _, at := range n.current().networks {
		if at.virtual && !at.prefix.Addr().IsLinkLocalUnicast() {
			prefixes = append(prefixes, at.prefix)
		}
	}
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	return slices.Compact(prefixes)
}

// Auto returns those of Prefixes that auto allows as a whole: none with a smaller network in it that is not virtual, such as the LAN
// in that of a VPN.
func (n *Networks) Auto() []netip.Prefix {
	all := n.current().networks
	return slices.DeleteFunc(n.Prefixes(), func(p netip.Prefix) bool {
		return slices.ContainsFunc(all, func(at attachment) bool { return !at.virtual && at.prefix.Bits() >= p.Bits() && p.Overlaps(at.prefix) })
	})
}

// Virtual returns the virtual interfaces and their networks, sorted, as text: "docker0 172.17.0.0/16".
func (n *Networks) Virtual() []string {
	return n.named(func(at attachment) bool { return at.virtual })
}

// Real returns the interfaces that other machines may be behind, and their networks, as Virtual does: neither virtual nor loopback.
func (n *Networks) Real() []string {
	return n.named(func(at attachment) bool { return !at.virtual && !at.loop })
}

// named returns interfaces and their networks, sorted, as text.
func (n *Networks) named(which func(attachment) bool) []string {
	var names []string
	for _, at := range n.current().networks {
		if which(at) {
			names = append(names, at.name+" "+at.prefix.String())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// attachments lists the addresses and on-link routes of all interfaces that are up.
func attachments() ([]attachment, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	isVirtual, err := virtualInterfaces()
	if err != nil {
		return nil, err
	}
	list, err := onLinkRoutes(interfaces, isVirtual)
	if err != nil {
		return nil, err
	}
	for _, i := range interfaces {
		if addrs, err := i.Addrs(); err == nil { // else the interface has just been removed
			list = append(list, attachmentsOf(i, addrs, isVirtual)...)
		}
	}
	return list, nil
}

// attachmentsOf returns the attachments of one interface. It has none while it is down: packets from its network then take
// another interface.
func attachmentsOf(i net.Interface, addrs []net.Addr, isVirtual func(name string) bool) []attachment {
	if i.Flags&net.FlagUp == 0 {
		return nil
	}
	virtual, loop := isVirtualLink(i, isVirtual), i.Flags&net.FlagLoopback != 0
	var list []attachment
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, attachment{prefix: netip.PrefixFrom(p.Addr().Unmap(), p.Bits()), name: i.Name, virtual: virtual, loop: loop})
		}
	}
	return list
}

func isVirtualLink(i net.Interface, isVirtual func(name string) bool) bool {
	return i.Flags&(net.FlagLoopback|net.FlagPointToPoint) == 0 && isVirtual(i.Name)
}

// every returns a function that returns true once per period. It uses the monotonic clock.
func every(period time.Duration) func() bool {
	start := time.Now()
	var last atomic.Int64
	last.Store(-int64(period))
	return func() bool {
		now, before := int64(time.Since(start)), last.Load()
		return now-before >= int64(period) && last.CompareAndSwap(before, now)
	}
}
