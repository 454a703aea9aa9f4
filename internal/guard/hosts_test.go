package guard

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestHostAllowed_OnlyNamesOutsidePublicDNS(t *testing.T) {
	allowed := []string{"metadata.example.com"}
	for _, tt := range []struct {
		host string
		want bool
	}{
		{"", true}, // HTTP/1.0
		// Addresses.
		{"169.254.169.254", true},
		{"169.254.169.254:80", true},
		{"127.0.0.1:", true},
		{"::1", true}, // an address, though not a valid Host
		{"[::1]", true},
		{"[::1]:5000", true},
		{"[::1]:", true},
		{"[fd00:ec2::254]", true},
		{"[FD00:EC2::254]:80", true},
		{"[::ffff:169.254.169.254]:80", true},
		{"[fe80::1%eth0]", true},
		{"[fe80::1%25eth0]:5000", true},
		{"fe80::1%eth0", true},
		{"[169.254.169.254]", false},
		{"[]", false},
		{"[", false},
		{"[::1", false},
		{"::1]", false},
		{"[::1]5000", false},
		{"[::1]]:5000", false},
		{"[[::1]]", false},
		{"[::1].evil.example", false},
		{"[::1]evil.example:80", false},
		{"[::1]:80:80", false},
		{"[::1]:evil.example", false},
		{"[evil.example]", false},
		{"[evil.example]:80", false},
		{"127.0.0.1:80:80", false},
		{"127.0.0.1:http", false},
		{"127.0.0.1:-1", false},
		{"127.0.0.1:123456", false},
		{"127.0.0.1.", false},
		{"127.1", false}, // some parsers read it as an address
		{"169.254.169.254.nip.io", false},
		{"169-254-169-254.nip.io", false},
		{"0x7f.0.0.1.evil.example", false},
		// Names that public DNS cannot hold.
		{"localhost", true},
		{"LocalHost:5000", true},
		{"localhost.", true},
		{"app.localhost", true},
		{"APP.LOCALHOST.:5000", true},
		{"instance-data", true},
		{"instance-data.", true}, // cloud-init's third URL
		{"instance-data.:8773", true},
		{"Metadata.", true},
		{"metadata.:", true},
		{"metadata..", false},
		{"metadata.:80:80", false},
		{"metadata.:x", false},
		{"instance-data.ec2.internal", true},
		{"instance-data.ec2.internal.:8773", true},
		{"Instance-Data.EC2.Internal", true},
		{"host.docker.internal:5000", true},
		{"my_laptop.local", true},
		{"my-laptop.local.", true},
		{"2130706433", true}, // 127.0.0.1, as a number
		{"metadata.example.com", true},
		{"METADATA.example.COM:5000", true},
		{"metadata.example.com.", true},
		// Names in public DNS, and names that imitate allowed ones.
		{"evil.example", false},
		{"evil.example:5000", false},
		{"evil.example.", false},
		{"com.", true}, // as com
		{"evil.example.:8773", false},
		{"metadata.evil.", false},
		{"localhost.evil.example", false},
		{"localhost.localdomain", false},
		{"metadata.example.com.evil.example", false},
		{"evil-metadata.example.com", false},
		{"evil.metadata.example.com", false},
		{"evillocalhost.example", false},
		{"evil.xlocal", false},
		{"evil.local.example", false},
		{"evil.internal.", true},
		{"evil.internal..", false},
		{"evil..internal", false},
		{".internal", false},
		{".localhost", false},
		{".", false},
		{"..", false},
		{":", false},
		{":80", false},
		{"evil.example#.local", false},
		{"evil.example?.local", false},
		{"evil.example/.local", false},
		{`evil.example\.local`, false},
		{"evil.example@localhost", false},
		{"evil.example:80@localhost", false},
		{"localhost@evil.example", false},
		{"localhost:80@evil.example:80", false},
		{"evil.example;.local", false},
		{"evil.example,localhost", false},
		{"localhost, evil.example", false},
		{"localhost localhost", false},
		{" localhost", false},
		{"localhost\t", false},
		{"localhost\x00.evil.example", false},
		{"evil.example\x00.local", false},
		{"evil.example\x00", false},
		{"evil.example\r\n.local", false},
		{"evil.example%00.local", false},
		{"evil.example%2elocal", false},
		{"*.local", false},
		// Names that are not ASCII are xn-- on the wire.
		{"xn--bcher-kva.example", false},
		{"xn--bcher-kva.local", true},
		{"bücher.local", false},
		{"evil。local", false},
		{"evil.ｌocal", false},
		{"evil.loca\u217c", false}, // ⅼ, which is l to NFKC
		{"\u212ahost.local", false},
		{strings.Repeat("a", 5000) + ".example", false},
	} {
		t.Run(fmt.Sprintf("%.80q", tt.host), func(t *testing.T) {
			if got := hostAllowed(tt.host, allowed); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// FuzzHosts requires that an allowed Host is an address or a name that public DNS cannot hold.
func FuzzHosts(f *testing.F) {
	for _, seed := range []string{"", "[::1]:80", "fe80::1%x", "localhost:1", "a.internal.", "evil.example", "a@b.local", "x\x00.local", "[::1].evil"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !hostAllowed(host, nil) || host == "" {
			return
		}
		if _, err := netip.ParseAddr(host); err == nil {
			return
		}
		if _, err := netip.ParseAddrPort(host); err == nil {
			return
		}
		if end := strings.LastIndexByte(host, ']'); host[0] == '[' && end > 0 {
			if a, err := netip.ParseAddr(host[1:end]); err != nil || !a.Is6() {
				t.Errorf("%q is allowed", host)
			}
			return
		}
		name, _, _ := strings.Cut(host, ":")
		for _, c := range name {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", c) {
				t.Errorf("%q is allowed with %q in the name", host, c)
			}
		}
		labels := strings.Split(strings.TrimSuffix(strings.ToLower(name), "."), ".")
		if _, err := netip.ParseAddr(name); err == nil || len(labels) == 1 {
			return
		}
		switch labels[len(labels)-1] {
		case "localhost":
		case "internal", "local":
			if len(labels) == 1 {
				t.Errorf("%q is allowed", host)
			}
		default:
			t.Errorf("%q is allowed", host)
		}
	})
}
