package route

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// kernel is a machine's interfaces, as netlink shows and changes them.
type kernel struct {
	links   []netlink.Link
	addrs   []netlink.Addr
	refuse  map[string]error // by what is asked for, such as "add dummy"
	changes []string
	busy    int // how many lists are cut short
}

func (k *kernel) do(change string) error {
	if err := k.refuse[change]; err != nil {
		return err
	}
	k.changes = append(k.changes, change)
	return nil
}

func (k *kernel) LinkList() ([]netlink.Link, error) {
	if k.busy > 0 {
		k.busy--
		return nil, netlink.ErrDumpInterrupted
	}
	return slices.Clone(k.links), k.refuse["list links"]
}

func (k *kernel) AddrList(netlink.Link, int) ([]netlink.Addr, error) {
	return slices.Clone(k.addrs), k.refuse["list addresses"]
}

func (k *kernel) LinkAdd(link netlink.Link) error {
	if err := k.do("add " + link.Type()); err != nil {
		return err
	}
	link.Attrs().Index = 100 + len(k.links)
	k.links = append(k.links, link)
	return nil
}

func (k *kernel) LinkDel(link netlink.Link) error {
	if err := k.do("delete " + link.Attrs().Name); err != nil {
		return err
	}
	index := link.Attrs().Index
	k.links = slices.DeleteFunc(k.links, func(l netlink.Link) bool { return l.Attrs().Index == index })
	k.addrs = slices.DeleteFunc(k.addrs, func(a netlink.Addr) bool { return a.LinkIndex == index })
	return nil
}

func (k *kernel) LinkSetUp(link netlink.Link) error { return k.do("up " + link.Attrs().Name) }

func (k *kernel) LinkSetIP6AddrGenMode(_ netlink.Link, mode int) error {
	return k.do(fmt.Sprintf("addrgenmode %d", mode))
}

func (k *kernel) AddrAdd(link netlink.Link, addr *netlink.Addr) error {
	change := fmt.Sprintf("add %s flags %#x", addr.IPNet, addr.Flags)
	if err := k.do(change); err != nil {
		return err
	}
	addr.LinkIndex = link.Attrs().Index
	k.addrs = append(k.addrs, *addr)
	return nil
}

