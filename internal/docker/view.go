package docker

import (
	"fmt"
	"net/netip"

	"mock-ec2-metadata/internal/caller"
)

// view is all that Locate reads. It never changes.
type view struct {
	// read tells that the engine has been read at least once.
	read bool
	// byAddr and byMAC have no entry for what two containers share.
	byAddr   map[netip.Addr]*caller.Workload
	byMAC    map[mac]*caller.Workload
	networks networks
	status   Status
	// containers are those that run, the one that started last first, with their addresses.
	containers []*container
	running    func() []caller.Running // of containers; made on first use
	next       chan struct{}           // closed when there is a newer view
}

// mac is an Ethernet address.
type mac [6]byte

// networks are the subnets in which containers have addresses.
type networks struct {
	subnets  []netip.Prefix
	gateways map[netip.Addr]bool
}

// find returns nil if no running container is known to have a.
func (v *view) find(a netip.Addr) *caller.Workload {
	a = a.WithZone("")
	if w := v.byAddr[a]; w != nil {
		return w
	}
	if m, ok := eui64(a); ok {
		return v.byMAC[m]
	}
	return nil
}

// expects tells whether only a container can have a.
func (v *view) expects(a netip.Addr) bool {
	if a.Is6() && a.IsLinkLocalUnicast() {
		return true
	}
	if v.networks.gateways[a] {
		return false
	}
	for _, p := range v.networks.subnets {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// neverListed tells whether waiting for a is in vain: engines list no IPv6 link-local addresses, and a has no MAC to go by.
func neverListed(a netip.Addr) bool {
	_, ok := eui64(a)
	return a.Is6() && a.IsLinkLocalUnicast() && !ok
}

// eui64 is the MAC that a link-local address was made of (RFC 4291, appendix A).
func eui64(a netip.Addr) (mac, bool) {
	if !a.Is6() || !a.IsLinkLocalUnicast() {
		return mac{}, false
	}
	b := a.As16()
	if b[11] != 0xff || b[12] != 0xfe {
		return mac{}, false
	}
	return mac{b[8] ^ 2, b[9], b[10], b[13], b[14], b[15]}, true
}

// unknown is the error for an address that no known container has.
func (v *view) unknown(a netip.Addr) error {
	switch {
	case !v.read:
		return unknownError("the container engine has not been reached: " + v.status.Error)
	case !v.status.Connected:
		return unknownError(fmt.Sprintf("no container is known to have %s, and the container engine cannot be asked: %s", a, v.status.Error))
	case neverListed(a):
		return unknownError(fmt.Sprintf("container engines do not list link-local addresses such as %s; use an address of the container's network", a))
	}
	return unknownError(fmt.Sprintf("no running container has %s", a))
}

// unknownError is caller.ErrUnknown with a reason in its place.
type unknownError string

func (e unknownError) Error() string { return string(e) }
func (e unknownError) Unwrap() error { return caller.ErrUnknown }

// addMAC adds a container's MAC. One of two containers, such as one that a user chose, leads to neither.
func (v *view) addMAC(m mac, w *caller.Workload) {
	if m == (mac{}) {
		return
	}
	if other, taken := v.byMAC[m]; taken && other != w {
		w = nil
	}
	v.byMAC[m] = w
}
