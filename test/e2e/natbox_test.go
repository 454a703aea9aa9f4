//go:build e2e && linux

package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// natBox runs nat.sh in a box, with a PATH of its own and by a shell, by default sh.
type natBox struct {
	t     *testing.T
	box   netns
	path  string
	shell []string
}

// run runs nat.sh.
func (b natBox) run(env []string, args ...string) result {
	b.t.Helper()
	shell := []string{"/bin/sh"}
	if b.shell != nil {
		shell = append([]string{findTool(b.t, b.shell[0], b.shell[0])}, b.shell[1:]...)
	}
	got := b.box.run(b.t, append([]string{"PATH=" + b.path}, env...), slices.Concat(shell, []string{natScript}, args)...)
	got.stderr = reason.ReplaceAllString(got.stderr, "(REASON)\n")
	return got
}

// nat runs nat.sh and compares its exit code and all that it prints.
func (b natBox) nat(env []string, code int, stdout, stderr string, args ...string) {
	b.t.Helper()
	got := b.run(env, args...)
	want := result{stdout, stderr, code}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(result{})); diff != "" {
		b.t.Errorf("nat.sh %s with %q (-want +got):\n%s", strings.Join(args, " "), env, diff)
	}
}

// iptables changes the nat table: an action, and a rule with its chain first.
func (b natBox) iptables(action, rule string) {
	b.t.Helper()
	args := append([]string{"iptables", "-w", "-t", "nat", action}, strings.Fields(rule)...)
	b.box.output(b.t, []string{"PATH=" + b.path}, args...)
}

// rules is the nat table.
func (b natBox) rules() string {
	b.t.Helper()
	return changing.ReplaceAllString(b.box.output(b.t, []string{"PATH=" + b.path}, "iptables-save", "-t", "nat"), "")
}

// ruleset is nft's list of all tables.
func (b natBox) ruleset() string {
	b.t.Helper()
	return changing.ReplaceAllString(b.box.output(b.t, nil, findTool(b.t, "nft", "nftables"), "list", "ruleset"), "")
}

// wantOurs checks that the table has the foreign rules and, first in its chain, one of nat.sh's.
func (b natBox) wantOurs(foreign, target string) {
	b.t.Helper()
	want := strings.Replace(foreign, "-A OUTPUT ", "-A "+ours(target)+"\n-A OUTPUT ", 1)
	if diff := cmp.Diff(want, b.rules()); diff != "" {
		b.t.Errorf("nat table (-want +got):\n%s", diff)
	}
}

// ours is the rule that nat.sh adds.
func ours(target string) string {
	return "OUTPUT -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -m comment --comment mock-ec2-metadata -j DNAT --to-destination " + target
}

// reason is what curl, with a time in milliseconds, and BusyBox's wget say when a connection is refused.
var reason = regexp.MustCompile(`\((curl: \(7\) Failed to connect to 169\.254\.169\.254 port 80 .*|` +
	`wget: can't connect to remote host \(169\.254\.169\.254\): Connection refused)\)\n$`)

// noAnswer is what nat.sh says when nothing answers at the target, with REASON for what the client says.
func noAnswer(target string) string {
	return "nat.sh: the redirect is in place, but mock-ec2-metadata does not answer at " + target +
		"; start it there, and let this machine through the firewall (REASON)\n"
}

// changing matches what iptables-save and nft print differently each time: dates in comments, and counters.
var changing = regexp.MustCompile(`(?m)^#.*\n| \[\d+:\d+\]$| packets \d+ bytes \d+`)
