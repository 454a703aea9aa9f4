package guard

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

func TestIsVirtual_SmallestNetworkDecides(t *testing.T) {
	for _, tt := range []struct {
		name    string
		list    []attachment
		address string
		want    bool
	}{
		{name: "no networks", address: "172.17.0.2", want: false},
		{name: "interface without a network", list: []attachment{at("10.0.0.1/32", "cali1", true)}, address: "10.0.0.2", want: false},
		{
			name:    "bridge within the network of a VPN",
			list:    []attachment{at("10.0.0.2/8", "tun0", false), at("10.5.0.1/16", "br-1", true)},
			address: "10.5.0.9", want: true,
		},
		{
			name:    "VPN beside the bridge within its network",
			list:    []attachment{at("10.0.0.2/8", "tun0", false), at("10.5.0.1/16", "br-1", true)},
			address: "10.6.0.9", want: false,
		},
		{
			name:    "LAN within the network of a bridge",
			list:    []attachment{at("192.168.0.1/16", "br-1", true), at("192.168.1.10/24", "eth0", false)},
			address: "192.168.1.20", want: false,
		},
		{
			name:    "bridge beside the LAN within its network",
			list:    []attachment{at("192.168.0.1/16", "br-1", true), at("192.168.1.10/24", "eth0", false)},
			address: "192.168.2.20", want: true,
		},
		{
			name:    "bridge with the network of the LAN",
			list:    []attachment{at("192.168.1.1/24", "br-1", true), at("192.168.1.10/24", "eth0", false)},
			address: "192.168.1.20", want: false,
		},
		{
			name:    "LAN with the network of a bridge",
			list:    []attachment{at("192.168.1.10/24", "eth0", false), at("192.168.1.1/24", "br-1", true)},
			address: "192.168.1.20", want: false,
		},
		{
			name:    "two bridges with one network",
			list:    []attachment{at("172.17.0.1/16", "docker0", true), at("172.17.0.254/16", "br-1", true)},
			address: "172.17.0.2", want: true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := fixedNetworks(tt.list...).isVirtual(netip.MustParseAddr(tt.address)); got != tt.want {
				t.Errorf("%s is virtual: %v, want %v", tt.address, got, tt.want)
			}
		})
	}
}

