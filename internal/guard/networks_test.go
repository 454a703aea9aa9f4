package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestVirtualNetworks(t *testing.T) {
	for _, tt := range []struct {
		name    string
		list    []attachment
		virtual map[string]bool
	}{
		{"nothing", nil, map[string]bool{"172.17.0.2": false}},
		{
			"a VPN's network holds the bridge's",
			[]attachment{at("10.0.0.2/8", "tun0", false), at("10.5.0.1/16", "br-1", true)},
			map[string]bool{"10.5.0.9": true, "10.6.0.9": false},
		},
		{
			"a bridge's network holds the office's",
			[]attachment{at("192.168.0.1/16", "br-1", true), at("192.168.1.10/24", "eth0", false)},
			map[string]bool{"192.168.1.20": false, "192.168.2.20": true},
		},
		{
			"a bridge beside the office's, of the same size",
			[]attachment{at("192.168.1.1/24", "br-1", true), at("192.168.1.10/24", "eth0", false)},
			map[string]bool{"192.168.1.20": false},
		},
		{
			"in the other order",
			[]attachment{at("192.168.1.10/24", "eth0", false), at("192.168.1.1/24", "br-1", true)},
			map[string]bool{"192.168.1.20": false},
		},
		{
			"two bridges",
			[]attachment{at("172.17.0.1/16", "docker0", true), at("172.17.0.254/16", "br-1", true)},
			map[string]bool{"172.17.0.2": true},
		},
		{
			"every link has the same network",
			[]attachment{at("fe80::1/64", "eth0", false), at("fe80::1/64", "docker0", true)},
			map[string]bool{"fe80::2%docker0": true, "fe80::2%eth0": false, "fe80::2": false, "fe80::2%": false},
		},
		{"an address without network", []attachment{at("10.0.0.1/32", "cali1", true)}, map[string]bool{"10.0.0.2": false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := fixed(tt.list...)
			got := map[string]bool{}
			for a := range tt.virtual {
				addr, err := netip.ParseAddr(a)
				if err != nil {
					addr = netip.Addr{}
				}
				got[a] = n.isVirtual(addr)
			}
			if diff := cmp.Diff(tt.virtual, got); diff != "" {
				t.Errorf("virtual (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAttachments(t *testing.T) {
	addrs := []net.Addr{
		&net.IPNet{IP: net.IPv4(172, 17, 0, 1), Mask: net.CIDRMask(16, 32)},
		&net.IPNet{IP: net.ParseIP("fe80::1"), Mask: net.CIDRMask(64, 128)},
		&net.IPAddr{IP: net.IPv4(10, 0, 0, 1)}, // no network
	}
	virtual := func(string) bool { return true }
	got := map[string][]attachment{}
	for name, flags := range map[string]net.Flags{
		"up": net.FlagUp, "down": 0, "lo": net.FlagUp | net.FlagLoopback, "ppp": net.FlagUp | net.FlagPointToPoint,
	} {
		got[name] = attachmentsOf(net.Interface{Name: name, Flags: flags}, addrs, virtual)
	}
	want := map[string][]attachment{
		"up":   {at("172.17.0.1/16", "up", true), at("fe80::1/64", "up", true)},
		"down": nil,
		"lo":   {at("172.17.0.1/16", "lo", false), at("fe80::1/64", "lo", false)},
		"ppp":  {at("172.17.0.1/16", "ppp", false), at("fe80::1/64", "ppp", false)},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(attachment{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestVirtualForPeople(t *testing.T) {
	n := fixed(append(home, at("172.17.0.9/16", "docker0", true))...)
	want := []string{"docker0 172.17.0.0/16", "docker0 fd00:17::/64", "docker0 fe80::/64"}
	if diff := cmp.Diff(want, n.Virtual()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNetworksOfTheHost has networks that are told, and says its own to be told elsewhere.
func TestNetworksOfTheHost(t *testing.T) {
	n := fixed(append(home, at("172.17.0.9/16", "docker0", true))...)
	want := []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16"), netip.MustParsePrefix("fd00:17::/64")}
	if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(n.Prefixes())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	vm := netip.MustParseAddr("192.168.121.5")
	if n.isVirtual(vm) {
		t.Error("a virtual machine is known without being told")
	}
	n.also = []netip.Prefix{netip.MustParsePrefix("192.168.121.1/24")}
	n.look()
	if !n.isVirtual(vm) || n.isOwn(vm) || n.isOwn(netip.MustParseAddr("192.168.121.1")) {
		t.Error("a virtual machine is not known as one after being told")
	}
}

// TestLookFails keeps the old view.
func TestLookFails(t *testing.T) {
	var log bytes.Buffer
	broken := errors.New("no netlink here")
	n := &Networks{log: logTo(&log), stale: func() bool { return false }, list: func() ([]attachment, error) { return nil, broken }}
	n.look()
	container := netip.MustParseAddr("172.17.0.2")
	if n.isVirtual(container) || n.isOwn(container) || n.Virtual() != nil {
		t.Error("something is known without a look")
	}
	n.list = func() ([]attachment, error) { return home, nil }
	n.look()
	n.list = func() ([]attachment, error) { return nil, broken }
	n.look()
	if !n.isVirtual(container) {
		t.Error("the old view has gone")
	}
	want := "level=WARN msg=\"cannot look at the network interfaces\" error=\"no netlink here\"\n"
	if log.String() != want+want {
		t.Errorf("log:\n%s", log.String())
	}
}

// TestStale looks again when nobody tells of changes, once a second.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		n := &Networks{log: slog.New(slog.DiscardHandler), stale: every(time.Second), list: func() ([]attachment, error) { looks++; return home, nil }}
		for range 3 {
			for range 100 {
				n.isOwn(netip.MustParseAddr("192.0.2.1"))
			}
			time.Sleep(time.Second)
		}
		if looks != 3 {
			t.Errorf("%d looks in 3 seconds", looks)
		}
	})
}

// TestLooksInOrder has two looks at once: the one that lists first must not be the one that stays.
func TestLooksInOrder(t *testing.T) {
	lists := make(chan func() []attachment, 2)
	listing, release := make(chan struct{}), make(chan struct{})
	lists <- func() []attachment { close(listing); <-release; return nil }
	lists <- func() []attachment { return home }
	n := &Networks{log: slog.New(slog.DiscardHandler), stale: func() bool { return false }}
	n.list = func() ([]attachment, error) { return (<-lists)(), nil }
	var looks sync.WaitGroup
	looks.Go(n.look)
	<-listing
	ended := make(chan struct{})
	looks.Go(func() { n.look(); close(ended) })
	select {
	case <-ended: // and the first one is going to end later
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	looks.Wait()
	if !n.isVirtual(netip.MustParseAddr("172.17.0.2")) {
		t.Error("the older view stays")
	}
}

// TestThisMachine looks at the real interfaces.
func TestThisMachine(t *testing.T) {
	n := NewNetworks(slog.New(slog.DiscardHandler))
	n.Watch(t.Context())
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	if len(addrs) == 0 {
		t.Fatal("no addresses here, not even of the loopback")
	}
	if !n.isOwn(netip.MustParseAddr("127.0.0.1")) || n.isVirtual(netip.MustParseAddr("127.0.0.1")) {
		t.Error("127.0.0.1 is not this machine's, or somebody's else too")
	}
}

// TestWatchEnds checks that nothing is left running when nobody wants to know any more.
func TestWatchEnds(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	NewNetworks(slog.New(slog.DiscardHandler)).Watch(ctx)
	stop()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !bytes.Contains(stacks, []byte("(*Networks).watch")) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the watch goes on:\n%s", stacks)
		}
	}
}
