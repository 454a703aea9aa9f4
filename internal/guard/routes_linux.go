package guard

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// defaultRoutes names the interfaces of default routes.
func defaultRoutes() (map[string]bool, error) {
	names := map[string]bool{}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
		if err != nil {
			return nil, err
		}
		for _, r := range routes {
			if r.Dst != nil {
				if bits, _ := r.Dst.Mask.Size(); bits > 0 {
					continue
				}
			}
			links := []int{r.LinkIndex}
			for _, hop := range r.MultiPath {
				links = append(links, hop.LinkIndex)
			}
			for _, link := range links {
				if i, err := net.InterfaceByIndex(link); err == nil { // else it has just been removed
					names[i.Name] = true
				}
			}
		}
	}
	return names, nil
}

// onLinkRoutes lists networks with a route but no gateway, as some pod networks have (Calico: 10.244.0.5 dev cali1 scope
// link). A network behind a gateway does not belong to this machine.
func onLinkRoutes(interfaces []net.Interface, isVirtual func(name string) bool) ([]attachment, error) {
	byIndex := map[int]net.Interface{}
	for _, i := range interfaces {
		byIndex[i.Index] = i
	}
	var list []attachment
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
		if err != nil {
			return nil, err
		}
		for _, r := range routes {
			i, ok := byIndex[r.LinkIndex]
			if !ok || r.Dst == nil || r.Gw != nil || r.Via != nil || len(r.MultiPath) > 0 {
				continue
			}
			addr, valid := netip.AddrFromSlice(r.Dst.IP)
			bits, _ := r.Dst.Mask.Size()
			if !valid || bits == 0 || addr.IsLinkLocalUnicast() {
				continue
			}
			list = append(list, attachment{prefix: netip.PrefixFrom(addr.Unmap(), bits), name: i.Name, virtual: isVirtualLink(i, isVirtual), routed: true})
		}
	}
	return list, nil
}
