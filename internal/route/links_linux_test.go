package route

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"mock-ec2-metadata/internal/testutil"
)

// fakeKernel implements links.
type fakeKernel struct {
	links       []netlink.Link
	addrs       []netlink.Addr
	refuse      map[string]error // by change, such as "add dummy", or list
	changes     []string
	interrupted int // how many lists are interrupted
}

func (k *fakeKernel) do(change string) error {
	if err := k.refuse[change]; err != nil {
		return err
	}
	k.changes = append(k.changes, change)
	return nil
}

func (k *fakeKernel) LinkList() ([]netlink.Link, error) {
	if k.interrupted > 0 {
		k.interrupted--
		return nil, netlink.ErrDumpInterrupted
	}
	return slices.Clone(k.links), k.refuse["list links"]
}

func (k *fakeKernel) AddrList(netlink.Link, int) ([]netlink.Addr, error) {
	return slices.Clone(k.addrs), k.refuse["list addresses"]
}

func (k *fakeKernel) LinkAdd(link netlink.Link) error {
	if err := k.do("add " + link.Type()); err != nil {
		return err
	}
	link.Attrs().Index = 100 + len(k.links)
	k.links = append(k.links, link)
	return nil
}

func (k *fakeKernel) LinkDel(link netlink.Link) error {
	if err := k.do("delete " + link.Attrs().Name); err != nil {
		return err
	}
	index := link.Attrs().Index
	k.links = slices.DeleteFunc(k.links, func(l netlink.Link) bool { return l.Attrs().Index == index })
	k.addrs = slices.DeleteFunc(k.addrs, func(a netlink.Addr) bool { return a.LinkIndex == index })
	return nil
}

func (k *fakeKernel) LinkSetUp(link netlink.Link) error { return k.do("up " + link.Attrs().Name) }

func (k *fakeKernel) LinkSetIP6AddrGenMode(_ netlink.Link, mode int) error {
	return k.do(fmt.Sprintf("addrgenmode %d", mode))
}

func (k *fakeKernel) AddrAdd(link netlink.Link, addr *netlink.Addr) error {
	change := fmt.Sprintf("add %s flags %#x", addr.IPNet, addr.Flags)
	if err := k.do(change); err != nil {
		return err
	}
	addr.LinkIndex = link.Attrs().Index
	k.addrs = append(k.addrs, *addr)
	return nil
}

// with adds an interface with addresses, apart from changes.
func (k *fakeKernel) with(link netlink.Link, prefixes ...string) *fakeKernel {
	link.Attrs().Index = 1 + len(k.links)
	k.links = append(k.links, link)
	for _, p := range prefixes {
		ip, network, err := net.ParseCIDR(p)
		if err != nil {
			panic(err)
		}
		network.IP = ip
		k.addrs = append(k.addrs, netlink.Addr{IPNet: network, LinkIndex: link.Attrs().Index})
	}
	return k
}

func named(name string) netlink.LinkAttrs { return netlink.LinkAttrs{Name: name} }

// otherLinks returns a machine without our interface.
func otherLinks() *fakeKernel {
	return (&fakeKernel{refuse: map[string]error{}}).
		with(&netlink.Device{LinkAttrs: named("lo")}, "127.0.0.1/8", "::1/128").
		with(&netlink.Device{LinkAttrs: named("eth0")}, "192.0.2.10/24").
		with(&netlink.Bridge{LinkAttrs: named("docker0")}, "172.17.0.1/16")
}

var both = []netip.Addr{IPv4(), IPv6()}

const (
	addIPv4 = "add 169.254.169.254/32 flags 0x0"
	addIPv6 = "add fd00:ec2::254/128 flags 0x2"

	addECS     = "add 169.254.170.2/32 flags 0x0"
	addPod     = "add 169.254.170.23/32 flags 0x0"
	addPodIPv6 = "add fd00:ec2::23/128 flags 0x2"
)

// withOurs returns a machine with our interface and both addresses.
func withOurs() *fakeKernel {
	return otherLinks().with(&netlink.Dummy{LinkAttrs: named(Interface)}, "169.254.169.254/32", "fd00:ec2::254/128")
}

