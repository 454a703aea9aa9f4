//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// natScript is the path of nat.sh.
const natScript = "../../nat.sh"

// natTools are all programs that nat.sh runs besides iptables, nft, ip, curl and wget.
var natTools = []string{"awk", "cat", "getent", "grep", "id", "sed", "sh", "sleep"}

// foreignRules are rules of other programs. Some look like nat.sh's.
var foreignRules = []string{
	"PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 192.0.2.9:80",
	"OUTPUT -d 198.51.100.7/32 -p tcp --dport 80 -m comment --comment mock-ec2-metadata -j DNAT --to-destination 192.0.2.9:80",
	"OUTPUT -d 169.254.169.254/32 -p tcp --dport 80 -m comment --comment mock-ec2-metadata-2 -j DNAT --to-destination 192.0.2.9:80",
	"OUTPUT -d 169.254.169.254/32 -p tcp --dport 80 -j DNAT --to-destination 192.0.2.9:5000",
	"POSTROUTING -s 198.51.100.0/24 -j MASQUERADE",
}

// TestNAT_RedirectsByIptables runs nat.sh in a box whose default gateway runs the daemon, once for each kind of iptables.
func TestNAT_RedirectsByIptables(t *testing.T) {
	bin := buildDaemon(t)
	for kind, shell := range map[string]string{"nft": "dash", "legacy": "bash"} {
		t.Run(kind, func(t *testing.T) {
			box, host := newBox(t)
			box.route(t, "default", "via", hostAddress)
			b := natBox{t: t, box: box, shell: []string{shell}}
			b.path = toolDir(t, "iptables=iptables-"+kind, "iptables-save=iptables-"+kind+"-save") + ":" + systemPath
			for _, rule := range foreignRules {
				b.iptables("-A", rule)
			}
			foreign := b.rules()

			b.nat(nil, 1, "nat.sh: redirected 169.254.169.254:80 to 192.0.2.1:5000\n", noAnswer("192.0.2.1:5000"))
			startDaemon(t, host, bin)
			const already = "nat.sh: 169.254.169.254:80 is already redirected to 192.0.2.1:5000\n"
			const answers = "nat.sh: the daemon answers at 192.0.2.1:5000\n"
			b.nat([]string{"http_proxy=http://192.0.2.9:3128"}, 0, already+answers, "")
			b.wantOurs(foreign, "192.0.2.1:5000")
			t.Run("clients", func(t *testing.T) { askInside(t, box, host) })

			b.nat([]string{"METADATA_PORT=5001"}, 1, "nat.sh: redirected 169.254.169.254:80 to 192.0.2.1:5001\n"+
				"nat.sh: removed the redirect of 169.254.169.254:80 to 192.0.2.1:5000\n", noAnswer("192.0.2.1:5001"))
			b.wantOurs(foreign, "192.0.2.1:5001")

			// Left by earlier runs: other targets, and ours three times.
			for _, target := range []string{"192.0.2.1:5000", "192.0.2.7:5000", "192.0.2.1:5000", "192.0.2.1:5000"} {
				b.iptables("-I", ours(target))
			}
			b.nat(nil, 0, already+
				"nat.sh: removed the redirect of 169.254.169.254:80 to 192.0.2.1:5000\n"+
				"nat.sh: removed the redirect of 169.254.169.254:80 to 192.0.2.7:5000\n"+
				"nat.sh: removed the redirect of 169.254.169.254:80 to 192.0.2.1:5000\n"+
				"nat.sh: removed the redirect of 169.254.169.254:80 to 192.0.2.1:5001\n"+answers, "")
			b.wantOurs(foreign, "192.0.2.1:5000")

			// It asks the daemon by wget, or not at all.
			b.path = toolDir(t, slices.Concat(natTools, []string{"ip", "wget", "timeout", "iptables=iptables-" + kind})...)
			b.nat([]string{"http_proxy=http://192.0.2.9:3128"}, 0, already+answers, "")
			b.path = toolDir(t, slices.Concat(natTools, []string{"ip", "iptables=iptables-" + kind})...)
			b.nat(nil, 0, already+"nat.sh: could not check that the daemon answers: there is neither curl nor wget\n", "")

			b.nat(nil, 0, "nat.sh: removed the redirect of 169.254.169.254:80 to 192.0.2.1:5000\n", "", "--remove")
			b.nat(nil, 0, "nat.sh: there was no redirect to remove\n", "", "--remove")
			b.path = toolDir(t, "iptables-save=iptables-"+kind+"-save")
			if diff := cmp.Diff(foreign, b.rules()); diff != "" {
				t.Errorf("rules of other programs (-before +after):\n%s", diff)
			}
		})
	}
}

