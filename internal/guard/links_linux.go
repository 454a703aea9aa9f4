package guard

import (
	"os"
	"path/filepath"
	"strings"
)

func isVirtualInterface(name string) bool { return isVirtualIn("/sys/class/net", name) }

// isVirtualIn is true for an Ethernet interface without a device, and not made of one that has: a bridge, bond or VLAN
// on top of a network card is the network of that card. Tunnels are no Ethernet; who is at their other end, nobody knows
// here.
func isVirtualIn(sysfs, name string) bool {
	const ethernet = "1" // ARPHRD_ETHER
	dir := filepath.Join(sysfs, name)
	kind, err := os.ReadFile(filepath.Join(dir, "type")) //nolint:gosec // the kernel's
	if err != nil || strings.TrimSpace(string(kind)) != ethernet {
		return false
	}
	return !hasDevice(sysfs, name, 0)
}

// hasDevice looks for a device under an interface and those that it is made of.
func hasDevice(sysfs, name string, depth int) bool {
	const deepest = 8 // as the kernel nests them
	dir := filepath.Join(sysfs, name)
	if _, err := os.Lstat(filepath.Join(dir, "device")); err == nil || depth > deepest {
		return true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return true // unknown is not safe
	}
	for _, e := range entries {
		if lower, ok := strings.CutPrefix(e.Name(), "lower_"); ok && hasDevice(sysfs, lower, depth+1) {
			return true
		}
	}
	return false
}
