//go:build e2e && linux

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// busyBox are all programs that nat.sh runs, as BusyBox has them. It has no getent.
var busyBox = []string{
	"awk=busybox", "cat=busybox", "getent", "grep=busybox", "id=busybox", "ip=busybox", "sed=busybox", "sleep=busybox",
	"timeout=busybox", "wget=busybox",
}

// ourTable is nft's listing of nat.sh's table.
func ourTable(target string) string {
	return "table ip mock_ec2_metadata {\n\tchain output {\n\t\ttype nat hook output priority -101; policy accept;\n" +
		"\t\tip daddr 169.254.169.254 tcp dport 80 dnat to " + target + "\n\t}\n}\n"
}

// TestNAT_RedirectsByNft runs nat.sh by each shell, with nft but without iptables. Rules of other programs, of nft and of iptables,
// stay and make no difference.
func TestNAT_RedirectsByNft(t *testing.T) {
	bin := buildDaemon(t)
	debian := append([]string{"ip", "nft", "curl"}, natTools...)
	for _, tt := range []struct {
		name         string
		shell, tools []string
	}{
		{"dash", []string{"dash"}, debian},
		{"bash", []string{"bash", "--posix"}, debian},
		{"busybox", []string{"busybox", "ash"}, append([]string{"nft"}, busyBox...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			box, host := newBox(t)
			box.route(t, "default", "via", hostAddress)
			admin := natBox{t: t, box: box, path: systemPath}
			for _, rule := range foreignRules {
				admin.iptables("-A", rule)
			}
			box.output(t, nil, "nft", "add table ip mine; add chain ip mine output { type nat hook output priority 0; }; "+
				"add rule ip mine output ip daddr 169.254.169.254 tcp dport 80 counter dnat to 192.0.2.9:5000")
			foreign, foreignSaved := admin.ruleset(), admin.rules()
			want := func(ours string) {
				t.Helper()
				if diff := cmp.Diff(foreign+ours, admin.ruleset()); diff != "" {
					t.Errorf("ruleset (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(foreignSaved, admin.rules()); diff != "" {
					t.Errorf("iptables' rules (-want +got):\n%s", diff)
				}
			}
			// nft cannot read iptables' comments, and so not tell whose the rules are.
			const unknown = "nat.sh: iptables redirects 169.254.169.254:80 to 192.0.2.9:80; nft cannot see who made that rule, so it " +
				"stays; if nat.sh did, install iptables and run nat.sh again\n" +
				"nat.sh: iptables redirects 169.254.169.254:80 to 192.0.2.9:5000; nft cannot see who made that rule, so it " +
				"stays; if nat.sh did, install iptables and run nat.sh again\n"
			const already = "nat.sh: 169.254.169.254:80 is already redirected to 192.0.2.1:5000\n" + unknown
			b := natBox{t: t, box: box, path: toolDir(t, tt.tools...), shell: tt.shell}

			b.nat(nil, 1, "nat.sh: redirected 169.254.169.254:80 to 192.0.2.1:5000\n"+unknown, noAnswer("192.0.2.1:5000"))
			want(ourTable("192.0.2.1:5000"))
			startDaemon(t, host, bin)
			b.nat([]string{"http_proxy=http://192.0.2.9:3128"}, 0, already+"nat.sh: the daemon answers at 192.0.2.1:5000\n", "")
			want(ourTable("192.0.2.1:5000"))
			if tt.name == "dash" {
				t.Run("clients", func(t *testing.T) { askInside(t, box, host) })
			}

			b.nat([]string{"METADATA_PORT=5001"}, 1, "nat.sh: redirected 169.254.169.254:80 to 192.0.2.1:5001\n"+
				"nat.sh: removed the redirect of 169.254.169.254:80 to 192.0.2.1:5000\n"+unknown, noAnswer("192.0.2.1:5001"))
			want(ourTable("192.0.2.1:5001"))

			// Other rules in nat.sh's own table go.
			box.output(t, nil, "nft", "add rule ip mock_ec2_metadata output ip daddr 169.254.169.254 tcp dport 80 dnat to 192.0.2.7:5000")
			b.nat(nil, 0, "nat.sh: redirected 169.254.169.254:80 to 192.0.2.1:5000\n"+
				"nat.sh: removed the redirect of 169.254.169.254:80 to 192.0.2.1:5001\n"+
				"nat.sh: removed the redirect of 169.254.169.254:80 to 192.0.2.7:5000\n"+unknown+
				"nat.sh: the daemon answers at 192.0.2.1:5000\n", "")
			want(ourTable("192.0.2.1:5000"))

			b.nat(nil, 0, "nat.sh: removed the redirect of 169.254.169.254:80 to 192.0.2.1:5000\n"+unknown, "", "--remove")
			want("")
			b.nat(nil, 0, "nat.sh: there was no redirect to remove\n"+unknown, "", "--remove")
			want("")
		})
	}
}

// TestNAT_ChangeOfToolsLeavesOneRedirect changes the tools from run to run. Only the redirect of the last run is left.
func TestNAT_ChangeOfToolsLeavesOneRedirect(t *testing.T) {
	box, _ := newBox(t)
	box.route(t, "default", "via", hostAddress)
	b := natBox{t: t, box: box}
	with := func(tools ...string) string { return toolDir(t, slices.Concat(natTools, []string{"ip"}, tools)...) }
	only := func(tool, kind string) string { return with(tool + "=" + kind) }
	all := func(kind string) string {
		tools := []string{"nft", "iptables-nft", "iptables-legacy"}
		if kind != "" {
			tools = append(tools, "iptables="+kind)
		}
		return with(tools...)
	}
	redirects := func() map[string]int {
		t.Helper()
		return map[string]int{
			"nft":             strings.Count(b.ruleset(), "table ip mock_ec2_metadata {"),
			"iptables-nft":    strings.Count(box.output(t, nil, "iptables-nft-save"), "mock-ec2-metadata -j DNAT"),
			"iptables-legacy": strings.Count(box.output(t, nil, "iptables-legacy-save"), "mock-ec2-metadata -j DNAT"),
		}
	}
	const noClient = "nat.sh: could not check that the daemon answers: there is neither curl nor wget\n"
	const redirected = "nat.sh: redirected 169.254.169.254:80 to 192.0.2.1:5000\n"
	const already = "nat.sh: 169.254.169.254:80 is already redirected to 192.0.2.1:5000\n"
	const removed = "nat.sh: removed the redirect of 169.254.169.254:80 to 192.0.2.1:5000"
	for _, step := range []struct {
		name, path string
		args       []string
		prints     string
		redirects  string // the tool that has the redirect, "" for none
	}{
		{name: "nft alone", path: only("nft", "nft"), prints: redirected + noClient, redirects: "nft"},
		{
			name: "iptables-nft is installed", path: all("iptables-nft"),
			prints: redirected + removed + " by nft\n" + noClient, redirects: "iptables-nft",
		},
		{
			name: "iptables becomes legacy", path: all("iptables-legacy"),
			prints: redirected + removed + " by iptables-nft\n" + noClient, redirects: "iptables-legacy",
		},
		{
			name: "iptables does not work", path: all("false"),
			prints: redirected + removed + " by iptables-legacy\n" + noClient, redirects: "nft",
		},
		{name: "nothing changes", path: all(""), prints: already + noClient, redirects: "nft"},
		{name: "remove with another tool", path: all("iptables-legacy"), args: []string{"--remove"}, prints: removed + " by nft\n"},
		{name: "legacy alone", path: only("iptables", "iptables-legacy"), prints: redirected + noClient, redirects: "iptables-legacy"},
		{name: "then nft", path: all(""), prints: redirected + removed + " by iptables-legacy\n" + noClient, redirects: "nft"},
		{name: "remove", path: all(""), args: []string{"--remove"}, prints: removed + "\n"},
	} {
		t.Run(step.name, func(t *testing.T) {
			b.path = step.path
			got := b.run(nil, step.args...)
			if got.code != 0 || got.stdout != step.prints {
				t.Errorf("%+v, want exit 0 and %q", got, step.prints)
			}
			want := map[string]int{"nft": 0, "iptables-nft": 0, "iptables-legacy": 0}
			if step.redirects != "" {
				want[step.redirects] = 1
			}
			if diff := cmp.Diff(want, redirects()); diff != "" {
				t.Errorf("redirects of each tool (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNAT_LeavesNoTableOfLegacyIptables checks that a search for rules does not create the tables of legacy iptables.
func TestNAT_LeavesNoTableOfLegacyIptables(t *testing.T) {
	box, _ := newBox(t)
	box.route(t, "default", "via", hostAddress)
	b := natBox{t: t, box: box, path: toolDir(t, append([]string{"ip", "nft", "iptables-nft", "iptables-legacy"}, natTools...)...)}
	b.run(nil)
	b.run(nil, "--remove")
	if names := box.output(t, nil, "cat", "/proc/net/ip_tables_names"); names != "" {
		t.Errorf("tables of legacy iptables: %q", names)
	}
	if rules := b.ruleset(); rules != "" {
		t.Errorf("left behind:\n%s", rules)
	}
}
