//go:build e2e && linux

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

const (
	ecsAddress         = "169.254.170.2"
	podIdentityAddress = "169.254.170.23"
	allServices        = "METADATA_SERVICES=ecs,pod-identity"
)

// natSays is what nat.sh prints of several redirects, a line each: FORMAT has ADDRESS in it.
func natSays(format string, addresses ...string) string {
	var b strings.Builder
	for _, a := range addresses {
		b.WriteString("nat.sh: " + strings.ReplaceAll(format, "ADDRESS", a+":80") + "\n")
	}
	return b.String()
}

// TestNAT_RedirectsServicesForContainers redirects all three addresses, by each tool, and takes two of them away again.
func TestNAT_RedirectsServicesForContainers(t *testing.T) {
	bin := buildDaemon(t)
	for _, tt := range []struct {
		name, list   string // list is a program that shows the rules
		shell, tools []string
	}{
		{"iptables-nft", "iptables-nft-save", []string{"dash"}, append([]string{"ip", "curl", "iptables=iptables-nft"}, natTools...)},
		{"iptables-legacy", "iptables-legacy-save", []string{"bash", "--posix"}, append([]string{"ip", "curl", "iptables=iptables-legacy"}, natTools...)},
		{"nft", "nft list ruleset", []string{"busybox", "ash"}, append([]string{"nft"}, busyBox...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			box, host := newBox(t)
			box.route(t, "default", "via", hostAddress)
			startDaemon(t, host, bin)
			testutil.Eventually(t, "the daemon answers", func() bool {
				return host.run(t, nil, "curl", "-qfsS", "http://127.0.0.1:5000/status").code == 0
			})
			b := natBox{t: t, box: box, path: toolDir(t, tt.tools...), shell: tt.shell}
			redirected := func() map[string]int {
				t.Helper()
				rules, got := box.output(t, nil, strings.Fields(tt.list)...), map[string]int{}
				for line := range strings.Lines(rules) {
					for _, a := range []string{serviceIPv4, ecsAddress, podIdentityAddress} {
						if strings.Contains(line, a+"/32 ") || strings.Contains(line, "ip daddr "+a+" ") {
							got[a]++
						}
					}
				}
				return got
			}
			const to = "redirected ADDRESS to 192.0.2.1:5000"
			const already = "ADDRESS is already redirected to 192.0.2.1:5000"
			const removed = "removed the redirect of ADDRESS to 192.0.2.1:5000"
			const answers = "nat.sh: the daemon answers at 192.0.2.1:5000\n"
			all := []string{serviceIPv4, ecsAddress, podIdentityAddress}

			b.nat(nil, 0, natSays(to, serviceIPv4)+answers, "")
			b.nat([]string{"METADATA_SERVICES=ecs"}, 0, natSays(already, serviceIPv4)+natSays(to, ecsAddress)+answers, "")
			b.nat([]string{allServices}, 0, natSays(already, serviceIPv4, ecsAddress)+natSays(to, podIdentityAddress)+answers, "")
			b.nat([]string{"METADATA_SERVICES=pod-identity,ecs"}, 0, natSays(already, all...)+answers, "")
			if diff := cmp.Diff(map[string]int{serviceIPv4: 1, ecsAddress: 1, podIdentityAddress: 1}, redirected()); diff != "" {
				t.Errorf("rules of each address (-want +got):\n%s", diff)
			}
			for _, a := range all {
				if got := box.output(t, nil, "curl", "-qfsS", "http://"+a+"/status"); !strings.Contains(got, `"instance_id"`) {
					t.Errorf("%s answers %s", a, got)
				}
			}
			b.nat([]string{"METADATA_SERVICES=pod-identity", "METADATA_PORT=5001"}, 1,
				natSays("redirected ADDRESS to 192.0.2.1:5001", serviceIPv4, podIdentityAddress)+
					natSays(removed, inOrder(tt.name, all)...), noAnswer("192.0.2.1:5001"))
			b.nat(nil, 0, natSays(to, serviceIPv4)+
				natSays("removed the redirect of ADDRESS to 192.0.2.1:5001", inOrder(tt.name, []string{serviceIPv4, podIdentityAddress})...)+answers, "")
			if diff := cmp.Diff(map[string]int{serviceIPv4: 1}, redirected()); diff != "" {
				t.Errorf("rules of each address (-want +got):\n%s", diff)
			}
			b.nat([]string{allServices}, 0, natSays(already, serviceIPv4)+natSays(to, ecsAddress, podIdentityAddress)+answers, "")
			b.nat(nil, 0, natSays(removed, inOrder(tt.name, all)...), "", "--remove")
			if got := redirected(); len(got) > 0 {
				t.Errorf("left behind: %v", got)
			}
		})
	}
}

// inOrder is the order of redirects in the listing of a tool: each rule of iptables is put before the earlier ones.
func inOrder(tool string, addresses []string) []string {
	if tool == "nft" {
		return addresses
	}
	reversed := slices.Clone(addresses)
	slices.Reverse(reversed)
	return reversed
}

// TestNAT_ChangeOfToolsKeepsServices goes from nft to iptables, while the redirects of nft lead to the daemon.
func TestNAT_ChangeOfToolsKeepsServices(t *testing.T) {
	box, host := newBox(t)
	box.route(t, "default", "via", hostAddress)
	startDaemon(t, host, buildDaemon(t))
	b := natBox{t: t, box: box, path: toolDir(t, append([]string{"ip", "nft", "curl"}, natTools...)...)}
	testutil.Eventually(t, "the daemon answers", func() bool { return b.run([]string{"METADATA_SERVICES=ecs"}).code == 0 })
	b.path = systemPath
	const removed = "removed the redirect of ADDRESS to 192.0.2.1:5000 by nft"
	b.nat([]string{"METADATA_SERVICES=ecs"}, 0, natSays("redirected ADDRESS to 192.0.2.1:5000", serviceIPv4, ecsAddress)+
		natSays(removed, serviceIPv4, ecsAddress)+"nat.sh: the daemon answers at 192.0.2.1:5000\n", "")
}

