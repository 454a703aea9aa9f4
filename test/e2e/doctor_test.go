//go:build e2e && linux

package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// doctor runs it inside a namespace, and returns its lines of some steps and its exit code.
func (n netns) doctor(t *testing.T, home string, env []string, steps ...string) (lines []string, code int) {
	t.Helper()
	cmd := n.command(t, append([]string{"HOME=" + home}, env...), buildDaemon(t), "doctor")
	cmd.Dir = home
	r := finish(t, cmd)
	for line := range strings.Lines(r.stdout) {
		for _, step := range steps {
			if strings.HasPrefix(line[6:], step+" ") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
	}
	return lines, r.code
}

// toldEndpoint makes doctor's other steps succeed: what is redirected or not is then the firewall's alone.
var toldEndpoint = []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:5000/"}

const noForeignRule = "ok    firewall       no rule of nft or iptables takes the service's addresses away"

// TestDoctor_NamesRulesThatTakeTheServiceAway adds rules of other programs, each in a namespace of its own.
func TestDoctor_NamesRulesThatTakeTheServiceAway(t *testing.T) {
	needTools(t)
	bin, home := buildDaemon(t), mockHome(t, "")
	const (
		own       = "this machine's own requests to 169.254.169.254; unless you need it, remove it: sudo "
		container = "the requests of containers and virtual machines to 169.254.169.254; unless you need it, remove it: sudo "
		kube2iam  = "PREROUTING -d 169.254.169.254/32 -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8181"
		dnat      = "OUTPUT -d 169.254.169.254/32 -p tcp -j DNAT --to-destination 192.0.2.9:80"
		forward   = "FORWARD -d 169.254.0.0/16 -j DROP"
	)
	for _, tt := range []struct {
		name string
		sh   string // makes the rules
		want []string
	}{
		{name: "no rules", sh: "true", want: []string{noForeignRule}},
		{
			name: "DNAT by iptables-nft",
			sh:   "iptables-nft -t nat -A OUTPUT -d 169.254.169.254 -p tcp -j DNAT --to-destination 192.0.2.9:80",
			want: []string{"FAIL  firewall       iptables-nft, table nat, chain OUTPUT: the rule `-A " + dnat + "` redirects (to 192.0.2.9:80) " + own + "iptables-nft -w -t nat -D " + dnat},
		},
		{
			name: "DNAT by iptables-legacy",
			sh:   "iptables-legacy -t nat -A OUTPUT -d 169.254.169.254 -p tcp -j DNAT --to-destination 192.0.2.9:80",
			want: []string{"FAIL  firewall       iptables-legacy, table nat, chain OUTPUT: the rule `-A " + dnat + "` redirects (to 192.0.2.9:80) " + own + "iptables-legacy -w -t nat -D " + dnat},
		},
		{
			name: "DNAT by nft",
			sh:   "nft 'add table ip mine; add chain ip mine out { type nat hook output priority 0; }; add rule ip mine out ip daddr 169.254.169.254 tcp dport 80 counter dnat to 192.0.2.9:5000'",
			want: []string{"FAIL  firewall       nft, table ip mine, chain out: the rule `ip daddr 169.254.169.254 tcp dport 80 counter packets 0 bytes 0 dnat to 192.0.2.9:5000` redirects (to 192.0.2.9:5000) " + own + "nft delete rule ip mine out handle 2"},
		},
		{
			name: "kube2iam",
			sh:   "iptables-legacy -t nat -A PREROUTING -i docker0 -p tcp -d 169.254.169.254 --dport 80 -j DNAT --to-destination 10.0.0.1:8181",
			want: []string{"FAIL  firewall       iptables-legacy, table nat, chain PREROUTING: the rule `-A " + kube2iam + "` redirects (to 10.0.0.1:8181) " + container + "iptables-legacy -w -t nat -D " + kube2iam},
		},
		{
			name: "DROP in FORWARD",
			sh:   "iptables-nft -A FORWARD -d 169.254.0.0/16 -j DROP",
			want: []string{"FAIL  firewall       iptables-nft, table filter, chain FORWARD: the rule `-A " + forward + "` drops " + container + "iptables-nft -w -t filter -D " + forward},
		},
		{
			name: "IPv6",
			sh:   "ip6tables-nft -A OUTPUT -d fd00:ec2::254 -p tcp --dport 80 -j REJECT",
			want: []string{"FAIL  firewall       ip6tables-nft, table filter, chain OUTPUT: the rule `-A OUTPUT -d fd00:ec2::254/128 -p tcp -m tcp --dport 80 -j REJECT --reject-with icmp6-port-unreachable` drops this machine's own requests to fd00:ec2::254; unless you need it, remove it: sudo ip6tables-nft -w -t filter -D OUTPUT -d fd00:ec2::254/128 -p tcp -m tcp --dport 80 -j REJECT --reject-with icmp6-port-unreachable"},
		},
		{
			name: "nat.sh",
			sh: "iptables-nft -t nat -I OUTPUT -d 169.254.169.254 -p tcp --dport 80 -m comment --comment mock-ec2-metadata -j DNAT --to-destination 192.0.2.1:5000\n" +
				"nft 'add table ip mock_ec2_metadata; add chain ip mock_ec2_metadata output { type nat hook output priority -101; }; add rule ip mock_ec2_metadata output ip daddr 169.254.169.254 tcp dport 80 dnat to 192.0.2.1:5000'",
			want: []string{noForeignRule},
		},
		{
			name: "leads to the daemon",
			sh:   "iptables-legacy -t nat -A OUTPUT -d 169.254.169.254 -p tcp --dport 80 -j REDIRECT --to-ports 5000\niptables-nft -t nat -A PREROUTING -d 169.254.169.254 -p tcp --dport 80 -j DNAT --to-destination 127.0.0.1:5000",
			want: []string{noForeignRule},
		},
		{
			name: "rules that cannot match",
			sh: "iptables-nft -A OUTPUT -d 169.254.169.254 -p udp --dport 80 -j DROP\niptables-legacy -A OUTPUT -d 169.254.169.254 -p tcp --dport 443 -j DROP\n" +
				"iptables-legacy -A OUTPUT -d 169.254.169.253 -j DROP\niptables-nft -P FORWARD DROP\niptables-nft -t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 80\n" +
				"nft 'add table ip mine; add set ip mine bad { type ipv4_addr; flags interval; elements = { 169.254.0.0/17, 10.0.0.0/8 }; }; add chain ip mine out { type filter hook output priority 0; }; add rule ip mine out ip daddr @bad drop'",
			want: []string{noForeignRule},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			machine := newNamespace(t, "machine")
			machine.output(t, nil, "sh", "-ec", tt.sh)
			before := machine.output(t, nil, "sh", "-c", "nft list ruleset; cat /proc/net/ip_tables_names")
			startDaemon(t, machine, bin, "--config", home+"/conf/config.yaml")
			lines, code := machine.doctor(t, home, toldEndpoint, "firewall")
			if diff := cmp.Diff(tt.want, lines); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			wantCode := 0
			if strings.HasPrefix(tt.want[0], "FAIL") {
				wantCode = 1
			}
			if code != wantCode {
				t.Errorf("exit %d, want %d", code, wantCode)
			}
			if after := machine.output(t, nil, "sh", "-c", "nft list ruleset; cat /proc/net/ip_tables_names"); after != before {
				t.Errorf("doctor changed the rules from\n%s\nto\n%s", before, after)
			}
		})
	}
}

