package route

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

var target = netip.MustParseAddrPort("127.0.0.1:5001")

var (
	imds       = []netip.Addr{IPv4()}
	containers = []netip.Addr{IPv4(), ECS(), PodIdentityIPv4(), PodIdentityIPv6()}
)

func TestCommands_DependOnSystemAndPresence(t *testing.T) {
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
		goos          string
		undo, present bool
		want          string
	}{
		{goos: "darwin", want: alias + pf},
		{goos: "darwin", present: true, want: pf},
		{goos: "darwin", undo: true, present: true, want: unpf + unalias},
		{goos: "darwin", undo: true, want: unpf},
		{goos: "windows", want: address + proxy},
		{goos: "windows", present: true, want: proxy},
		{goos: "windows", undo: true, present: true, want: unproxy + unaddress},
		{goos: "windows", undo: true, want: unproxy},
		{goos: "linux", undo: true, present: true, want: "ip link delete mock-imds\n"},
	} {
		t.Run(fmt.Sprintf("%s, undo %v, present %v", tt.goos, tt.undo, tt.present), func(t *testing.T) {
			change := Change{Undo: tt.undo, Addresses: imds, Target: target}
			if tt.present {
				change.Present = imds
			}
			commands, err := Commands(tt.goos, change)
			if diff := cmp.Diff(tt.want, text(commands)); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestCommands_AddAndRemoveEachService has the metadata service's address in place, and containers' not yet.
func TestCommands_AddAndRemoveEachService(t *testing.T) {
	for _, tt := range []struct {
		goos string
		undo bool
		want string
	}{
		{goos: "darwin", want: `ifconfig lo0 alias 169.254.170.2 255.255.255.255
ifconfig lo0 alias 169.254.170.23 255.255.255.255
echo 'rdr pass on lo0 inet proto tcp from any to 169.254.169.254 port 80 -> 127.0.0.1 port 5001
rdr pass on lo0 inet proto tcp from any to 169.254.170.2 port 80 -> 127.0.0.1 port 5001
rdr pass on lo0 inet proto tcp from any to 169.254.170.23 port 80 -> 127.0.0.1 port 5001' | pfctl -a com.apple/mock-ec2-metadata -f -
[ -e /var/run/mock-ec2-metadata.pf ] || pfctl -E >/var/run/mock-ec2-metadata.pf 2>&1
`},
		{goos: "darwin", undo: true, want: `pfctl -a com.apple/mock-ec2-metadata -F all
[ ! -e /var/run/mock-ec2-metadata.pf ] || { pfctl -X "$(sed -n 's/^Token : //p' /var/run/mock-ec2-metadata.pf)" && rm /var/run/mock-ec2-metadata.pf; }
ifconfig lo0 -alias 169.254.169.254
`},
		{goos: "windows", want: `netsh interface portproxy add v4tov4 listenaddress=169.254.169.254 listenport=80 connectaddress=127.0.0.1 connectport=5001
netsh interface ipv4 add address "Loopback Pseudo-Interface 1" 169.254.170.2 255.255.255.255
netsh interface portproxy add v4tov4 listenaddress=169.254.170.2 listenport=80 connectaddress=127.0.0.1 connectport=5001
netsh interface ipv4 add address "Loopback Pseudo-Interface 1" 169.254.170.23 255.255.255.255
netsh interface portproxy add v4tov4 listenaddress=169.254.170.23 listenport=80 connectaddress=127.0.0.1 connectport=5001
`},
		{goos: "windows", undo: true, want: `netsh interface portproxy delete v4tov4 listenaddress=169.254.169.254 listenport=80
netsh interface ipv4 delete address "Loopback Pseudo-Interface 1" 169.254.169.254
netsh interface portproxy delete v4tov4 listenaddress=169.254.170.2 listenport=80
netsh interface portproxy delete v4tov4 listenaddress=169.254.170.23 listenport=80
`},
		{goos: "linux", want: `ip link add mock-imds type dummy
ip link set mock-imds addrgenmode none
ip link set mock-imds up
ip address add 169.254.169.254/32 dev mock-imds
ip address add 169.254.170.2/32 dev mock-imds
ip address add 169.254.170.23/32 dev mock-imds
ip address add fd00:ec2::23/128 dev mock-imds nodad
`},
	} {
		t.Run(fmt.Sprintf("%s, undo %v", tt.goos, tt.undo), func(t *testing.T) {
			commands, err := Commands(tt.goos, Change{Undo: tt.undo, Addresses: containers, Target: target, Present: imds})
			if diff := cmp.Diff(tt.want, text(commands)); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			for _, c := range commands {
				if may := strings.Contains(c.String(), "delete v4tov4 listenaddress=169.254.170."); c.MayFail != may {
					t.Errorf("%s may fail: %v", c, c.MayFail)
				}
			}
		})
	}
}

func TestCommands_RefuseOtherSystems(t *testing.T) {
	_, err := Commands("plan9", Change{Addresses: containers})
	want := "cannot add 169.254.169.254, 169.254.170.2 and 169.254.170.23 on plan9; supported are linux, darwin and windows"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func text(commands []Command) string {
	var b strings.Builder
	for _, c := range commands {
		b.WriteString(c.String() + "\n")
	}
	return b.String()
}

// fakeMac answers like the tools of macOS.
type fakeMac struct {
	ran  []string
	fail map[string]error
}

func (m *fakeMac) exec(_ context.Context, input string, args ...string) ([]byte, error) {
	line := strings.Join(args, " ")
	m.ran = append(m.ran, line+" <"+input)
	if line == "pfctl -E" {
		return []byte("No ALTQ support in kernel\nALTQ related functions disabled\npf enabled\nToken : 17038594402171\n"), m.fail[line]
	}
	return []byte(" output\n"), m.fail[line]
}

func (m *fakeMac) runner(t *testing.T) *runner {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "var/run"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &runner{exec: m.exec, root: root}
}

func macCommands(t *testing.T, undo, present bool) []Command {
	t.Helper()
	change := Change{Undo: undo, Addresses: imds, Target: target}
	if present {
		change.Present = imds
	}
	c, err := Commands("darwin", change)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRunner_EnablesAndReleasesPFOnce(t *testing.T) {
	const rule = "pfctl -a com.apple/mock-ec2-metadata -f - <rdr pass on lo0 inet proto tcp from any to 169.254.169.254 port 80 -> 127.0.0.1 port 5001\n"
	const flush = "pfctl -a com.apple/mock-ec2-metadata -F all <"
	m := &fakeMac{}
	r := m.runner(t)
	for _, step := range []struct {
		name string
		run  func() error
		want []string
	}{
		{
			"add", func() error { return r.untilError(t.Context(), macCommands(t, false, false)) },
			[]string{"ifconfig lo0 alias 169.254.169.254 255.255.255.255 <", rule, "pfctl -E <"},
		},
		{"add again", func() error { return r.untilError(t.Context(), macCommands(t, false, true)) }, []string{rule}},
		{
			"remove", func() error { return r.all(t.Context(), macCommands(t, true, true)) },
			[]string{flush, "pfctl -X 17038594402171 <", "ifconfig lo0 -alias 169.254.169.254 <"},
		},
		{"remove again", func() error { return r.all(t.Context(), macCommands(t, true, false)) }, []string{flush}},
	} {
		m.ran = nil
		err := step.run()
		if diff := cmp.Diff(step.want, m.ran); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", step.name, err, diff)
		}
	}
}

var errExit = errors.New("exit status 1")

func TestUntilError_StopsAtFirstError(t *testing.T) {
	m := &fakeMac{fail: map[string]error{"pfctl -a com.apple/mock-ec2-metadata -f -": errExit}}
	err := m.runner(t).untilError(t.Context(), macCommands(t, false, false))
	want := "pfctl -a com.apple/mock-ec2-metadata -f -: exit status 1: output"
	if err == nil || err.Error() != want || len(m.ran) != 2 {
		t.Errorf("%v after %q; want %s", err, m.ran, want)
	}
}

func TestAll_RunsCommandsAfterError(t *testing.T) {
	m := &fakeMac{fail: map[string]error{"pfctl -a com.apple/mock-ec2-metadata -F all": errExit}}
	err := m.runner(t).all(t.Context(), macCommands(t, true, true))
	want := "pfctl -a com.apple/mock-ec2-metadata -F all: exit status 1: output"
	if err == nil || err.Error() != want || len(m.ran) != 2 {
		t.Errorf("%v after %q; want %s", err, m.ran, want)
	}
}

func TestAll_IgnoresErrorOfCommandThatMayFail(t *testing.T) {
	m := &fakeMac{fail: map[string]error{"delete": errExit}}
	if err := m.runner(t).all(t.Context(), []Command{{Args: []string{"delete"}, MayFail: true}}); err != nil {
		t.Error(err)
	}
}

func TestRunner_TokenFileWithoutTokenIsError(t *testing.T) {
	r := (&fakeMac{}).runner(t)
	testutil.Write(t, r.root+referenceFile, "pf enabled\n")
	err := r.all(t.Context(), macCommands(t, true, false))
	want := "/var/run/mock-ec2-metadata.pf: no token of pfctl -E; remove the file, and pf stays enabled"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRunner_OutputWithoutTokenIsError(t *testing.T) {
	r := (&fakeMac{}).runner(t)
	r.exec = func(context.Context, string, ...string) ([]byte, error) { return []byte("pf enabled\n"), nil }
	err := r.run(t.Context(), Command{Args: []string{"pfctl", "-E"}, SaveTo: "/var/run/other"})
	if want := "pfctl -E: no token in the output: pf enabled"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
