package guard

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// links are the network interfaces, as sysfs and netlink describe them.
type links struct {
	sysfs string
	kinds map[string]string // by name: bridge, veth; "" for network cards, and what some hypervisors make
}

// virtualInterfaces looks at the links now. It says which are networks of nobody but this machine.
func virtualInterfaces() (isVirtual func(name string) bool, err error) {
	kinds, err := linkKinds()
	if err != nil {
		return nil, err
	}
	return links{"/sys/class/net", kinds}.isVirtual, nil
}

// isVirtual is true for an Ethernet interface without a device, and not made of one that has: a bridge, bond or VLAN
// on top of a network card is the network of that card. Tunnels are no Ethernet, or of a kind that says so; who is at their
// other end, nobody knows here.
func (l links) isVirtual(name string) bool {
	const ethernet = "1" // ARPHRD_ETHER
	return l.read(name, "type") == ethernet && !l.isTunnelTap(name) && l.staysHere(name, 0)
}

// isTunnelTap tells taps of VPNs from those of virtual machines, which ask for their network card's headers.
func (l links) isTunnelTap(name string) bool {
	text := l.read(name, "tun_flags")
	if text == "" {
		return false
	}
	flags, err := strconv.ParseUint(text, 0, 32)
	return err != nil || flags&unix.IFF_VNET_HDR == 0
}

// staysHere is true for what has neither a device nor a tunnel under it.
func (l links) staysHere(name string, depth int) bool {
	const deepest = 8 // as the kernel nests them
	if _, err := os.Lstat(filepath.Join(l.sysfs, name, "device")); err == nil || depth > deepest {
		return false
	}
	entries, err := os.ReadDir(filepath.Join(l.sysfs, name))
	if err != nil {
		return false // unknown is not safe
	}
	below := 0
	for _, e := range entries {
		if lower, ok := strings.CutPrefix(e.Name(), "lower_"); ok {
			if below++; !l.staysHere(lower, depth+1) {
				return false
			}
		}
	}
	kind, known := l.kinds[name]
	switch kind {
	case "", "bridge", "dummy", "netkit", "tun", "veth":
		return known
	case "bond", "ipvlan", "macvlan", "macvtap", "team", "vlan":
		return below > 0 // a container does not see the card of its host that is under it
	default:
		return false
	}
}

// read gives a file of an interface, "" for none.
func (l links) read(name, file string) string {
	b, err := os.ReadFile(filepath.Join(l.sysfs, name, file)) //nolint:gosec // the kernel's
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// linkKinds asks the kernel, for sysfs does not tell.
func linkKinds() (map[string]string, error) {
	table, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return nil, err
	}
	kinds := map[string]string{}
	for _, m := range messages {
		if m.Header.Type != unix.RTM_NEWLINK {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			return nil, err
		}
		var name, kind string
		for _, a := range attributes {
			switch a.Attr.Type {
			case unix.IFLA_IFNAME:
				name = unix.ByteSliceToString(a.Value)
			case unix.IFLA_LINKINFO:
				info, err := nl.ParseRouteAttrAsMap(a.Value)
				if err != nil {
					return nil, err
				}
				kind = unix.ByteSliceToString(info[unix.IFLA_INFO_KIND].Value)
			}
		}
		kinds[name] = kind
	}
	return kinds, nil
}