func TestAdd_AddsWhatIsMissing(t *testing.T) {
	for _, tt := range []struct {
		name    string
		kernel  *fakeKernel
		refuse  map[string]error
		wanted  []netip.Addr // nil: both
		changes []string
	}{
		{
			name: "no interface", kernel: otherLinks(),
			changes: []string{"add dummy", "addrgenmode 1", "up mock-imds", addIPv4, addIPv6},
		},
		{
			name: "no IPv6", kernel: otherLinks(), wanted: both[:1], refuse: map[string]error{"addrgenmode 1": unix.EAFNOSUPPORT},
			changes: []string{"add dummy", "up mock-imds", addIPv4},
		},
		{
			name: "kernel without dummies", kernel: otherLinks(), refuse: map[string]error{"add dummy": unix.EOPNOTSUPP},
			changes: []string{"add bridge", "addrgenmode 1", "up mock-imds", addIPv4, addIPv6},
		},
		{name: "left by a crash", kernel: withOurs(), changes: []string{"up mock-imds"}},
		{
			name:    "bridge left by a crash",
			kernel:  otherLinks().with(&netlink.Bridge{LinkAttrs: named(Interface)}, "169.254.169.254/32", "fd00:ec2::254/128"),
			changes: []string{"up mock-imds"},
		},
		{
			name: "containers' services", kernel: otherLinks(), wanted: known().addresses(true),
			changes: []string{"add dummy", "addrgenmode 1", "up mock-imds", addIPv4, addIPv6, addECS, addPod, addPodIPv6},
		},
		{
			name: "ECS enabled later", kernel: withOurs(), wanted: Services{ECS: true}.addresses(true),
			changes: []string{"up mock-imds", addECS},
		},
		{
			name: "one address left", kernel: otherLinks().with(&netlink.Dummy{LinkAttrs: named(Interface)}, "169.254.169.254/32"),
			changes: []string{"up mock-imds", addIPv6},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, wanted := tt.kernel, tt.wanted
			if wanted == nil {
				wanted = both
			}
			k.refuse = tt.refuse
			missing, err := add(k, wanted)
			if diff := cmp.Diff(tt.changes, k.changes); diff != "" || err != nil {
				t.Errorf("%v, changes (-want +got):\n%s", err, diff)
			}
			if want := len(tt.changes) > 1; missing != want {
				t.Errorf("missing is %v, want %v", missing, want)
			}
			k.changes = nil
			if missing, err := add(k, wanted); missing || err != nil || !slices.Equal(k.changes, []string{"up mock-imds"}) {
				t.Errorf("the second time: missing %v, %v, changes %q", missing, err, k.changes)
			}
			for _, p := range must(find(k, wanted)) {
				if p.Interface != Interface || !p.Ours {
					t.Errorf("found %+v", p)
				}
			}
		})
	}
}

