//go:build kube && linux

package kube

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestUp_PodGetsMetadataAndTheLogHasItsAddress(t *testing.T) {
	p := withConfig(t, "main")
	made, m := p.client(t, podSpec{})
	if got := m.get(t, metadata+"local-ipv4").want(t, http.StatusOK); got != nodeAddress {
		t.Errorf("local-ipv4 is %q, want the node's %s", got, nodeAddress)
	}
	if log, want := p.log(t), "client="+made.Status.PodIP+" method=GET path=/latest/meta-data/local-ipv4 status=200"; !strings.Contains(log, want) {
		t.Errorf("the log lacks %q:\n%s", want, log)
	}
}

func TestUp_ChangesNoRuleOfThePacketFilter(t *testing.T) {
	p := withConfig(t, "main")
	if got := p.machine.rules(t); !strings.HasSuffix(p.before, got) {
		t.Errorf("the packet filter has changed:\n%s\nbefore, with addresses:\n%s", got, p.before)
	}
}

func TestUp_AddressIsGlobalOnItsOwnInterface(t *testing.T) {
	p := withConfig(t, "main")
	want := "mock-imds 169.254.169.254/32 scope global"
	if got := p.machine.addresses(t); strings.Count(got, want) != 1 || strings.Count(got, "169.254.169.254") != 1 {
		t.Errorf("want %q once in\n%s", want, got)
	}
}

func TestUp_NothingListensOnOtherAddressesOfTheNode(t *testing.T) {
	p := withConfig(t, "main")
	for _, host := range []string{nodeAddress, "10.244.0.1"} {
		for _, port := range []string{"80", "5000", "5001"} {
			if conn, err := p.machine.dial(t.Context(), "tcp", net.JoinHostPort(host, port)); err == nil {
				_ = conn.Close()
				t.Errorf("%s port %s answers", host, port)
			}
		}
	}
}

func TestUp_DaemonHasFourCapabilitiesAndServesWithNone(t *testing.T) {
	p := withConfig(t, "main")
	const four = "00000000000014c0" // SETGID 6, SETUID 7, NET_BIND_SERVICE 10, NET_ADMIN 12
	for command, effective := range map[string]string{"serve": "0000000000000000"} {
		process := p.processOf(t, command)
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.pid))
		if err != nil {
			t.Fatal(err)
		}
		field := func(name string) string {
			m := regexp.MustCompile(`(?m)^` + name + `:\s*(\S+)`).FindStringSubmatch(string(text))
			return m[1]
		}
		if bounding := field("CapBnd"); bounding != four && bounding != "0000000000000000" {
			t.Errorf("%s: the bounding set is %s, want %s", command, bounding, four)
		}
		if field("Seccomp") != "2" || field("NoNewPrivs") != "1" {
			t.Errorf("%s: Seccomp %s, NoNewPrivs %s; want 2 and 1", command, field("Seccomp"), field("NoNewPrivs"))
		}
		if effective != "" && (field("CapEff") != effective || field("CapPrm") != effective || field("Uid") == "0") {
			t.Errorf("%s: capabilities %s and %s, uid %s; want none", command, field("CapEff"), field("CapPrm"), field("Uid"))
		}
		mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", process.pid))
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`(?m)^\d+ \d+ \S+ \S+ / ro[, ]`).Match(mounts) {
			t.Errorf("%s: the root is not read-only", command)
		}
	}
}

func TestUp_PodHasNoHelperAndIsSmall(t *testing.T) {
	p := withConfig(t, "main")
	daemon := p.processOf(t, "serve")
	for _, process := range p.processes(t) {
		ofLaptop := len(process.args) > 1 && process.args[1] == "relay" // by kubectl exec
		if process.pod == daemon.pod && process.pid != daemon.pid && !ofLaptop && strings.Contains(process.args[0], "mock-ec2-metadata") {
			t.Errorf("the pod has a second process: %q", process.args)
		}
	}
	got := rss(t, daemon.pid)
	t.Logf("RSS of the daemon: %.1f MB", float64(got)/1e6)
	if got > 40e6 {
		t.Errorf("%d bytes; want at most 40 MB", got)
	}
}

func TestUp_FailsAndSaysWhoAnswersAlready(t *testing.T) {
	p := theProduct(t)
	if r := p.down(t); r.code != 0 {
		t.Fatalf("down: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	ip := func(args ...string) {
		if r := finish(t, p.machine.command(t.Context(), append([]string{"ip"}, args...)...)); r.code != 0 {
			t.Fatal(r.stderr)
		}
	}
	ip("address", "add", "169.254.169.254/32", "dev", "lo")
	defer ip("address", "delete", "169.254.169.254/32", "dev", "lo")
	listener := p.machine.listen(t, "169.254.169.254:80")
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.NotFoundHandler()}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	r := p.do(t, p.upArgs(t, "main", "--detach")...)
	if want := "something else answers"; r.code == 0 || !strings.Contains(r.stdout+r.stderr, want) {
		t.Errorf("exit %d, want another and %q\n%s%s", r.code, want, r.stdout, r.stderr)
	}
}
