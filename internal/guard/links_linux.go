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

// links describes network interfaces from sysfs and netlink.
type links struct {
	sysfs string
	list  func() (kinds map[string]string, err error)
	kinds map[string]string // what list last said, by name: bridge, veth; "" for network cards and interfaces of some hypervisors
}

// looks is how often an interface is looked at that changes meanwhile. A bridge gets and loses ports while containers start and end.
const looks = 5

// virtualInterfaces reads the links now. isVirtual reports whether an interface's network is on this machine only.
func virtualInterfaces() (isVirtual func(name string) bool, err error) {
	kinds, err := linkKinds()
	if err != nil {
		return nil, err
	}
	return (&links{"/sys/class/net", linkKinds, kinds}).isVirtual, nil
}

// isVirtual reports whether an Ethernet interface has no device and is not built on one that has: a bridge, bond or VLAN on
// a network card is in the card's network. Tunnels are not virtual: their other end may be any machine.
func (l *links) isVirtual(name string) bool {
	const ethernet = "1" // ARPHRD_ETHER
	if l.read(name, "type") != ethernet || l.isTunnelTap(name) {
		return false
	}
	for range looks {
		local, sure := l.isLocalOnly(name, 0)
		if sure {
			return local
		}
		kinds, err := l.list()
		if err != nil {
			return false
		}
		l.kinds = kinds
	}
	return false // unknown: deny
}

// isTunnelTap reports whether an interface is the tap of a VPN. The tap of a virtual machine has IFF_VNET_HDR.
func (l *links) isTunnelTap(name string) bool {
	text := l.read(name, "tun_flags")
	if text == "" {
		return false
	}
	flags, err := strconv.ParseUint(text, 0, 32)
	return err != nil || flags&unix.IFF_VNET_HDR == 0
}

// isLocalOnly reports whether an interface is built on neither a device nor a tunnel. It is not sure if an interface has come or gone
// since the kinds were listed, or has changed its name.
func (l *links) isLocalOnly(name string, depth int) (local, sure bool) {
	const maxDepth = 8 // of nested interfaces in the kernel
	if _, err := os.Lstat(filepath.Join(l.sysfs, name, "device")); err == nil || depth > maxDepth {
		return false, true
	}
	entries, err := os.ReadDir(filepath.Join(l.sysfs, name))
	if err != nil {
		return false, false
	}
	below := 0
	for _, e := range entries {
		if lower, ok := strings.CutPrefix(e.Name(), "lower_"); ok {
			below++
			if local, sure := l.isLocalOnly(lower, depth+1); !local || !sure {
				return false, sure
			}
		}
	}
	kind, known := l.kinds[name]
	switch kind {
	case "", "bridge", "dummy", "netkit", "tun", "veth":
		return known, known
	case "bond", "ipvlan", "macvlan", "macvtap", "team", "vlan":
		return below > 0, true // a container does not see its host's card below
	default:
		return false, true
	}
}

// read returns the content of an interface's file, "" if there is none.
func (l *links) read(name, file string) string {
	b, err := os.ReadFile(filepath.Join(l.sysfs, name, file)) //nolint:gosec // the kernel's
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// linkKinds asks the kernel by netlink, since sysfs has no kinds.
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
