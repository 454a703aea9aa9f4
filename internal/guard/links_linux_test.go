package guard

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// linux6 maps the interfaces of a machine, as Linux 6 shows them, to a kind ("card": no kind but a device, "-": no kind,
// "none": unknown to netlink) and to files in sysfs.
func linux6() map[string]string {
	return map[string]string{
		"lo":             "- type=772",
		"eth0":           "card",
		"wlan0":          "card",
		"vboxnet0":       "-",
		"docker0":        "bridge lower_veth1",
		"br-0123456789a": "bridge",
		"veth1":          "veth",
		"dummy0":         "dummy",
		"virbr0":         "bridge lower_vnet0",
		"vnet0":          "tun tun_flags=0x1802", // an emulated card without IFF_VNET_HDR
		"tap0":           "tun tun_flags=0x5002", // of a virtual machine
		"tap1":           "tun tun_flags=0x1002", // of a VPN
		"tap2":           "tun tun_flags=nonsense",
		"tun0":           "tun type=65534 tun_flags=0x1001",
		"wg0":            "wireguard type=65534",
		"gre0":           "gre type=778",
		"gretap0":        "gretap",
		"vxlan0":         "vxlan",
		"vxlan1":         "vxlan lower_eth0",
		"geneve0":        "geneve",
		"ovs0":           "openvswitch",
		"bond0":          "bond lower_eth0",
		"bond1":          "bond",
		"team0":          "team lower_wlan0",
		"eth0.5":         "vlan lower_eth0",
		"br0":            "bridge lower_eth0 lower_veth1",
		"br1":            "bridge lower_bond0",
		"br2":            "bridge lower_vxlan0",
		"br3":            "bridge lower_gone",
		"docker0.5":      "vlan lower_docker0",
		"macvlan0":       "macvlan lower_eth0",
		"macvlan1":       "macvlan lower_docker0",
		"macvlan2":       "macvlan", // in a container, on a card of its host
		"ipvlan0":        "ipvlan",
		"loop1":          "bridge lower_loop2",
		"loop2":          "bridge lower_loop1",
		"later":          "none", // added after netlink was asked
	}
}

// newLinks writes a sysfs of machine.
func newLinks(t *testing.T, machine map[string]string) *links {
	t.Helper()
	l := &links{sysfs: t.TempDir(), kinds: map[string]string{}}
	l.list = func() (map[string]string, error) { return l.kinds, nil }
	for name, line := range machine {
		fields := strings.Fields(line)
		files := map[string]string{"type": "1\n"}
		for _, f := range fields[1:] {
			file, content, _ := strings.Cut(f, "=")
			files[file] = content
		}
		switch kind := fields[0]; kind {
		case "card":
			files["device"] = ""
			l.kinds[name] = ""
		case "-":
			l.kinds[name] = ""
		case "none":
		default:
			l.kinds[name] = kind
		}
		for file, content := range files {
			testutil.Write(t, filepath.Join(l.sysfs, name, file), content)
		}
	}
	return l
}

func TestIsVirtual_OnlyLocalEthernet(t *testing.T) {
	virtual := []string{"vboxnet0", "docker0", "br-0123456789a", "veth1", "dummy0", "virbr0", "tap0", "docker0.5", "macvlan1"}
	machine := linux6()
	l := newLinks(t, machine)
	for name := range machine {
		t.Run(name, func(t *testing.T) {
			if got, want := l.isVirtual(name), slices.Contains(virtual, name); got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestIsVirtual_FalseForUnknownInterfaces(t *testing.T) {
	l := newLinks(t, linux6())
	for _, name := range []string{"", "gone", "eth0/../veth1x"} {
		if l.isVirtual(name) {
			t.Errorf("%q is virtual", name)
		}
	}
	if without := (&links{filepath.Join(l.sysfs, "none"), l.list, l.kinds}); without.isVirtual("veth1") {
		t.Error("an interface is virtual without sysfs")
	}
}

func TestLinkKinds_KernelKnowsLoopback(t *testing.T) {
	kinds, err := linkKinds()
	if err != nil {
		t.Fatal(err)
	}
	if kind, known := kinds["lo"]; !known || kind != "" {
		t.Errorf("lo is %q, known %v", kind, known)
	}
}

// TestIsVirtual_BridgeStaysVirtualWhilePortsComeAndGo has ports that netlink did not know yet, and that have gone, at the first look.
func TestIsVirtual_BridgeStaysVirtualWhilePortsComeAndGo(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		settle     func(l *links) error // what has happened at the second look
		want       bool
	}{
		{"new port", "bridge lower_later", func(l *links) error { l.kinds["later"] = "veth"; return nil }, true},
		{"gone port", "bridge lower_gone", func(l *links) error { return os.Remove(filepath.Join(l.sysfs, "br9", "lower_gone")) }, true},
		{"new port on a card", "bridge lower_later", func(l *links) error { l.kinds["later"] = "vxlan"; return nil }, false},
		{"never settles", "bridge lower_later", func(*links) error { return nil }, false},
		{"netlink fails", "bridge lower_later", func(*links) error { return errors.New("no buffer space available") }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			machine := linux6()
			machine["br9"] = tt.line
			l := newLinks(t, machine)
			l.list = func() (map[string]string, error) { return l.kinds, tt.settle(l) }
			if got := l.isVirtual("br9"); got != tt.want {
				t.Errorf("virtual %t, want %t", got, tt.want)
			}
		})
	}
}