// with adds an interface with addresses.
func (k *kernel) with(link netlink.Link, prefixes ...string) *kernel {
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

// office is a machine that has nothing of ours.
func office() *kernel {
	return (&kernel{refuse: map[string]error{}}).
		with(&netlink.Device{LinkAttrs: named("lo")}, "127.0.0.1/8", "::1/128").
		with(&netlink.Device{LinkAttrs: named("eth0")}, "192.0.2.10/24").
		with(&netlink.Bridge{LinkAttrs: named("docker0")}, "172.17.0.1/16")
}

var both = []netip.Addr{IPv4(), IPv6()}

const (
	addIPv4 = "add 169.254.169.254/32 flags 0x0"
	addIPv6 = "add fd00:ec2::254/128 flags 0x2"
)

func TestAdd(t *testing.T) {
	port := &netlink.Veth{LinkAttrs: named("veth1")}
	port.MasterIndex = 4
	for _, tt := range []struct {
		name    string
		kernel  *kernel
		refuse  map[string]error
		wanted  []netip.Addr
		changes []string
		err     string
	}{
		{
			name: "nothing there", kernel: office(), wanted: both,
			changes: []string{"add dummy", "addrgenmode 1", "up mock-imds", addIPv4, addIPv6},
		},
		{
			name: "no IPv6", kernel: office(), wanted: both[:1], refuse: map[string]error{"addrgenmode 1": unix.EAFNOSUPPORT},
			changes: []string{"add dummy", "up mock-imds", addIPv4},
		},
		{
			name: "a kernel without dummies", kernel: office(), wanted: both, refuse: map[string]error{"add dummy": unix.EOPNOTSUPP},
			changes: []string{"add bridge", "addrgenmode 1", "up mock-imds", addIPv4, addIPv6},
		},
		{
			name: "a kernel without either", kernel: office(), wanted: both, refuse: map[string]error{"add dummy": unix.EOPNOTSUPP, "add bridge": unix.EOPNOTSUPP},
			err: "cannot make the interface mock-imds: operation not supported",
		},
		{
			name: "left by a crash", kernel: office().with(&netlink.Dummy{LinkAttrs: named(Interface)}, "169.254.169.254/32", "fd00:ec2::254/128"), wanted: both,
			changes: []string{"up mock-imds"},
		},
		{
			name: "left by a crash, as a bridge", kernel: office().with(&netlink.Bridge{LinkAttrs: named(Interface)}, "169.254.169.254/32", "fd00:ec2::254/128"), wanted: both,
			changes: []string{"up mock-imds"},
		},
		{
			name: "half of it", kernel: office().with(&netlink.Dummy{LinkAttrs: named(Interface)}, "169.254.169.254/32"), wanted: both,
			changes: []string{"up mock-imds", addIPv6},
		},
		{
			name: "another's interface", kernel: office().with(&netlink.Veth{LinkAttrs: named(Interface)}), wanted: both,
			err: "the interface mock-imds is a veth, and so not the one that is meant, a dummy; rename or remove it",
		},
		{
			name: "a bridge in use", kernel: office().with(&netlink.Bridge{LinkAttrs: named(Interface)}).with(port), wanted: both,
			err: "the interface mock-imds is a bridge with the port veth1, and so not the one that is meant; rename or remove it",
		},
		{
			name: "on another interface", kernel: office().with(&netlink.Dummy{LinkAttrs: named("dummy0")}, "169.254.169.254/16"), wanted: both,
			err: "169.254.169.254 is on the interface dummy0 already; take it away there first: ip address delete 169.254.169.254/16 dev dummy0",
		},
		{
			name: "IPv6 on another interface", kernel: office().with(&netlink.Dummy{LinkAttrs: named("dummy0")}, "fd00:ec2::254/128"), wanted: both,
			err: "fd00:ec2::254 is on the interface dummy0 already; take it away there first: ip address delete fd00:ec2::254/128 dev dummy0",
		},
		{
			name: "not root", kernel: office(), wanted: both, refuse: map[string]error{"add dummy": unix.EPERM},
			err: "cannot make the interface mock-imds: operation not permitted; it takes root: run it with sudo, or in Docker with --network host --cap-add NET_ADMIN",
		},
		{
			name: "not root, all there", wanted: both, refuse: map[string]error{"up mock-imds": unix.EPERM},
			kernel: office().with(&netlink.Dummy{LinkAttrs: named(Interface)}, "169.254.169.254/32", "fd00:ec2::254/128"),
			err:    "cannot set the interface mock-imds up: operation not permitted; it takes root: run it with sudo, or in Docker with --network host --cap-add NET_ADMIN",
		},
		{
			name: "no IPv6 after all", kernel: office(), wanted: both, refuse: map[string]error{addIPv6: unix.EACCES},
			changes: []string{"add dummy", "addrgenmode 1", "up mock-imds", addIPv4, "delete mock-imds"},
			err:     "cannot put fd00:ec2::254 on the interface mock-imds: permission denied",
		},
		{
			name: "no list", kernel: office(), wanted: both, refuse: map[string]error{"list links": unix.ENOBUFS},
			err: "cannot list the network interfaces: no buffer space available",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := tt.kernel
			before := slices.Clone(k.links)
			k.refuse = tt.refuse
			missing, err := add(k, tt.wanted)
			if text := fmt.Sprint(err); (tt.err == "") != (err == nil) || tt.err != "" && text != tt.err {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if diff := cmp.Diff(tt.changes, k.changes, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if err != nil {
				if len(k.links) != len(before) {
					t.Errorf("%d interfaces, before %d", len(k.links), len(before))
				}
				return
			}
			if want := len(tt.changes) > 1; missing != want {
				t.Errorf("missing is %v, want %v", missing, want)
			}
			// Again, all is there.
			k.changes = nil
			if missing, err := add(k, tt.wanted); missing || err != nil || !slices.Equal(k.changes, []string{"up mock-imds"}) {
				t.Errorf("the second time: missing %v, %v, changes %q", missing, err, k.changes)
			}
			for _, p := range must(find(k, tt.wanted)) {
				if p.Interface != Interface || !p.Ours {
					t.Errorf("found %+v", p)
				}
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

func TestRemove(t *testing.T) {
	ours := func() *kernel {
		return office().with(&netlink.Dummy{LinkAttrs: named(Interface)}, "169.254.169.254/32", "fd00:ec2::254/128")
	}
	for _, tt := range []struct {
		name    string
		kernel  *kernel
		refuse  map[string]error
		removed bool
		changes []string
		err     string
	}{
		{name: "nothing there", kernel: office()},
		{name: "ours", kernel: ours(), removed: true, changes: []string{"delete mock-imds"}},
		{
			name: "another's", kernel: office().with(&netlink.Veth{LinkAttrs: named(Interface)}),
			err: "the interface mock-imds is a veth, and so not the one that is meant, a dummy; rename or remove it",
		},
		{
			name: "not root", kernel: ours(), refuse: map[string]error{"delete mock-imds": unix.EPERM},
			err: "cannot take the interface mock-imds away: operation not permitted; it takes root: run it with sudo, or in Docker with --network host --cap-add NET_ADMIN",
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

func TestFind(t *testing.T) {
	k := office().with(&netlink.Dummy{LinkAttrs: named("dummy0")}, "169.254.169.254/32").with(&netlink.Dummy{LinkAttrs: named(Interface)})
	k.busy = 4
	places, err := find(k, both)
	want := []Place{{Address: IPv4(), Interface: "dummy0", Kind: "dummy"}, {Address: IPv6()}}
	if diff := cmp.Diff(want, places, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	texts := []string{places[0].String(), places[1].String()}
	if want := []string{"on dummy0 (dummy)", "on no interface of this machine"}; !slices.Equal(texts, want) {
		t.Errorf("got %q, want %q", texts, want)
	}
	k.busy = 5
	if _, err := find(k, both); !errors.Is(err, netlink.ErrDumpInterrupted) {
		t.Errorf("a list that never ends: %v", err)
	}
}

// TestAddresses reads whether IPv6 is on.
func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		all, byDefault string
		want           []netip.Addr
	}{
		{"0\n", "0\n", both},
		{"1\n", "1\n", both[:1]},
		{"0\n", "1\n", both[:1]},
		{"", "", both[:1]}, // a kernel without IPv6
	} {
		proc := t.TempDir()
		for scope, content := range map[string]string{"all": tt.all, "default": tt.byDefault} {
			dir := filepath.Join(proc, "sys/net/ipv6/conf", scope)
			if content == "" {
				continue
			}
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "disable_ipv6"), []byte(content), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if got := addresses(proc); !slices.Equal(got, tt.want) {
			t.Errorf("all %q, default %q: %v, want %v", tt.all, tt.byDefault, got, tt.want)
		}
	}
}
