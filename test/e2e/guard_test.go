//go:build e2e && linux

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

// TestGuard_ListAllowsOneNetworkOnly allows one network by a list. The LAN is denied, by every path and method.
func TestGuard_ListAllowsOneNetworkOnly(t *testing.T) {
	o := newOffice(t)
	home := mockHome(t, "server: {allow_clients: [192.0.2.0/24, \"2001:db8::/64\"]}\n")
	d, _ := o.serve(t, buildDaemon(t), home)

	denial := func(address string) string {
		bits := map[bool]string{true: "/128", false: "/32"}[strings.Contains(address, ":")]
		return "client " + address + " is not allowed; add it to server.allow_clients: " + address + bits + "\n"
	}
	fromBox, fromLAN, here := o.box.client(""), o.lan.client(""), o.machine.client("")
	for name, tt := range map[string]struct {
		client *http.Client
		hosts  []string
	}{
		"box":      {client: fromBox, hosts: []string{boxSide, "[2001:db8::1]"}},
		"loopback": {client: here, hosts: []string{boxSide, "[2001:db8::1]", "127.0.0.1", "[::1]", officeSide, "localhost"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, host := range tt.hosts {
				got := get(tt.client, "http://"+host+":5000"+credentialsPath)
				if got.status != 200 || !strings.Contains(got.body, `"SecretAccessKey" : "`) {
					t.Errorf("%s: %d %s", host, got.status, got.body)
				}
			}
		})
	}
	secrets := secretsOf(t, here, "http://127.0.0.1:5000")

	o.lan.route(t, boxSide, "via", officeSide)
	for host, address := range map[string]string{officeSide: lanIPv4, boxSide: lanIPv4, "[2001:db8:1::1]": lanIPv6} {
		t.Run("LAN to "+host, func(t *testing.T) {
			for _, method := range []string{"GET", "PUT", "POST", "OPTIONS", "TRACE", "BREW", "HEAD"} {
				for _, path := range []string{credentialsPath, "/status", "/latest/api/token", "/", "//x", "/latest/meta-data/%2e%2e/"} {
					req, err := http.NewRequest(method, "http://"+host+":5000"+path, nil)
					if err != nil {
						t.Fatal(err)
					}
					for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP"} {
						req.Header.Set(name, "127.0.0.1")
					}
					resp, err := fromLAN.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					b, _ := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					want := denial(address)
					if method == "HEAD" {
						want = ""
					}
					if resp.StatusCode != 403 || string(b) != want || !resp.Close {
						t.Errorf("%s %s: %s %q, want 403 %q", method, path, resp.Status, b, want)
					}
					noSecret(t, answer{resp.StatusCode, resp.Header, string(b)}, secrets)
				}
			}
		})
	}
	t.Run("status", func(t *testing.T) { // shows the box less than this machine
		full, less := get(here, "http://127.0.0.1:5000/status"), get(fromBox, "http://"+boxSide+":5000/status")
		for _, detail := range []string{"123456789012", filepath.Join("conf", "config.yaml"), "refused", "socket"} {
			if !strings.Contains(full.body, detail) {
				t.Errorf("/status has no %s: %s", detail, full.body)
			}
			if strings.Contains(less.body, detail) {
				t.Errorf("/status tells the box of %s: %s", detail, less.body)
			}
		}
		var counted struct{ Refused map[string]int }
		if err := json.Unmarshal([]byte(full.body), &counted); err != nil || counted.Refused["clients"] != 3*7*6 {
			t.Errorf("%v refused, want %d clients (%v)", counted.Refused, 3*7*6, err)
		}
	})
	t.Run("log", func(t *testing.T) { // one line for each source
		if lines := strings.Count(strings.Join(d.logged(), "\n"), `"msg":"refused"`); lines != 2 {
			t.Errorf("%d lines about refusals, want 2: one for each address of the LAN", lines)
		}
	})
}

