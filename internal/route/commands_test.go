package route

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var target = netip.MustParseAddrPort("127.0.0.1:5001")

func TestCommands(t *testing.T) {
	const alias, unalias = "ifconfig lo0 alias 169.254.169.254 255.255.255.255\n", "ifconfig lo0 -alias 169.254.169.254\n"
	const pf = `echo 'rdr pass on lo0 inet proto tcp from any to 169.254.169.254 port 80 -> 127.0.0.1 port 5001' | pfctl -a com.apple/mock-ec2-metadata -f -
[ -e /var/run/mock-ec2-metadata.pf ] || pfctl -E >/var/run/mock-ec2-metadata.pf 2>&1
`
	const unpf = `pfctl -a com.apple/mock-ec2-metadata -F all
[ ! -e /var/run/mock-ec2-metadata.pf ] || { pfctl -X "$(sed -n 's/^Token : //p' /var/run/mock-ec2-metadata.pf)" && rm /var/run/mock-ec2-metadata.pf; }
`
	const (
		address   = `netsh interface ipv4 add address "Loopback Pseudo-Interface 1" 169.254.169.254 255.255.255.255` + "\n"
		unaddress = `netsh interface ipv4 delete address "Loopback Pseudo-Interface 1" 169.254.169.254` + "\n"
		proxy     = "netsh interface portproxy add v4tov4 listenaddress=169.254.169.254 listenport=80 connectaddress=127.0.0.1 connectport=5001\n"
		unproxy   = "netsh interface portproxy delete v4tov4 listenaddress=169.254.169.254 listenport=80\n"
	)
	for _, tt := range []struct {
		goos        string
		undo, there bool
		want        string
	}{
		{"darwin", false, false, alias + pf},
		{"darwin", false, true, pf},
		{"darwin", true, true, unpf + unalias},
		{"darwin", true, false, unpf},
		{"windows", false, false, address + proxy},
		{"windows", false, true, proxy},
		{"windows", true, true, unproxy + unaddress},
		{"windows", true, false, unproxy},
		{"linux", true, true, "ip link delete mock-imds\n"},
	} {
		commands, err := Commands(tt.goos, tt.undo, target, tt.there)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(tt.want, text(commands)); diff != "" {
			t.Errorf("%s, undo %v, there %v (-want +got):\n%s", tt.goos, tt.undo, tt.there, diff)
		}
	}
	_, err := Commands("plan9", false, target, false)
	if want := "only on Linux, macOS and Windows is it known how 169.254.169.254 is put on a machine, and this is plan9"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestLinuxCommands has IPv6 or not, as this machine has.
func TestLinuxCommands(t *testing.T) {
	commands, err := Commands("linux", false, target, false)
	want := "ip link add mock-imds type dummy\nip link set mock-imds addrgenmode none\nip link set mock-imds up\nip address add 169.254.169.254/32 dev mock-imds\n"
	if slices.Contains(Addresses(), IPv6()) {
		want += "ip address add fd00:ec2::254/128 dev mock-imds nodad\n"
	}
	if diff := cmp.Diff(want, text(commands)); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func text(commands []Command) string {
	var b strings.Builder
	for _, c := range commands {
		b.WriteString(c.String() + "\n")
	}
	return b.String()
}

// mac answers as the tools of macOS do.
type mac struct {
	ran  []string
	fail map[string]error
}

func (m *mac) exec(_ context.Context, input string, args ...string) ([]byte, error) {
	line := strings.Join(args, " ")
	m.ran = append(m.ran, line+" <"+input)
	if line == "pfctl -E" {
		return []byte("No ALTQ support in kernel\nALTQ related functions disabled\npf enabled\nToken : 17038594402171\n"), m.fail[line]
	}
	return []byte(" what it says\n"), m.fail[line]
}

// TestRun puts the address on a Mac twice and takes it away twice. Which commands there are then, Commands says.
func TestRun(t *testing.T) {
	r := func(m *mac, root string) *runner { return &runner{exec: m.exec, root: root} }
	commands := func(undo, there bool) []Command {
		c, err := Commands("darwin", undo, target, there)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "var/run"), 0o755); err != nil {
		t.Fatal(err)
	}
	const rule = "pfctl -a com.apple/mock-ec2-metadata -f - <rdr pass on lo0 inet proto tcp from any to 169.254.169.254 port 80 -> 127.0.0.1 port 5001\n"
	m := &mac{}
	err := errors.Join(r(m, root).all(t.Context(), commands(false, false)), r(m, root).all(t.Context(), commands(false, true)),
		r(m, root).each(t.Context(), commands(true, true)), r(m, root).each(t.Context(), commands(true, false)))
	want := []string{
		"ifconfig lo0 alias 169.254.169.254 255.255.255.255 <", rule, "pfctl -E <",
		rule, // pf is ours already
		"pfctl -a com.apple/mock-ec2-metadata -F all <", "pfctl -X 17038594402171 <", "ifconfig lo0 -alias 169.254.169.254 <",
		"pfctl -a com.apple/mock-ec2-metadata -F all <",
	}
	if diff := cmp.Diff(want, m.ran); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}

	// To put it there ends at what fails, to take it away does not.
	failed := errors.New("exit status 1")
	m = &mac{fail: map[string]error{"pfctl -a com.apple/mock-ec2-metadata -f -": failed}}
	wantErr := "pfctl -a com.apple/mock-ec2-metadata -f -: exit status 1: what it says"
	if err := r(m, root).all(t.Context(), commands(false, false)); err == nil || err.Error() != wantErr || len(m.ran) != 2 {
		t.Errorf("%v after %q; want %s", err, m.ran, wantErr)
	}
	m = &mac{fail: map[string]error{"pfctl -a com.apple/mock-ec2-metadata -F all": failed}}
	wantErr = "pfctl -a com.apple/mock-ec2-metadata -F all: exit status 1: what it says"
	if err := r(m, root).each(t.Context(), commands(true, true)); err == nil || err.Error() != wantErr || len(m.ran) != 2 {
		t.Errorf("%v after %q; want %s", err, m.ran, wantErr)
	}
	if err := r(&mac{fail: map[string]error{"delete": failed}}, root).each(t.Context(), []Command{{Args: []string{"delete"}, MayFail: true}}); err != nil {
		t.Errorf("what may fail has: %v", err)
	}

	// A token that is none.
	if err := os.WriteFile(root+referenceFile, []byte("pf enabled\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantErr = "there is no token of pfctl -E in /var/run/mock-ec2-metadata.pf; remove that file, and pf stays on"
	if err := r(&mac{}, root).each(t.Context(), commands(true, false)); err == nil || err.Error() != wantErr {
		t.Errorf("got %v, want %s", err, wantErr)
	}
	none := &runner{root: root, exec: func(context.Context, string, ...string) ([]byte, error) { return []byte("pf enabled\n"), nil }}
	wantErr = "pfctl -E gives no token: pf enabled"
	if err := none.run(t.Context(), Command{Args: []string{"pfctl", "-E"}, Keep: "/var/run/other"}); err == nil || err.Error() != wantErr {
		t.Errorf("got %v, want %s", err, wantErr)
	}
}