// TestNAT_WorksWithoutCommentsOfIptables runs nat.sh where iptables cannot write comments, its mark.
func TestNAT_WorksWithoutCommentsOfIptables(t *testing.T) {
	box, _ := newBox(t)
	box.route(t, "default", "via", hostAddress)
	plain := t.TempDir()
	script := "#!/bin/sh\n" +
		`case "$*" in *"-m comment"*) echo "Couldn't load match" >&2; exit 2 ;; esac` + "\n" +
		`exec ` + findTool(t, "iptables", "iptables") + ` "$@"` + "\n"
	if err := os.WriteFile(filepath.Join(plain, "iptables"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	b := natBox{t: t, box: box, path: plain + ":" + systemPath}

	b.nat(nil, 1, "nat.sh: redirected 169.254.169.254:80 to 192.0.2.1:5000\n", noAnswer("192.0.2.1:5000"))
	b.nat(nil, 1, "nat.sh: 169.254.169.254:80 is already redirected to 192.0.2.1:5000\n", noAnswer("192.0.2.1:5000"))
	const rule = "-A OUTPUT -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.1:5000"
	if got := strings.Count(b.rules(), rule+"\n"); got != 1 {
		t.Errorf("%d redirects, want 1:\n%s", got, b.rules())
	}
	b.nat(nil, 0, "nat.sh: removed the redirect of 169.254.169.254:80 to 192.0.2.1:5000\n", "", "--remove")
	b.nat(nil, 0, "nat.sh: there was no redirect to remove\n", "", "--remove")
	if strings.Contains(b.rules(), "DNAT") {
		t.Errorf("a rule stayed:\n%s", b.rules())
	}
}

// TestNAT_SaysThatTheDaemonDeniesTheBox runs nat.sh with a daemon that allows its own machine only.
func TestNAT_SaysThatTheDaemonDeniesTheBox(t *testing.T) {
	box, host := newBox(t)
	box.route(t, "default", "via", hostAddress)
	startDaemon(t, host, buildDaemon(t), "--set", "server.allow_clients=[]")
	b := natBox{t: t, box: box, path: systemPath}
	b.nat(nil, 1, "nat.sh: redirected 169.254.169.254:80 to "+hostAddress+":5000\n",
		"nat.sh: the redirect is in place and the daemon answers at "+hostAddress+":5000, but it denies this machine (403); its log names the address to add to server.allow_clients there\n")
}

// TestNAT_TargetFollowsRoutesAndEnvironment checks where nat.sh redirects to. No daemon runs.
func TestNAT_TargetFollowsRoutesAndEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name        string
		routes, env []string
		want        string
	}{
		{
			name: "the lowest metric",
			routes: []string{
				"default via 192.0.2.1 dev eth0 metric 200",
				"default via 192.0.2.5 dev eth0 onlink metric 1000",
				"default via 192.0.2.6 dev eth0 onlink metric 90",
			},
			want: "192.0.2.6:5000",
		},
		{
			name: "no metric is the lowest",
			routes: []string{
				"default via 192.0.2.1 dev eth0 metric 1",
				"default via 192.0.2.6 dev eth0 onlink",
			},
			want: "192.0.2.6:5000",
		},
		{
			name: "a default route without a gateway does not count",
			routes: []string{
				"default dev lo",
				"default via 192.0.2.1 dev eth0 metric 10",
				"198.51.100.0/24 via 192.0.2.5 dev eth0 onlink",
			},
			want: "192.0.2.1:5000",
		},
		{
			name: "an address", routes: []string{"default via 192.0.2.6 dev eth0 onlink"},
			env: []string{"METADATA_HOST=192.0.2.1"}, want: "192.0.2.1:5000",
		},
		{
			name: "a name and a port", routes: []string{"default via 192.0.2.1"},
			env: []string{"METADATA_HOST=localhost", "METADATA_PORT=65535"}, want: "127.0.0.1:65535",
		},
		{
			name: "empty is unset", routes: []string{"default via 192.0.2.1"},
			env: []string{"METADATA_HOST=", "METADATA_PORT="}, want: "192.0.2.1:5000",
		},
		{
			name: "an address and a route of its own", routes: []string{"169.254.169.254 dev eth0"},
			env: []string{"METADATA_HOST=192.0.2.1"}, want: "192.0.2.1:5000",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			box, _ := newBox(t)
			for _, route := range tt.routes {
				box.route(t, strings.Fields(route)...)
			}
			// Without curl and wget: nothing answers at most of these targets.
			const noClient = "nat.sh: could not check that the daemon answers: there is neither curl nor wget\n"
			b := natBox{t: t, box: box, path: toolDir(t, slices.Concat(natTools, []string{"ip", "iptables"})...)}
			b.nat(tt.env, 0, "nat.sh: redirected 169.254.169.254:80 to "+tt.want+"\n"+noClient, "")
			withoutClient := slices.DeleteFunc(slices.Clone(busyBox), func(tool string) bool { return tool == "wget=busybox" })
			b.path = toolDir(t, append([]string{"iptables"}, withoutClient...)...)
			b.nat(tt.env, 0, "nat.sh: 169.254.169.254:80 is already redirected to "+tt.want+"\n"+noClient, "")
		})
	}
}

