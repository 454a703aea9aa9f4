package guard

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVirtualLinks has interfaces as Linux 6 shows them. A line is a name, a kind (card: none, and a device), and
// what is under it or what its files say.
func TestVirtualLinks(t *testing.T) {
	machine := map[string]string{
		"lo":             "- type=772",
		"eth0":           "card",
		"wlan0":          "card",
		"vboxnet0":       "-",
		"docker0":        "bridge lower_veth1",
		"br-0123456789a": "bridge",
		"veth1":          "veth",
		"dummy0":         "dummy",
		"virbr0":         "bridge lower_vnet0",
		"vnet0":          "tun tun_flags=0x1802", // an emulated card has no headers to give
		"tap0":           "tun tun_flags=0x5002", // a virtual machine's
		"tap1":           "tun tun_flags=0x1002", // a VPN's
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
		"macvlan2":       "macvlan", // in a container, of a card of its host
		"ipvlan0":        "ipvlan",
		"loop1":          "bridge lower_loop2",
		"loop2":          "bridge lower_loop1",
		"later":          "none", // came after the kernel was asked
	}
	want := map[string]bool{
		"vboxnet0": true, "docker0": true, "br-0123456789a": true, "veth1": true, "dummy0": true, "virbr0": true,
		"tap0": true, "docker0.5": true, "macvlan1": true,
	}
	l := links{t.TempDir(), map[string]string{}}
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
			write(t, filepath.Join(l.sysfs, name, file), content)
		}
	}
	got := map[string]bool{}
	for name := range machine {
		if l.isVirtual(name) {
			got[name] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("virtual (-want +got):\n%s", diff)
	}
	for _, name := range []string{"", "gone", "eth0/../veth1x"} {
		if l.isVirtual(name) {
			t.Errorf("%q is virtual", name)
		}
	}
	if nowhere := (links{filepath.Join(l.sysfs, "none"), l.kinds}); nowhere.isVirtual("veth1") {
		t.Error("without sysfs something is virtual")
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestKinds asks the kernel, which knows the loopback at least.
func TestKinds(t *testing.T) {
	kinds, err := linkKinds()
	if err != nil {
		t.Fatal(err)
	}
	if kind, known := kinds["lo"]; !known || kind != "" {
		t.Errorf("lo is %q, known %v", kind, known)
	}
}
