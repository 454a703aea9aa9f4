//go:build e2e && linux

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

// TestNAT_RedirectsBeforeCloudInit boots a guest with the installed script, the cloud-init configuration of nat.sh --help, and DHCP.
// cloud-init finds the service at its real address at once and runs the user data.
func TestNAT_RedirectsBeforeCloudInit(t *testing.T) {
	findTool(t, "systemd-nspawn", "systemd-container")
	findTool(t, "busybox", "busybox-static")
	findTool(t, "nsenter", "util-linux")
	needFile(t, "/usr/lib/python3/dist-packages/cloudinit", "cloud-init")
	for _, tt := range []struct {
		name    string
		env     []string
		printed []string // by the unit
		stage   string   // of cloud-init; the redirect is in place before it
		table   string
	}{
		{
			name:    "by the gateway, nft",
			env:     []string{"HIDE=/usr/sbin/iptables"},
			printed: []string{"nat.sh: redirected 169.254.169.254:80 to 192.0.2.1:5000", "nat.sh: the daemon answers at 192.0.2.1:5000"},
			stage:   "network",
			table:   ourTable("192.0.2.1:5000"),
		},
		{
			name:    "by an address, iptables",
			env:     []string{"CHROOT=yes", "METADATA_HOST=192.0.2.1"},
			printed: []string{"nat.sh: redirected 169.254.169.254:80 to 192.0.2.1:5000"},
			stage:   "local",
			table: "table ip nat {\n\tchain OUTPUT {\n" +
				"\t\ttype nat hook output priority -100; policy accept;\n" +
				"\t\tip daddr 169.254.169.254 tcp dport 80 counter dnat to 192.0.2.1:5000\n\t}\n}\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host := newNamespace(t, "host")
			mustIP(t, "-n", string(host), "link", "add", "vm0", "type", "veth", "peer", "name", "eth0")
			mustIP(t, "-n", string(host), "address", "add", "192.0.2.1/24", "dev", "vm0")
			mustIP(t, "-n", string(host), "link", "set", "vm0", "up")
			host.serveDHCP(t)
			host.serve(t, mockHome(t, "ec2:\n  user_data: |\n    #cloud-config\n"+
				"    write_files: [{path: /user-data-was-here, content: \"yes\"}]\n"), "0.0.0.0:5000")

			report := host.firstBoot(t, tt.env...)
			defer func() {
				if t.Failed() {
					t.Logf("the guest's journal:\n%s", report["journal"])
				}
			}()
			at := func(event string) int {
				t.Helper()
				µs, err := strconv.Atoi(strings.TrimSpace(report[event]))
				if err != nil || µs == 0 {
					t.Errorf("%s at %q", event, report[event])
				}
				return µs
			}
			if redirected, stage := at("redirected"), at(tt.stage); redirected >= stage {
				t.Errorf("redirected at %d µs, cloud-init's %s stage started at %d µs", redirected, tt.stage, stage)
			}
			if log := report["cloud-init.log"]; !strings.Contains(log, "found network data from DataSourceEc2") ||
				strings.Contains(log, "request error") {
				t.Errorf("cloud-init did not find its data at once:\n%s", log)
			}
			for _, line := range tt.printed {
				if !strings.Contains(report["said"], line+"\n") {
					t.Errorf("the unit did not print %q, but\n%s", line, report["said"])
				}
			}
			if strings.Contains(report["said"], "answers") != (len(tt.printed) == 2) {
				t.Errorf("the unit printed\n%s", report["said"])
			}
			want := map[string]string{
				"instance-id": instanceID + "\n", "user-data-was-here": "yes", "enabled": "enabled\n", "verify": "", "cycles": "",
				"ruleset":            tt.table,
				"active-uninstalled": "inactive\n", "files-uninstalled": "",
				"uninstall": "nat.sh: removed the redirect of 169.254.169.254:80 to 192.0.2.1:5000\n" +
					"nat.sh: uninstalled mock-ec2-metadata-nat\n",
			}
			report["ruleset"] = strings.ReplaceAll(changing.ReplaceAllString(report["ruleset"], ""), "  ", " ")
			got := map[string]string{}
			for name := range want {
				got[name] = report[name]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the guest's report (-want +got):\n%s", diff)
			}
			if strings.Contains(report["ruleset-uninstalled"], "169.254") {
				t.Errorf("after --uninstall:\n%s", report["ruleset-uninstalled"])
			}
		})
	}
}

// serveDHCP gives leases to what is at the other end of vm0, until the test ends.
func (n netns) serveDHCP(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	leases, conf := filepath.Join(dir, "leases"), filepath.Join(dir, "conf")
	testutil.Write(t, leases, "")
	testutil.Write(t, conf, fmt.Sprintf("start 192.0.2.50\nend 192.0.2.60\ninterface vm0\nopt subnet 255.255.255.0\nopt router 192.0.2.1\n"+
		"opt lease 600\nlease_file %s\npidfile %s\n", leases, filepath.Join(dir, "pid")))
	var log bytes.Buffer
	cmd := n.command(t, nil, "busybox", "udhcpd", "-f", conf) // ip becomes udhcpd: the process id is its own
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("udhcpd:\n%s", &log)
		}
	})
}

// firstBoot boots the guest on n's eth0 and returns its report, by name.
func (n netns) firstBoot(t *testing.T, env ...string) map[string]string {
	t.Helper()
	program, err := filepath.Abs("testdata/firstboot.sh")
	if err != nil {
		t.Fatal(err)
	}
	nat, err := filepath.Abs(natScript)
	if err != nil {
		t.Fatal(err)
	}
	// nspawn needs the machine's control groups, which "ip netns exec" hides.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	defer cancel()
	reports := t.TempDir()
	cmd := exec.CommandContext(ctx, "nsenter", "--net=/run/netns/"+string(n), "unshare", "--mount", "sh", program, t.TempDir(), reports, nat)
	cmd.Env = append([]string{"PATH=" + systemPath, "LC_ALL=C"}, env...)
	console, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the guest ended with %v; its console:\n%s", err, console)
	}
	report := tree(t, reports)
	if len(report) == 0 {
		t.Fatalf("the guest reported nothing; its console:\n%s", console)
	}
	return report
}