// TestNAT_RefusalLeavesNoRule checks what nat.sh says when it cannot work.
func TestNAT_RefusalLeavesNoRule(t *testing.T) {
	box, _ := newBox(t)
	usage := box.output(t, nil, "sh", natScript, "--help")
	if !strings.HasPrefix(usage, "Usage: nat.sh") {
		t.Errorf("--help says %q", usage)
	}
	const badHost = `nat.sh: METADATA_HOST is "VALUE", but must be an IPv4 address or a name that has one` + "\n"
	const badPort = `nat.sh: METADATA_PORT is "VALUE", but must be a port number from 1 to 65535` + "\n"
	with := func(format, value string) string { return strings.ReplaceAll(format, "VALUE", value) }

	for _, tt := range []struct {
		name string
		path string
		env  []string
		args []string
		code int
		want string
	}{
		{name: "unknown argument", args: []string{"--flush"}, code: 2, want: usage},
		{name: "empty argument", args: []string{""}, code: 2, want: usage},
		{name: "too many arguments", args: []string{"--remove", "now"}, code: 2, want: usage},
		{
			name: "neither iptables nor nft", path: toolDir(t, append([]string{"ip", "curl"}, natTools...)...), code: 1,
			want: neitherTool,
		},
		{
			name: "no ip", path: toolDir(t, append([]string{"iptables", "curl"}, natTools...)...), code: 1,
			want: "nat.sh: ip is missing; install it with: apt-get install iproute2 (Debian, Ubuntu), dnf install iproute (Fedora, " +
				"RHEL, Amazon Linux), zypper install iproute2 (SUSE), apk add iproute2 (Alpine) or pacman -S iproute2 (Arch)\n",
		},
		{
			name: "broken iptables, no nft", path: toolDir(t, append([]string{"ip", "iptables=false"}, natTools...)...), code: 1,
			want: "nat.sh: iptables cannot read the nat table of this machine (see above)\n",
		},
		{
			name: "broken nft", path: toolDir(t, append([]string{"ip", "nft=false"}, natTools...)...), code: 1,
			want: "nat.sh: nft cannot read the tables of this machine (see above)\n",
		},
		{
			name: "no default route", code: 1,
			want: "nat.sh: there is no default gateway to redirect to; say where the daemon runs, for example: " +
				"METADATA_HOST=192.168.56.1 sh nat.sh\n",
		},
		{
			name: "no route", env: []string{"METADATA_HOST=192.0.2.1"}, code: 1,
			want: "nat.sh: there is no route to 169.254.169.254, so nothing sent there could be redirected; add one, " +
				"for example: ip route add 169.254.169.254 dev eth0\n",
		},
		{name: "port 0", env: []string{"METADATA_PORT=0"}, code: 1, want: with(badPort, "0")},
		{name: "port too high", env: []string{"METADATA_PORT=65536"}, code: 1, want: with(badPort, "65536")},
		{name: "port much too high", env: []string{"METADATA_PORT=99999999999999999999"}, code: 1, want: with(badPort, "99999999999999999999")},
		{name: "port a word", env: []string{"METADATA_PORT=http"}, code: 1, want: with(badPort, "http")},
		{
			name: "patience a word", env: []string{"METADATA_WAIT=long"}, code: 1,
			want: `nat.sh: METADATA_WAIT is "long", but must be a number of seconds from 0 to 9999` + "\n",
		},
		{name: "octet too high", env: []string{"METADATA_HOST=192.0.2.256"}, code: 1, want: with(badHost, "192.0.2.256")},
		{name: "three octets", env: []string{"METADATA_HOST=192.0.2"}, code: 1, want: with(badHost, "192.0.2")},
		{name: "octal", env: []string{"METADATA_HOST=192.0.2.010"}, code: 1, want: with(badHost, "192.0.2.010")},
		{name: "IPv6", env: []string{"METADATA_HOST=2001:db8::1"}, code: 1, want: with(badHost, "2001:db8::1")},
		{name: "no name", env: []string{"METADATA_HOST=-j ACCEPT"}, code: 1, want: with(badHost, "-j ACCEPT")},
		{name: "unknown name", env: []string{"METADATA_HOST=nowhere.invalid"}, code: 1, want: with(badHost, "nowhere.invalid")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := natBox{t: t, box: box, path: systemPath}
			if tt.path != "" {
				b.path = tt.path
			}
			b.nat(tt.env, tt.code, "", tt.want, tt.args...)
		})
	}

	t.Run("not root", func(t *testing.T) {
		// On its input: the user nobody may not be able to read the file.
		script, err := os.Open(natScript)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = script.Close() }()
		cmd := box.command(t, nil, "setpriv", "--reuid=65534", "--clear-groups", "sh")
		cmd.Stdin = script
		want := result{stderr: "nat.sh: only root may change the redirect; run it with sudo\n", code: 1}
		if diff := cmp.Diff(want, finish(t, cmd), cmp.AllowUnexported(result{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})

	b := natBox{t: t, box: box, path: systemPath}
	if rules := b.rules() + b.ruleset(); strings.Contains(rules, "\n-A ") || strings.Contains(rules, "169.254") {
		t.Errorf("rules were left:\n%s", rules)
	}
}

// neitherTool is what nat.sh says where there is neither iptables nor nft.
const neitherTool = "nat.sh: there is neither iptables nor nft; install one of them with: apt-get install nftables (Debian, " +
	"Ubuntu), dnf install nftables (Fedora, RHEL, Amazon Linux 2023), yum install iptables (Amazon Linux 2), zypper install " +
	"nftables (SUSE), apk add nftables (Alpine) or pacman -S nftables (Arch)\n"

// askInside asks the service at its real address from inside the box, by clients without configuration, and compares with the
// answers at the daemon's own port.
func askInside(t *testing.T, box, host netns) {
	const redirected, direct = "http://169.254.169.254", "http://127.0.0.1:5000"
	const instanceID, roles = "/latest/meta-data/instance-id", "/latest/meta-data/iam/security-credentials/"

	want := host.output(t, nil, "curl", "-qfsS", direct+instanceID)
	if !strings.HasPrefix(want, "i-") {
		t.Fatalf("the daemon's instance id is %q", want)
	}
	if got := box.output(t, nil, "curl", "-sS", redirected+instanceID); got != want {
		t.Errorf("curl gets %q, want %q", got, want)
	}
	if got := box.output(t, nil, "wget", "-q", "-O", "-", redirected+instanceID); got != want {
		t.Errorf("wget gets %q, want %q", got, want)
	}

	role := host.output(t, nil, "curl", "-qfsS", direct+roles)
	var document struct {
		AccessKeyID            string `json:"AccessKeyId"`
		SecretAccessKey, Token string
	}
	if err := json.Unmarshal([]byte(host.output(t, nil, "curl", "-qfsS", direct+roles+role)), &document); err != nil {
		t.Fatal(err)
	}
	const program = `
import boto3, json
c = boto3.Session().get_credentials()
print(json.dumps([c.method, c.access_key, c.secret_key, c.token]))
`
	var got []string
	if err := json.Unmarshal([]byte(box.output(t, nil, "/usr/bin/python3", "-c", program)), &got); err != nil {
		t.Fatal(err)
	}
	wantCredentials := []string{"iam-role", document.AccessKeyID, document.SecretAccessKey, document.Token}
	if slices.Contains(wantCredentials, "") {
		t.Errorf("the daemon's credentials are incomplete")
	}
	if diff := cmp.Diff(wantCredentials, got); diff != "" {
		t.Errorf("boto3's credentials (-want +got):\n%s", diff)
	}
}
