//go:build !linux

package guard

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"
)

// virtualInterfaces recognises the interface names of hypervisors and container engines; these systems report no type.
func virtualInterfaces() (isVirtual func(name string) bool, err error) {
	return func(name string) bool {
		return slices.ContainsFunc([]string{"bridge", "vmenet", "vmnet", "vboxnet", "vEthernet", "VirtualBox", "VMware"},
			func(prefix string) bool { return strings.HasPrefix(name, prefix) })
	}, nil
}

// watch makes the snapshot stale once per second: these systems report no changes.
func (n *Networks) watch(context.Context) (stale func() bool) { return every(time.Second) }

// defaultRoutes names no interface: only the hop limit needs them, and that is Linux's.
func defaultRoutes() (map[string]bool, error) { return nil, nil }

// onLinkRoutes lists nothing: pod networks with such routes exist on Linux only.
func onLinkRoutes([]net.Interface, func(name string) bool) ([]attachment, error) { return nil, nil }