// TestGuard_ReloadAppliesToOpenConnections allows the LAN while the daemon runs, and denies it again while a connection of it is
// open.
func TestGuard_ReloadAppliesToOpenConnections(t *testing.T) {
	o := newOffice(t)
	home := mockHome(t, "server: {allow_clients: [192.0.2.0/24]}\n")
	o.serve(t, buildDaemon(t), home)
	lan := o.lan.client("")
	status := func() int { return get(lan, "http://"+officeSide+":5000"+credentialsPath).status }
	if got := status(); got != 403 {
		t.Fatalf("the LAN gets %d", got)
	}
	writeMockConfig(t, home, "server: {allow_clients: [192.0.2.0/24, 198.51.100.0/24]}\n")
	testutil.Eventually(t, "the LAN is allowed", func() bool { return status() == 200 })

	conn, err := o.lan.dial(t.Context(), "", officeSide+":5000")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(90 * time.Second))
	in := bufio.NewReader(conn)
	ask := func() (status int, closes bool) {
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", credentialsPath)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode, resp.Close
	}
	if got, closes := ask(); got != 200 || closes {
		t.Fatalf("while it is allowed: %d, Connection: close is %v", got, closes)
	}
	writeMockConfig(t, home, "server: {allow_clients: []}\n")
	testutil.Eventually(t, "the LAN is denied", func() bool { return status() == 403 })
	if got, closes := ask(); got != 403 || !closes {
		t.Errorf("the open connection gets %d, Connection: close is %v", got, closes)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("it stays open: %v", err)
	}
	// A wrong configuration changes nothing.
	writeMockConfig(t, home, "server: {allow_clients: [0.0.0.0/0, nonsense]}\n")
	here := o.machine.client("")
	testutil.Eventually(t, "/status shows why the reload failed", func() bool {
		return strings.Contains(get(here, "http://127.0.0.1:5000/status").body, "nonsense")
	})
	if got := status(); got != 403 {
		t.Errorf("after a failed reload the LAN gets %d", got)
	}
}

