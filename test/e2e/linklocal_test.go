//go:build e2e && linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

// TestLinkLocal_ServesTheRealAddresses runs clients without configuration, on a machine with iptables rules of other programs.
func TestLinkLocal_ServesTheRealAddresses(t *testing.T) {
	needClients(t)
	machine, vm, pod := newNetwork(t)
	for _, kind := range []string{"nft", "legacy"} {
		machine.output(t, nil, "iptables-"+kind, "-w", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "8080", "-j", "DNAT", "--to-destination", "192.0.2.9:80")
		machine.output(t, nil, "iptables-"+kind, "-w", "-t", "nat", "-A", "POSTROUTING", "-s", "10.244.0.0/16", "-j", "MASQUERADE")
	}
	rules, before := machine.rules(t), machine.state(t)

	fake := stsfake.StartOn(t, machine.listen(t, "10.244.1.1:0"))
	home := newHome(t, fake, "")
	t.Run("serving", func(t *testing.T) {
		cmd := machine.command(t, []string{"HOME=" + home, "AWS_ENDPOINT_URL_STS=" + fake.URL()}, buildDaemon(t), "serve", "--link-local", "--log-format", "json")
		cmd.Dir = home
		d := follow(t, cmd)
		d.waitFor(t, `"msg":"got credentials"`)
		for _, url := range []string{"http://127.0.0.1:5000/", "http://169.254.169.254:80/", "http://[fd00:ec2::254]:80/"} {
			d.waitFor(t, `"msg":"serving","url":"`+url)
		}
		for _, tt := range []struct {
			name       string
			from       netns
			ipv4, ipv6 string // its own addresses, as the daemon sees them
		}{
			{name: "machine", from: machine, ipv4: serviceIPv4, ipv6: serviceIPv6},
			{name: "vm", from: vm, ipv4: "10.244.1.2", ipv6: "2001:db8:1::2"},
			{name: "pod", from: pod, ipv4: "10.244.2.2", ipv6: "2001:db8:2::2"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				from := tt.from
				for host, source := range map[string]string{serviceIPv4: tt.ipv4, "[" + serviceIPv6 + "]": tt.ipv6} {
					if got := from.output(t, nil, "curl", "-qfsSg", "--max-time", "5", "http://"+host+"/latest/meta-data/instance-id"); got != instanceID {
						t.Errorf("%s: instance-id %q", host, got)
					}
					d.waitFor(t, `"client":"`+source+`","method":"GET","path":"/latest/meta-data/instance-id"`)
				}
				arn := from.output(t, nil, awsCLI, "sts", "get-caller-identity", "--endpoint-url", fake.URL(), "--region", region, "--query", "Arn", "--output", "text")
				if got := strings.TrimSpace(arn); got != sessionARN {
					t.Errorf("the AWS CLI is %q, want %s", got, sessionARN)
				}
				for mode, env := range map[string][]string{"IPv4": nil, "IPv6": {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6"}} {
					out := from.output(t, env, python, "-c", `
import boto3, sys
session = boto3.Session(region_name=sys.argv[2])
assert session.get_credentials().method == "iam-role", session.get_credentials().method
print(session.client("sts", endpoint_url=sys.argv[1]).get_caller_identity()["Arn"])
`, fake.URL(), region)
					if got := strings.TrimSpace(out); got != sessionARN {
						t.Errorf("boto3 is %q by %s, want %s", got, mode, sessionARN)
					}
				}
			})
		}
		if diff := cmp.Diff(rules, machine.rules(t)); diff != "" {
			t.Errorf("iptables-save, before and while serving (-before +while):\n%s", diff)
		}
		doctor := machine.run(t, []string{"HOME=" + home, "AWS_ENDPOINT_URL_STS=" + fake.URL()}, buildDaemon(t), "doctor", "--config", filepath.Join(home, "conf/config.yaml"))
		if want := "ok    redirect       http://169.254.169.254/ leads to the daemon\n"; !strings.Contains(doctor.stdout, want) {
			t.Errorf("doctor does not say %q:\n%s%s", want, doctor.stdout, doctor.stderr)
		}
		wantRun(t, machine.run(t, nil, buildDaemon(t), "route", "status"), 0, machine.places(t)+
			"mock-ec2-metadata answers there: i-0123456789abcdef0 with role myrole (conf/config.yaml)\n", "")
	})
	if diff := cmp.Diff(before, machine.state(t)); diff != "" {
		t.Errorf("interfaces and addresses, before and after (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(rules, machine.rules(t)); diff != "" {
		t.Errorf("iptables-save, before and after (-before +after):\n%s", diff)
	}
}

// TestLinkLocal_KilledDaemonLeavesNoAddress kills the daemon, its helper or both, and starts the next one at once.
func TestLinkLocal_KilledDaemonLeavesNoAddress(t *testing.T) {
	needTools(t)
	machine := newNamespace(t, "machine")
	before := machine.state(t)
	home := mockHome(t, "")
	start := func() *daemonProcess { return machine.serveLinkLocal(t, home) }

	t.Run("ten times in a row", func(t *testing.T) {
		for range 10 {
			start().kill(t)
		}
		d := start()
		machine.wantProcesses(t, 2)
		machine.wantOneOfEach(t)
		machine.get(t, "/latest/meta-data/")
		d.kill(t)
		machine.wantProcesses(t, 0) // the helper has ended, too
		machine.want(t, "after a kill", before)
	})
	t.Run("with a late helper", func(t *testing.T) { // it must not remove the addresses of the next daemon
		d := start()
		helper := machine.helper(t, d)
		signalAll(t, syscall.SIGSTOP, helper)
		t.Cleanup(func() { _ = syscall.Kill(helper, syscall.SIGCONT) }) // if the test ends before
		d.kill(t)
		next := machine.startLinkLocal(t, home)
		testutil.Eventually(t, "the next daemon's helper waits for the lock of the old one", func() bool {
			sockets, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/unix", helper))
			return err == nil && strings.Count(string(sockets), "@mock-ec2-metadata/route") == 2 // the lock, and the one that waits for it
		})
		machine.wantOneOfEach(t)
		if log := next.logged(); log != "" {
			t.Errorf("meanwhile the next daemon logs\n%s", log)
		}
		signalAll(t, syscall.SIGCONT, helper)
		next.serving(t)
		machine.wantProcesses(t, 2)
		machine.wantOneOfEach(t)
		machine.get(t, "/latest/meta-data/")
		next.stop(t)
	})
	t.Run("with its helper", func(t *testing.T) { // the addresses stay, and the next daemon takes them over
		d := start()
		signalAll(t, syscall.SIGKILL, machine.helper(t, d))
		d.kill(t)
		machine.wantProcesses(t, 0)
		machine.wantOneOfEach(t)
		next := start()
		machine.wantOneOfEach(t)
		next.stop(t)
		machine.want(t, "after the next daemon", before)
	})
	t.Run("by a signal to both", func(t *testing.T) { // as a service manager sends it
		d := start()
		signalAll(t, syscall.SIGTERM, machine.helper(t, d), d.cmd.Process.Pid)
		d.ends(t)
		machine.wantProcesses(t, 0)
		machine.want(t, "after SIGTERM to both", before)
	})
}

// TestLinkLocal_KeptAddressOutlivesTheDaemon needs no helper.
func TestLinkLocal_KeptAddressOutlivesTheDaemon(t *testing.T) {
	needTools(t)
	machine := newNamespace(t, "machine")
	before := machine.state(t)
	home := mockHome(t, "")
	start := func() *daemonProcess {
		d := machine.startIn(t, home, buildDaemon(t), "serve", "--link-local", "--keep-address")
		d.serving(t)
		return d
	}
	d := start()
	machine.wantProcesses(t, 1)
	machine.get(t, "/latest/meta-data/")
	d.kill(t)
	machine.wantOneOfEach(t)
	d = start()
	d.stop(t)
	machine.wantOneOfEach(t)
	machine.output(t, nil, buildDaemon(t), "route", "remove")
	machine.want(t, "after route remove", before)
}

// TestLinkLocal_HelperInheritsNothing looks at the process that stays root.
func TestLinkLocal_HelperInheritsNothing(t *testing.T) {
	needTools(t)
	machine := newNamespace(t, "machine")
	home := mockHome(t, "")
	d := machine.serveLinkLocal(t, home)
	helper := machine.helper(t, d)
	proc := fmt.Sprintf("/proc/%d/", helper)
	if line, err := os.ReadFile(proc + "cmdline"); err != nil || string(line) != "mock-ec2-metadata\x00route\x00hold\x00" {
		t.Errorf("it is %q, %v", line, err)
	}
	if environ, err := os.ReadFile(proc + "environ"); err != nil || len(environ) > 0 {
		t.Errorf("its environment is not empty: %q, %v", environ, err)
	}
	if dir, err := os.Readlink(proc + "cwd"); err != nil || dir != "/" {
		t.Errorf("it is in %s, %v", dir, err)
	}
	if sid, err := unix.Getsid(helper); err != nil || sid != helper {
		t.Errorf("its session is %d, %v", sid, err)
	}
	// Three pipes, the lock, the Go runtime's epoll, and /dev/null: nothing that the daemon inherited.
	fds, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, fd := range fds {
		target, err := os.Readlink(proc + "fd/" + fd.Name())
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(target, ":")
		kinds[kind]++
	}
	delete(kinds, "anon_inode")
	if diff := cmp.Diff(map[string]int{"pipe": 3, "socket": 1, os.DevNull: 1}, kinds); diff != "" {
		t.Errorf("open files (-want +got):\n%s", diff)
	}
	// The daemon notices its end.
	signalAll(t, syscall.SIGKILL, helper)
	testutil.Eventually(t, "the daemon logs that its helper has ended", func() bool {
		return strings.Contains(d.logged(), `msg="address cleanup exited early"`) &&
			strings.Contains(d.logged(), `hint="after shutdown: sudo mock-ec2-metadata route remove"`)
	})
	d.stop(t)
	wantRun(t, machine.run(t, nil, buildDaemon(t), "route", "remove"), 0, "removed 169.254.169.254 and fd00:ec2::254\n", "")
}

// TestLinkLocal_RefusalChangesNothing checks what --link-local says where it cannot work.
func TestLinkLocal_RefusalChangesNothing(t *testing.T) {
	needTools(t)
	bin, home := buildDaemon(t), mockHome(t, "")
	refused := func(t *testing.T, n netns, want string, prefix ...string) {
		t.Helper()
		before := n.state(t)
		cmd := n.command(t, []string{"HOME=" + home}, append(prefix, bin, "serve", "--link-local", "--listen", "127.0.0.1:5009")...)
		cmd.Dir = "/"
		wantRun(t, finish(t, cmd), 1, "", "mock-ec2-metadata: "+want+"\n")
		n.want(t, "after the refusal", before)
	}
	t.Run("another daemon", func(t *testing.T) {
		site := newSite(t, serviceIPv4)
		site.serve(t, home, listenIPv4)
		refused(t, site, "another mock-ec2-metadata, i-0123456789abcdef0 with role myrole (conf/config.yaml), already answers at http://169.254.169.254/; stop it, or leave out --link-local")
	})
	t.Run("another daemon with --link-local", func(t *testing.T) {
		machine := newNamespace(t, "machine")
		machine.serveLinkLocal(t, home)
		refused(t, machine, "another mock-ec2-metadata, i-0123456789abcdef0 with role myrole (conf/config.yaml), already answers at http://169.254.169.254/; stop it, or leave out --link-local")
	})
	for name, tt := range map[string]struct{ server, want string }{
		"EC2": {"EC2ws", "a real EC2 metadata service already answers at http://169.254.169.254/, and --link-local would hide it from this machine; " +
			"leave that out, and tell SDKs where the daemon is, for example: export AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:5000/"},
		"another mock": {"Mock/1.0", `http://169.254.169.254/status answers 404 Not Found, but not as mock-ec2-metadata does (it is "Mock/1.0"); stop it, or leave out --link-local`},
	} {
		t.Run(name, func(t *testing.T) {
			// Behind the gateway, as EC2's is.
			machine, vm, _ := newNetwork(t)
			machine.own(t, serviceIPv4)
			serveAs(t, machine.listen(t, listenIPv4), tt.server)
			testutil.Eventually(t, "it answers the virtual machine", func() bool { // which the daemon's probe expects within a second
				return vm.run(t, nil, "curl", "-qsS", "--max-time", "2", "http://"+serviceIPv4+"/").code == 0
			})
			refused(t, vm, tt.want)
		})
	}
	t.Run("another mock on IPv6", func(t *testing.T) {
		site := newSite(t, serviceIPv6)
		serveAs(t, site.listen(t, listenIPv6), "Mock/1.0")
		refused(t, site, `http://[fd00:ec2::254]/status answers 404 Not Found, but not as mock-ec2-metadata does (it is "Mock/1.0"); stop it, or leave out --link-local`)
	})
	t.Run("on another interface", func(t *testing.T) {
		refused(t, newSite(t, serviceIPv4), "169.254.169.254 is already on the interface lo; remove it there first: ip address delete 169.254.169.254/32 dev lo")
	})
	t.Run("another's interface", func(t *testing.T) {
		machine := newNamespace(t, "machine")
		mustIP(t, "-n", string(machine), "link", "add", ownInterface, "type", "veth", "peer", "name", "other")
		refused(t, machine, "the interface mock-imds is a veth, not a dummy of mock-ec2-metadata; rename or remove it")
		wantRun(t, machine.run(t, nil, bin, "route", "remove"), 1, "", "mock-ec2-metadata: the interface mock-imds is a veth, not a dummy of mock-ec2-metadata; rename or remove it\n")
	})
	t.Run("not root", func(t *testing.T) {
		refused(t, newNamespace(t, "machine"), "cannot create the interface mock-imds: operation not permitted; run it as root with sudo, or in Docker with --network host --cap-add NET_ADMIN",
			"setpriv", "--bounding-set=-net_admin", "--inh-caps=-all", "--")
	})
	t.Run("the port is in use", func(t *testing.T) {
		machine := newNamespace(t, "machine")
		serveAs(t, machine.listen(t, "127.0.0.1:5009"), "Other")
		refused(t, machine, "cannot listen on 127.0.0.1:5009: the port is in use; stop what uses it (perhaps another mock-ec2-metadata), or choose another address with --listen")
	})
}

// TestLinkLocal_WorksWithoutIPv6 disables IPv6 on the machine.
func TestLinkLocal_WorksWithoutIPv6(t *testing.T) {
	needTools(t)
	machine := newNamespace(t, "machine")
	for _, scope := range []string{"all", "default"} {
		machine.kernel(t, "ipv6/conf/"+scope+"/disable_ipv6", "1")
	}
	before := machine.state(t)
	d := machine.serveLinkLocal(t, mockHome(t, ""))
	if got := machine.output(t, nil, "ip", "-o", "address", "show", "dev", ownInterface); strings.Count(got, "\n") != 1 || !strings.Contains(got, "inet 169.254.169.254/32 ") {
		t.Errorf("its addresses are\n%s", got)
	}
	d.stop(t)
	machine.want(t, "after the end", before)
}

// TestLinkLocal_NeedsTwoCapabilities starts the daemon as an ordinary user with two capabilities, as a service manager can.
func TestLinkLocal_NeedsTwoCapabilities(t *testing.T) {
	needTools(t)
	machine := newNamespace(t, "machine")
	before := machine.state(t)
	dir := t.TempDir()
	open(t, dir)
	bin := filepath.Join(dir, "mock-ec2-metadata")
	copyFile(t, buildDaemon(t), bin, 0o755)
	const may = "+net_admin,+net_bind_service"
	d := machine.startIn(t, "/", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps="+may, "--ambient-caps="+may, "--", bin, "serve", "--link-local")
	d.serving(t)
	machine.wantOneOfEach(t)
	d.stop(t)
	machine.want(t, "after the end", before)
}
