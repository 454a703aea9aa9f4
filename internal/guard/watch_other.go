//go:build !linux

package guard

import (
	"context"
	"strings"
	"time"
)

// isVirtualInterface goes by the names that hypervisors and container engines give: these systems do not tell.
func isVirtualInterface(name string) bool {
	for _, prefix := range []string{"bridge", "vmenet", "vmnet", "vboxnet", "vEthernet", "VirtualBox", "VMware"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// watch has nobody to tell of changes here.
func (n *Networks) watch(context.Context) (stale func() bool) { return every(time.Second) }
