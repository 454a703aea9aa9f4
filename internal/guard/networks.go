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

// Networks are those that this machine is attached to, as they come and go.
type Networks struct {
	log     *slog.Logger
	list    func() ([]attachment, error)
	also    []netip.Prefix // virtual networks that are not seen from here
	looking sync.Mutex     // held during a look, so that no older one ends last
	latest  atomic.Pointer[view]
	// stale says that nobody tells of changes, so that each look is at a fresh view.
	stale func() bool
}

// attachment is one address of one interface.
type attachment struct {
	prefix  netip.Prefix // the address, with the length of its network
	name    string       // of the interface
	virtual bool
	// routed says that it is a network beyond the interface, of which this machine has no address.
	routed bool
}

// view is how things stand at one time.
type view struct {
	own      map[netip.Addr]bool
	networks []attachment // the smallest first
}

// NewNetworks looks at the machine's interfaces. Until Watch it looks again when a view is older than a second. In a container
// the interfaces are not those of the machine: also are the machine's virtual networks.
func NewNetworks(log *slog.Logger, also ...netip.Prefix) *Networks {
	n := &Networks{log: log, list: attachments, also: also, stale: every(time.Second)}
	n.look()
	return n
}

// Watch looks again at each change until ctx is done. It returns at once; call it before the first request.
func (n *Networks) Watch(ctx context.Context) {
	n.stale = n.watch(ctx) // before the next look, so that no change is missed
	n.look()
}

// look takes a new view; if that fails the old one stays.
func (n *Networks) look() {
	n.looking.Lock()
	defer n.looking.Unlock()
	list, err := n.list()
	if err != nil {
		n.log.Warn("cannot look at the network interfaces", "error", err)
		if n.latest.Load() == nil {
			n.latest.Store(&view{})
		}
		return
	}
	v := &view{own: map[netip.Addr]bool{}}
	for _, a := range list {
		if !a.routed {
			v.own[zoned(a.prefix.Addr(), a.name)] = true
		}
		a.prefix = a.prefix.Masked()
		v.networks = append(v.networks, a)
	}
	for _, p := range n.also {
		v.networks = append(v.networks, attachment{prefix: p.Masked(), name: "host", virtual: true})
	}
	slices.SortStableFunc(v.networks, func(a, b attachment) int { return cmp.Compare(b.prefix.Bits(), a.prefix.Bits()) })
	n.latest.Store(v)
}

// zoned gives a link-local address its interface, without which it says nothing.
func zoned(a netip.Addr, name string) netip.Addr {
	if a.Is6() && a.IsLinkLocalUnicast() {
		return a.WithZone(name)
	}
	return a
}

func (n *Networks) now() *view {
	if n.stale() {
		n.look()
	}
	return n.latest.Load()
}

// isOwn says whether an address is one of this machine's.
func (n *Networks) isOwn(a netip.Addr) bool { return n.now().own[a] }

// isVirtual says whether an address is in the network of a virtual interface. The smallest network that holds it decides,
// as it does when packets are sent: a VPN's large one may hold the office's.
func (n *Networks) isVirtual(a netip.Addr) bool {
	bare, zone, local := a.WithZone(""), a.Zone(), a.Is6() && a.IsLinkLocalUnicast()
	v := n.now()
	for i, at := range v.networks {
		if !at.prefix.Contains(bare) || local && at.name != zone {
			continue
		}
		// Two interfaces may be in networks of one size: then all must be virtual.
		virtual := at.virtual
		for _, other := range v.networks[i+1:] {
			if other.prefix.Bits() == at.prefix.Bits() && other.prefix.Contains(bare) && (!local || other.name == zone) {
				virtual = virtual && other.virtual
			}
		}
		return virtual
	}
	return false
}

// Prefixes are the networks of virtual interfaces that mean the same elsewhere: not the link-local ones.
func (n *Networks) Prefixes() []netip.Prefix {
	var prefixes []netip.Prefix
	for _, at := range n.now().networks {
		if at.virtual && !at.prefix.Addr().IsLinkLocalUnicast() {
			prefixes = append(prefixes, at.prefix)
		}
	}
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	return slices.Compact(prefixes)
}

// Virtual names the virtual interfaces and their networks, for people.
func (n *Networks) Virtual() []string {
	var names []string
	for _, at := range n.now().networks {
		if at.virtual {
			names = append(names, at.name+" "+at.prefix.String())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// attachments lists the addresses of all interfaces that are up.
func attachments() ([]attachment, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	isVirtual, err := virtualInterfaces()
	if err != nil {
		return nil, err
	}
	list, err := beyond(interfaces, isVirtual)
	if err != nil {
		return nil, err
	}
	for _, i := range interfaces {
		if addrs, err := i.Addrs(); err == nil { // else it has just gone
			list = append(list, attachmentsOf(i, addrs, isVirtual)...)
		}
	}
	return list, nil
}

// attachmentsOf are those of one interface: none while it is down, for whoever comes from its network then comes another way.
func attachmentsOf(i net.Interface, addrs []net.Addr, isVirtual func(name string) bool) []attachment {
	if i.Flags&net.FlagUp == 0 {
		return nil
	}
	virtual := isVirtualLink(i, isVirtual)
	var list []attachment
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			list = append(list, attachment{prefix: netip.PrefixFrom(p.Addr().Unmap(), p.Bits()), name: i.Name, virtual: virtual})
		}
	}
	return list
}

func isVirtualLink(i net.Interface, isVirtual func(name string) bool) bool {
	return i.Flags&(net.FlagLoopback|net.FlagPointToPoint) == 0 && isVirtual(i.Name)
}

// every is true once in each period, by a clock that nobody sets.
func every(period time.Duration) func() bool {
	start := time.Now()
	var last atomic.Int64
	last.Store(-int64(period))
	return func() bool {
		now, before := int64(time.Since(start)), last.Load()
		return now-before >= int64(period) && last.CompareAndSwap(before, now)
	}
}