// TestGuard_AutoFollowsTheInterfaces adds, changes and removes interfaces while the daemon runs.
func TestGuard_AutoFollowsTheInterfaces(t *testing.T) {
	o := newOffice(t)
	d, _ := o.serve(t, buildDaemon(t), mockHome(t, ""))
	inMachine := func(args ...string) { mustIP(t, append([]string{"-n", string(o.machine)}, args...)...) }
	url := "http://" + boxSide + ":5000" + credentialsPath

	t.Run("box", func(t *testing.T) {
		link, _ := linkLocal(t, o.machine, "eth0")
		_, index := linkLocal(t, o.box, "eth0") // by number: in this process's namespace the name is another interface's
		for _, host := range []string{boxSide, "[2001:db8::1]", fmt.Sprintf("[%s%%25%d]", link, index)} {
			if got := get(o.box.client(""), "http://"+host+":5000"+credentialsPath); got.status != 200 {
				t.Errorf("from %s it gets %d %s", host, got.status, got.body)
			}
		}
	})

	// The box also plays clients of networks that the machine is not attached to, by addresses of theirs.
	remote := func(t *testing.T, network string) (*http.Client, string) {
		address := network + ".9"
		mustIP(t, "-n", string(o.box), "address", "add", address+"/32", "dev", "lo")
		inMachine("route", "add", address+"/32", "via", boxIPv4)
		return o.box.client(address), address
	}
	becomes := func(t *testing.T, client *http.Client, want int, when string) {
		t.Helper()
		testutil.Eventually(t, fmt.Sprintf("%d %s", want, when), func() bool { return get(client, url).status == want })
	}

	t.Run("no network", func(t *testing.T) {
		client, address := remote(t, "10.1.0")
		want := answer{status: 403, body: "client " + address + " is not allowed: server.allow_clients is auto, which allows this machine, its containers " +
			"and its virtual machines; list their networks and the client in server.allow_clients: " + address + "/32\n"}
		got := get(client, url)
		got.header = nil
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})

	t.Run("a bridge made later", func(t *testing.T) {
		vm := newNamespace(t, "vm")
		inMachine("link", "add", "br-late", "type", "bridge")
		inMachine("link", "add", "port0", "type", "veth", "peer", "name", "eth0", "netns", string(vm))
		inMachine("link", "set", "port0", "master", "br-late", "up")
		inMachine("address", "add", "10.2.0.1/24", "dev", "br-late")
		inMachine("link", "set", "br-late", "up")
		mustIP(t, "-n", string(vm), "address", "add", "10.2.0.2/24", "dev", "eth0")
		mustIP(t, "-n", string(vm), "link", "set", "eth0", "up")
		testutil.Eventually(t, "its virtual machine is allowed", func() bool {
			return get(vm.client(""), "http://10.2.0.1:5000"+credentialsPath).status == 200
		})
	})

	t.Run("a bridge comes and goes", func(t *testing.T) {
		client, _ := remote(t, "10.3.0")
		if got := get(client, url); got.status != 403 {
			t.Errorf("before there is one: %d", got.status)
		}
		inMachine("link", "add", "br-now", "type", "bridge")
		inMachine("address", "add", "10.3.0.1/24", "dev", "br-now")
		inMachine("link", "set", "br-now", "up")
		becomes(t, client, 200, "once it is up")
		inMachine("link", "set", "br-now", "down")
		becomes(t, client, 403, "while it is down")
		inMachine("link", "set", "br-now", "up")
		becomes(t, client, 200, "when it is up again")
		inMachine("address", "delete", "10.3.0.1/24", "dev", "br-now")
		becomes(t, client, 403, "without its address")
		inMachine("address", "add", "10.3.0.1/24", "dev", "br-now")
		becomes(t, client, 200, "with its address")
		inMachine("link", "delete", "br-now")
		becomes(t, client, 403, "when it is deleted")
	})

	t.Run("tunnels", func(t *testing.T) {
		vpn, _ := remote(t, "10.4.0")
		inMachine("tuntap", "add", "tap-vpn", "mode", "tap")
		inMachine("address", "add", "10.4.0.1/24", "dev", "tap-vpn")
		inMachine("link", "set", "tap-vpn", "up")

		overlay, _ := remote(t, "10.5.0")
		inMachine("link", "add", "vxlan0", "type", "vxlan", "id", "7", "dstport", "4789", "remote", lanIPv4)
		inMachine("address", "add", "10.5.0.1/24", "dev", "vxlan0")
		inMachine("link", "set", "vxlan0", "up")

		vm, _ := remote(t, "10.6.0")
		inMachine("tuntap", "add", "tap-vm", "mode", "tap", "vnet_hdr")
		inMachine("address", "add", "10.6.0.1/24", "dev", "tap-vm")
		inMachine("link", "set", "tap-vm", "up")
		becomes(t, vm, 200, "behind a virtual machine's tap") // the last one: the daemon has seen the others before
		for name, client := range map[string]*http.Client{"a VPN's tap": vpn, "an overlay": overlay} {
			if got := get(client, url); got.status != 403 {
				t.Errorf("behind %s: %d", name, got.status)
			}
		}
	})

	if log := strings.Join(d.logged(), "\n"); strings.Contains(log, "network interfaces") {
		t.Errorf("the daemon needed more than the kernel's events:\n%s", log)
	}
}

// linkLocal waits for an interface's link-local IPv6 address, which the kernel adds, and returns it and the interface's number.
func linkLocal(t *testing.T, n netns, name string) (address string, index int) {
	t.Helper()
	look := func() error {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		index = i.Index
		addrs, err := i.Addrs()
		for _, a := range addrs {
			if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() == nil && ip.IP.IsLinkLocalUnicast() {
				address = ip.IP.String()
			}
		}
		return err
	}
	testutil.Eventually(t, name+" has a link-local address", func() bool {
		if err := n.inside(look); err != nil {
			t.Fatal(err)
		}
		return address != ""
	})
	return address, index
}