func TestAdd_ErrorLeavesNoInterface(t *testing.T) {
	port := &netlink.Veth{LinkAttrs: named("veth1")}
	port.MasterIndex = 4
	const notRoot = "operation not permitted; run it as root with sudo, or in Docker with --network host --cap-add NET_ADMIN"
	for _, tt := range []struct {
		name    string
		kernel  *fakeKernel
		refuse  map[string]error
		wanted  []netip.Addr // nil: both
		changes []string
		want    string
	}{
		{
			name: "kernel without dummies and bridges", kernel: otherLinks(), refuse: map[string]error{"add dummy": unix.EOPNOTSUPP, "add bridge": unix.EOPNOTSUPP},
			want: "cannot create the interface mock-imds: operation not supported",
		},
		{
			name: "other interface with our name", kernel: otherLinks().with(&netlink.Veth{LinkAttrs: named(Interface)}),
			want: "the interface mock-imds is a veth, not a dummy of mock-ec2-metadata; rename or remove it",
		},
		{
			name: "bridge with a port", kernel: otherLinks().with(&netlink.Bridge{LinkAttrs: named(Interface)}).with(port),
			want: "the interface mock-imds is a bridge with the port veth1, not one of mock-ec2-metadata; rename or remove it",
		},
		{
			name: "address on another interface", kernel: otherLinks().with(&netlink.Dummy{LinkAttrs: named("dummy0")}, "169.254.169.254/16"),
			want: "169.254.169.254 is already on the interface dummy0; remove it there first: ip address delete 169.254.169.254/16 dev dummy0",
		},
		{
			name: "IPv6 address on another interface", kernel: otherLinks().with(&netlink.Dummy{LinkAttrs: named("dummy0")}, "fd00:ec2::254/128"),
			want: "fd00:ec2::254 is already on the interface dummy0; remove it there first: ip address delete fd00:ec2::254/128 dev dummy0",
		},
		{
			name: "address of an EKS agent", kernel: otherLinks().with(&netlink.Dummy{LinkAttrs: named("pod-id-link0")}, "169.254.170.23/32"),
			wanted: Services{PodIdentity: true}.addresses(true),
			want:   "169.254.170.23 is already on the interface pod-id-link0; remove it there first: ip address delete 169.254.170.23/32 dev pod-id-link0",
		},
		{
			name: "not root", kernel: otherLinks(), refuse: map[string]error{"add dummy": unix.EPERM},
			want: "cannot create the interface mock-imds: " + notRoot,
		},
		{
			name: "not root, nothing missing", kernel: withOurs(), refuse: map[string]error{"up mock-imds": unix.EPERM},
			want: "cannot set the interface mock-imds up: " + notRoot,
		},
		{
			name: "address refused", kernel: otherLinks(), refuse: map[string]error{addIPv6: unix.EACCES},
			changes: []string{"add dummy", "addrgenmode 1", "up mock-imds", addIPv4, "delete mock-imds"},
			want:    "cannot add fd00:ec2::254 to the interface mock-imds: permission denied",
		},
		{
			name: "no list of interfaces", kernel: otherLinks(), refuse: map[string]error{"list links": unix.ENOBUFS},
			want: "cannot list the network interfaces: no buffer space available",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := tt.kernel
			before := len(k.links)
			k.refuse = tt.refuse
			wanted := tt.wanted
			if wanted == nil {
				wanted = both
			}
			if _, err := add(k, wanted); err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if diff := cmp.Diff(tt.changes, k.changes, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if len(k.links) != before {
				t.Errorf("%d interfaces, before %d", len(k.links), before)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRemove_DeletesOurInterfaceOnly(t *testing.T) {
	for _, tt := range []struct {
		name    string
		kernel  *fakeKernel
		refuse  map[string]error
		removed bool
		changes []string
		err     string
	}{
		{name: "no interface", kernel: otherLinks()},
		{name: "ours", kernel: withOurs(), removed: true, changes: []string{"delete mock-imds"}},
		{
			name: "other interface with our name", kernel: otherLinks().with(&netlink.Veth{LinkAttrs: named(Interface)}),
			err: "the interface mock-imds is a veth, not a dummy of mock-ec2-metadata; rename or remove it",
		},
		{
			name: "not root", kernel: withOurs(), refuse: map[string]error{"delete mock-imds": unix.EPERM},
			err: "cannot delete the interface mock-imds: operation not permitted; run it as root with sudo, or in Docker with --network host --cap-add NET_ADMIN",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.kernel.refuse = tt.refuse
			removed, err := remove(tt.kernel)
			if text := fmt.Sprint(err); (tt.err == "") != (err == nil) || tt.err != "" && text != tt.err || removed != tt.removed {
				t.Errorf("removed %v, error %v; want %v, %q", removed, err, tt.removed, tt.err)
			}
			if diff := cmp.Diff(tt.changes, tt.kernel.changes, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFind_NamesInterfaceOfEachAddress(t *testing.T) {
	k := otherLinks().with(&netlink.Dummy{LinkAttrs: named("dummy0")}, "169.254.169.254/32").with(&netlink.Dummy{LinkAttrs: named(Interface)})
	places, err := find(k, both)
	want := []Place{{Address: IPv4(), Interface: "dummy0", Kind: "dummy"}, {Address: IPv6()}}
	if !slices.Equal(places, want) || err != nil {
		t.Fatalf("got %v, %v, want %v", places, err, want)
	}
	texts := []string{places[0].String(), places[1].String()}
	if want := []string{"on dummy0 (dummy)", "on no interface of this machine"}; !slices.Equal(texts, want) {
		t.Errorf("got %q, want %q", texts, want)
	}
}

func TestFind_RetriesInterruptedListFiveTimes(t *testing.T) {
	k := otherLinks()
	k.interrupted = 4
	if _, err := find(k, both); err != nil {
		t.Errorf("after 4 interrupted lists: %v", err)
	}
	k.interrupted = 5
	if _, err := find(k, both); !errors.Is(err, netlink.ErrDumpInterrupted) {
		t.Errorf("after 5 interrupted lists: %v", err)
	}
}

func TestIPv6Enabled_FollowsTheKernel(t *testing.T) {
	for _, tt := range []struct {
		name       string
		all, fresh string // disable_ipv6 for all and for new interfaces; "": no file
		want       bool
	}{
		{name: "enabled", all: "0\n", fresh: "0\n", want: true},
		{name: "disabled", all: "1\n", fresh: "1\n"},
		{name: "disabled for new interfaces", all: "0\n", fresh: "1\n"},
		{name: "kernel without IPv6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proc := t.TempDir()
			for scope, content := range map[string]string{"all": tt.all, "default": tt.fresh} {
				if content != "" {
					testutil.Write(t, filepath.Join(proc, "sys/net/ipv6/conf", scope, "disable_ipv6"), content)
				}
			}
			if got := ipv6Enabled(proc); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