// TestNAT_HidesNoAgent has what nodes of ECS and EKS have at the addresses. nat.sh leaves it alone, and changes nothing.
func TestNAT_HidesNoAgent(t *testing.T) {
	const (
		leaveECS = "leave ecs out of METADATA_SERVICES\n"
		leavePod = "leave pod-identity out of METADATA_SERVICES\n"
	)
	curl := append([]string{"ip", "curl", "iptables"}, natTools...)
	wget := append([]string{"ip", "wget", "timeout", "nft"}, natTools...)
	agent := func(address string) func(*testing.T, netns, netns) {
		return func(t *testing.T, _, host netns) {
			host.own(t, address)
			serveAs(t, host.listen(t, address+":80"), "")
		}
	}
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, box, host netns)
		tools   []string
		shell   []string
		env     []string
		want    string
	}{
		{
			name: "an agent answers curl", prepare: agent(ecsAddress), tools: curl,
			want: "something answers at 169.254.170.2:80 already, as on a node of ECS or EKS, so nothing is redirected; stop it, or " + leaveECS,
		},
		{
			name: "an agent answers wget", prepare: agent(podIdentityAddress), tools: wget,
			want: "something answers at 169.254.170.23:80 already, as on a node of ECS or EKS, so nothing is redirected; stop it, or " + leavePod,
		},
		{
			name: "an agent answers BusyBox", prepare: agent(ecsAddress), tools: append([]string{"nft"}, busyBox...), shell: []string{"busybox", "ash"},
			want: "something answers at 169.254.170.2:80 already, as on a node of ECS or EKS, so nothing is redirected; stop it, or " + leaveECS,
		},
		{
			name: "at boot, too", prepare: agent(ecsAddress), tools: curl, env: []string{"METADATA_HOST=192.0.2.1"},
			want: "something answers at 169.254.170.2:80 already, as on a node of ECS or EKS, so nothing is redirected; stop it, or " + leaveECS,
		},
		{
			name: "an address of EKS' agent", prepare: func(t *testing.T, box, _ netns) { box.own(t, podIdentityAddress) }, tools: curl,
			want: "169.254.170.23 is an address of this machine itself, as on a node of EKS, so nothing is redirected; " + leavePod,
		},
		{
			name: "an address, with BusyBox", prepare: func(t *testing.T, box, _ netns) { box.own(t, podIdentityAddress) },
			tools: append([]string{"nft"}, busyBox...), shell: []string{"busybox", "ash"},
			want: "169.254.170.23 is an address of this machine itself, as on a node of EKS, so nothing is redirected; " + leavePod,
		},
		{
			name: "the rule of ECS' agent", tools: curl,
			prepare: func(t *testing.T, box, _ netns) {
				box.output(t, nil, "iptables", "-t", "nat", "-A", "OUTPUT", "-d", ecsAddress, "-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "51679")
			},
			want: "another program has a rule for 169.254.170.2, as on a node of ECS, so nothing is redirected; " + leaveECS,
		},
		{
			name: "the rule of ECS' agent, by nft", tools: append([]string{"nft"}, busyBox...), shell: []string{"busybox", "ash"},
			prepare: func(t *testing.T, box, _ netns) {
				box.output(t, nil, "iptables-nft", "-t", "nat", "-A", "OUTPUT", "-d", ecsAddress, "-p", "tcp", "--dport", "80", "-j", "REDIRECT", "--to-ports", "51679")
			},
			want: "another program has a rule for 169.254.170.2, as on a node of ECS, so nothing is redirected; " + leaveECS,
		},
		{
			name: "no client", prepare: func(*testing.T, netns, netns) {}, tools: append([]string{"ip", "nft"}, natTools...),
			want: "there is neither curl nor wget to see that nothing answers at 169.254.170.2:80 yet; install curl, or " + leaveECS,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			box, host := newBox(t)
			box.route(t, "default", "via", hostAddress)
			tt.prepare(t, box, host)
			b := natBox{t: t, box: box, path: toolDir(t, tt.tools...), shell: tt.shell}
			before := b.ruleset()
			var args []string
			if tt.env != nil {
				args = []string{"--boot"}
			}
			b.nat(append(tt.env, allServices), 1, "", "nat.sh: "+tt.want, args...)
			empty := "table ip nat {\n\tchain OUTPUT {\n\t\ttype nat hook output priority -100; policy accept;\n\t}\n}\n" // of iptables
			if after := b.ruleset(); after != before && after != empty {
				t.Errorf("the rules changed from\n%s\nto\n%s", before, after)
			}
		})
	}
}

// TestNAT_BootRedirectsServicesWithoutNetwork runs nat.sh --boot before there is a network.
func TestNAT_BootRedirectsServicesWithoutNetwork(t *testing.T) {
	b := natBox{t: t, box: newNamespace(t, "boot"), path: toolDir(t, append([]string{"ip", "nft", "curl"}, natTools...)...)}
	b.nat([]string{"METADATA_HOST=192.0.2.1", allServices}, 0,
		natSays("redirected ADDRESS to 192.0.2.1:5000", serviceIPv4, ecsAddress, podIdentityAddress), "", "--boot")
}