// TestDoctor_NamesRulesOnTheMachineWithTheAddress adds such rules where the address is on the machine itself.
func TestDoctor_NamesRulesOnTheMachineWithTheAddress(t *testing.T) {
	needTools(t)
	machine, home := newNamespace(t, "machine"), mockHome(t, "")
	d := machine.serveLinkLocal(t, home)
	if lines, code := machine.doctor(t, home, nil, "redirect", "firewall"); code != 0 || len(lines) != 2 || lines[1] != noForeignRule {
		t.Fatalf("exit %d, %q", code, lines)
	}
	const rule = "OUTPUT -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 127.0.0.1:9"
	machine.output(t, nil, "sh", "-ec", "iptables-legacy -t nat -A "+rule+"; iptables-legacy -P INPUT DROP; iptables-legacy -A INPUT -i lo -j ACCEPT; iptables-legacy -A FORWARD -d 169.254.169.254 -j DROP; ip link add br0 type bridge; ip address add 10.244.1.1/24 dev br0; ip link set br0 up")
	lines, code := machine.doctor(t, home, nil, "redirect", "firewall")
	want := []string{
		"note  redirect       nothing answers at http://169.254.169.254/status: dial tcp 169.254.169.254:80: connect: connection refused; the address is in place, so the daemon does not listen there, or a rule takes the requests away (see firewall); tell SDKs: export AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:5000/",
		"FAIL  firewall       iptables-legacy, table nat, chain OUTPUT: the rule `-A " + rule + "` redirects (to 127.0.0.1:9) this machine's own requests to 169.254.169.254; unless you need it, remove it: sudo iptables-legacy -w -t nat -D " + rule,
		"FAIL  firewall       iptables-legacy, table filter, chain INPUT: its policy drops the requests of containers and virtual machines to 169.254.169.254; make an exception: sudo iptables-legacy -w -t filter -I INPUT -d 169.254.169.254 -p tcp --dport 80 -j ACCEPT",
		"note  firewall       iptables-legacy, table filter, chain FORWARD: the rule `-A FORWARD -d 169.254.169.254/32 -j DROP` drops the requests of containers and virtual machines to 169.254.169.254 (but none is forwarded while this machine has the address); unless you need it, remove it: sudo iptables-legacy -w -t filter -D FORWARD -d 169.254.169.254/32 -j DROP",
	}
	if diff := cmp.Diff(want, lines); diff != "" || code != 1 {
		t.Errorf("exit %d (-want +got):\n%s", code, diff)
	}
	t.Run("route status does not advise what runs", func(t *testing.T) {
		cmd := machine.command(t, []string{"HOME=" + home}, buildDaemon(t), "route", "status")
		cmd.Dir = home
		r := finish(t, cmd)
		if r.code != 1 || strings.Contains(r.stderr, "serve --link-local") || !strings.Contains(r.stderr, "holds the address, as a daemon with --link-local does") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("without root", func(t *testing.T) {
		cmd := machine.command(t, []string{"HOME=/"}, "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", buildDaemon(t), "doctor")
		cmd.Dir = "/"
		r := finish(t, cmd)
		if want := "note  firewall       not all rules of nft and iptables were looked at, since that needs root; to look: sudo mock-ec2-metadata doctor (in Docker: on the host)\n"; !strings.Contains(r.stdout, want) {
			t.Errorf("it does not say %q:\n%s%s", want, r.stdout, r.stderr)
		}
	})
	d.stop(t)
}

// TestDoctor_NamesVariablesThatKeepClientsAway sets variables that keep the clients of a shell from the daemon.
func TestDoctor_NamesVariablesThatKeepClientsAway(t *testing.T) {
	needTools(t)
	machine, home := newNamespace(t, "machine"), mockHome(t, "")
	startDaemon(t, machine, buildDaemon(t), "--config", home+"/conf/config.yaml")
	lines, code := machine.doctor(t, home, append([]string{"http_proxy=http://192.0.2.9:3128", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:9/"}, toldEndpoint...), "environment")
	want := []string{
		"note  environment    clients that you start from this shell prefer AWS_CONTAINER_CREDENTIALS_FULL_URI to the metadata service; start them with: mock-ec2-metadata exec -- COMMAND",
		"note  environment    http_proxy: clients that you start from this shell send requests for 127.0.0.1 to that proxy; exempt it: export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1",
	}
	if diff := cmp.Diff(want, lines); diff != "" || code != 0 {
		t.Errorf("exit %d (-want +got):\n%s", code, diff)
	}
}
