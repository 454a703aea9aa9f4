package kube

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"mock-ec2-metadata/internal/caller"
)

// onNode sets networks of a node at 192.0.2.7/24.
func onNode(k *kernel, cidrs ...string) func(*Options) {
	return func(o *Options) {
		o.NodeNetworks = func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }
		for _, cidr := range cidrs {
			o.PodCIDRs = append(o.PodCIDRs, netip.MustParsePrefix(cidr))
		}
		if k != nil {
			o.Proc = k
		}
	}
}

func TestLocate_AnotherNodeIsElsewhereAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := start(t, newFake(), onNode(&kernel{}, "10.0.0.0/24"))
		message := l.wantError("192.0.2.8", caller.ErrElsewhere, 0)
		if want := "192.0.2.8 is in a network of nodes: the address is not that of a pod of this node"; message != want {
			t.Errorf("%q, want %q", message, want)
		}
		l.wantError("10.0.0.2", caller.ErrUnknown, waitOfTest)
		l.wantError("203.0.113.1", caller.ErrUnknown, waitOfTest)
	})
}

func TestLocate_AnotherNodeIsElsewhereAfterTheWaitWithoutPodCIDRs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := start(t, newFake(), onNode(nil))
		l.wantError("192.0.2.8", caller.ErrElsewhere, waitOfTest)
	})
}

func TestLocate_PodInTheNodesNetworkIsAPod(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.put("pods", newPod("web", "192.0.2.9"))
		f.put("pods", newPod("new"))
		l := start(t, f, onNode(knows("192.0.2.10", "uid-new"), "192.0.2.128/25"))
		l.want("192.0.2.9", "web", 0)
		l.want("192.0.2.10", "new", 0)
		l.wantError("192.0.2.200", caller.ErrUnknown, waitOfTest)
	})
}

func TestLocate_NothingIsElsewhereWhileTheKernelHasNotAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := &kernel{delay: searchLimit * 2, deaf: true}
		l := start(t, newFake(), onNode(k, "10.0.0.0/24"))
		l.wantError("192.0.2.8", caller.ErrUnknown, searchLimit)
		time.Sleep(searchLimit)
	})
}

func TestLocate_NothingIsElsewhereIfTheKernelHadTooLittleTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		k := &kernel{err: fmt.Errorf("scan: %w", context.DeadlineExceeded)}
		l := start(t, newFake(), onNode(k, "10.0.0.0/24"))
		l.wantError("192.0.2.8", caller.ErrUnknown, waitOfTest)
	})
}

func TestLocate_NothingIsElsewhereBeforeTheFirstList(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFake()
		f.down = true
		l := start(t, f, onNode(nil, "10.0.0.0/24"))
		l.wantError("192.0.2.8", caller.ErrUnknown, waitOfTest)
	})
}