func TestIsVirtual_LinkLocalAddressNeedsItsLink(t *testing.T) {
	n := fixedNetworks(at("fe80::1/64", "eth0", false), at("fe80::1/64", "docker0", true))
	for _, tt := range []struct {
		address netip.Addr
		want    bool
	}{
		{netip.MustParseAddr("fe80::2%docker0"), true},
		{netip.MustParseAddr("fe80::2%eth0"), false},
		{netip.MustParseAddr("fe80::2"), false},
		{netip.Addr{}, false},
	} {
		t.Run(tt.address.String(), func(t *testing.T) {
			if got := n.isVirtual(tt.address); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAttachmentsOf_DependsOnFlags(t *testing.T) {
	addrs := []net.Addr{
		&net.IPNet{IP: net.IPv4(172, 17, 0, 1), Mask: net.CIDRMask(16, 32)},
		&net.IPNet{IP: net.ParseIP("fe80::1"), Mask: net.CIDRMask(64, 128)},
		&net.IPAddr{IP: net.IPv4(10, 0, 0, 1)}, // without a network
	}
	for _, tt := range []struct {
		name  string
		flags net.Flags
		want  []attachment
	}{
		{"up", net.FlagUp, []attachment{at("172.17.0.1/16", "up", true), at("fe80::1/64", "up", true)}},
		{"down", 0, nil},
		{"lo", net.FlagUp | net.FlagLoopback, []attachment{loop("172.17.0.1/16"), loop("fe80::1/64")}},
		{"ppp", net.FlagUp | net.FlagPointToPoint, []attachment{at("172.17.0.1/16", "ppp", false), at("fe80::1/64", "ppp", false)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			allVirtual := func(string) bool { return true }
			got := attachmentsOf(net.Interface{Name: tt.name, Flags: tt.flags}, addrs, allVirtual)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// loop is an address of the loopback interface.
func loop(prefix string) attachment {
	a := at(prefix, "lo", false)
	a.loop = true
	return a
}

func TestReal_NamesInterfacesThatLeadToOtherMachines(t *testing.T) {
	n := fixedNetworks(loop("127.0.0.1/8"), at("172.17.0.1/16", "docker0", true))
	if got := n.Real(); len(got) > 0 {
		t.Errorf("without a network card: %q", got)
	}
	n = fixedNetworks(loop("127.0.0.1/8"), loop("10.1.0.1/32"), at("172.17.0.1/16", "docker0", true), at("192.168.1.10/24", "eth0", false), at("10.8.0.2/24", "wg0", false))
	if diff := cmp.Diff([]string{"eth0 192.168.1.0/24", "wg0 10.8.0.0/24"}, n.Real()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestVirtual_NamesInterfacesAndNetworks(t *testing.T) {
	n := fixedNetworks(append(testNetworks, at("172.17.0.9/16", "docker0", true))...)
	want := []string{"docker0 172.17.0.0/16", "docker0 fd00:17::/64", "docker0 fe80::/64"}
	if diff := cmp.Diff(want, n.Virtual()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPrefixes_AreVirtualNetworksOnce(t *testing.T) {
	n := fixedNetworks(append(testNetworks, at("172.17.0.9/16", "docker0", true))...)
	want := []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16"), netip.MustParsePrefix("fd00:17::/64")}
	if got := n.Prefixes(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A list allows all of its networks. What auto leaves out must not come in by writing it as a list.
func TestAuto_LeavesOutNetworksAroundRealOnes(t *testing.T) {
	n := fixedNetworks(
		at("192.168.1.10/24", "eth0", false), at("192.168.0.1/16", "tun0", true), at("192.168.121.1/24", "virbr0", true),
		at("172.17.0.1/16", "docker0", true), at("172.17.0.2/16", "eth1", false), at("10.8.0.1/24", "wg0", true), at("10.8.0.2/8", "eth2", false),
	)
	want := []netip.Prefix{netip.MustParsePrefix("10.8.0.0/24"), netip.MustParsePrefix("192.168.121.0/24")}
	if got := n.Auto(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNetworks_ExtraOnesAreVirtual(t *testing.T) {
	n := fixedNetworks(testNetworks...)
	vm := netip.MustParseAddr("192.168.121.5")
	if n.isVirtual(vm) {
		t.Error("the virtual machine is known without the extra network")
	}
	n.extra = []netip.Prefix{netip.MustParsePrefix("192.168.121.1/24")}
	n.refresh()
	if !n.isVirtual(vm) || n.isOwn(vm) || n.isOwn(netip.MustParseAddr("192.168.121.1")) {
		t.Error("the extra network is not virtual, or has an address of this machine")
	}
}

func TestRefresh_ErrorKeepsOldSnapshot(t *testing.T) {
	var log bytes.Buffer
	broken := errors.New("no netlink here")
	n := &Networks{log: logTo(&log), stale: func() bool { return false }, list: func() ([]attachment, error) { return nil, broken }}
	n.refresh()
	container := netip.MustParseAddr("172.17.0.2")
	if n.isVirtual(container) || n.isOwn(container) || n.Virtual() != nil {
		t.Error("networks are known although they were never listed")
	}
	n.list = func() ([]attachment, error) { return testNetworks, nil }
	n.refresh()
	n.list = func() ([]attachment, error) { return nil, broken }
	n.refresh()
	if !n.isVirtual(container) {
		t.Error("the old snapshot is lost")
	}
	want := "level=WARN msg=\"cannot list network interfaces\" error=\"no netlink here\"\n"
	if log.String() != want+want {
		t.Errorf("log:\n%s", log.String())
	}
}

func TestNetworks_StaleSnapshotIsRefreshedOncePerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lists := 0
		n := &Networks{log: slog.New(slog.DiscardHandler), stale: every(time.Second), list: func() ([]attachment, error) { lists++; return testNetworks, nil }}
		for range 3 {
			for range 100 {
				n.isOwn(netip.MustParseAddr("192.0.2.1"))
			}
			time.Sleep(time.Second)
		}
		if lists != 3 {
			t.Errorf("listed %d times in 3 seconds", lists)
		}
	})
}

// TestRefresh_IsSerialised: of two concurrent refreshes, the one that lists first could store its list last.
func TestRefresh_IsSerialised(t *testing.T) {
	var listing atomic.Int32
	n := &Networks{log: slog.New(slog.DiscardHandler), stale: func() bool { return false }}
	n.list = func() ([]attachment, error) {
		if listing.Add(1) > 1 {
			t.Error("two refreshes at a time")
		}
		runtime.Gosched()
		listing.Add(-1)
		return testNetworks, nil
	}
	var refreshes sync.WaitGroup
	for range 8 {
		refreshes.Go(func() {
			for range 100 {
				n.refresh()
			}
		})
	}
	refreshes.Wait()
}

func TestNewNetworks_KnowsLoopbackOfThisMachine(t *testing.T) {
	n := NewNetworks(slog.New(slog.DiscardHandler))
	n.Watch(t.Context())
	loopback := netip.MustParseAddr("127.0.0.1")
	if !n.isOwn(loopback) || n.isVirtual(loopback) {
		t.Errorf("own %v, virtual %v", n.isOwn(loopback), n.isVirtual(loopback))
	}
}

func TestWatch_EndsWithContext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	NewNetworks(slog.New(slog.DiscardHandler)).Watch(ctx)
	stop()
	testutil.Eventually(t, "the goroutine of watch ends", func() bool {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return !bytes.Contains(stacks, []byte("(*Networks).watch"))
	})
}
