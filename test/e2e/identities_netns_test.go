//go:build e2e && linux

package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"mock-ec2-metadata/test/stsfake"
)

const (
	vmInstance  = "i-0aaaaaaaaaaaaaaaa"
	podInstance = "i-0bbbbbbbbbbbbbbbb"
)

// clientsByAddress are entries for the guests of newNetwork, and for all other clients.
const clientsByAddress = `clients:
  - from: [0.0.0.0/0, "::/0"]
    role: none
  - from: [10.244.0.0/16, "2001:db8::/32"]
    role: web
  - from: [10.244.1.2, "2001:db8:1::2"]
    role: jobs
    ec2: {instance_id: ` + vmInstance + `, instance_type: m5.large, tags: {Name: vm}}
  - from: [10.244.2.0/25, "2001:db8:2::/64"]
    role: web
    aws: {availability_zone: ap-southeast-2c}
    ec2: {instance_id: ` + podInstance + `, metadata_options: {http_tokens: required}}
`

// The daemon of newNetwork's machine as its guests see it.
const (
	vmURL, vmURL6   = "http://10.244.1.1:5000/", "http://[2001:db8:1::1]:5000/"
	podURL, podURL6 = "http://10.244.2.1:5000/", "http://[2001:db8:2::1]:5000/"
)

// TestIdentities_ClientsGetTheEntryOfTheirAddress asks by guests with addresses of their own, by IPv4 and IPv6.
func TestIdentities_ClientsGetTheEntryOfTheirAddress(t *testing.T) {
	needClients(t)
	machine, vm, pod := newNetwork(t)
	for guest, addresses := range map[netns][]string{
		vm:  {"10.244.1.3/24", "2001:db8:1::3/64"},
		pod: {"10.244.2.200/24", "198.18.76.2/30", "fd00:76::2/64"},
	} {
		for _, address := range addresses {
			args := []string{"-n", string(guest), "address", "add", address, "dev", "eth0"}
			if strings.Contains(address, ":") {
				args = append(args, "nodad", "preferred_lft", "0") // so that the kernel does not choose it
			}
			mustIP(t, args...)
		}
	}
	mustIP(t, "-n", string(machine), "address", "add", "198.18.76.1/30", "dev", "cni0")
	mustIP(t, "-n", string(machine), "address", "add", "fd00:76::1/64", "dev", "cni0", "nodad")

	sts := stsfake.StartOn(t, machine.listen(t, "10.244.1.1:0"))
	home := rolesHome(t, sts, []string{"web", "jobs"}, clientsByAddress)
	cmd := machine.command(t, []string{"HOME=" + home, "AWS_ENDPOINT_URL_STS=" + sts.URL()}, buildDaemon(t), "--log-format", "json", "--listen", "[::]:5000")
	cmd.Dir = home
	d := follow(t, cmd)

	t.Run("longest prefix", func(t *testing.T) {
		for _, tt := range []struct {
			n              netns
			url, from      string
			role, instance string
		}{
			{vm, vmURL, "10.244.1.2", "jobs", vmInstance},
			{vm, vmURL6, "2001:db8:1::2", "jobs", vmInstance},
			{vm, vmURL, "10.244.1.3", "web", instanceID},
			{vm, vmURL6, "2001:db8:1::3", "web", instanceID},
			{pod, podURL, "10.244.2.2", "web", podInstance},
			{pod, podURL6, "2001:db8:2::2", "web", podInstance},
			{pod, podURL, "10.244.2.200", "web", instanceID},
			{pod, "http://198.18.76.1:5000/", "198.18.76.2", "", instanceID},
			{pod, "http://[fd00:76::1]:5000/", "fd00:76::2", "", instanceID},
			{machine, "http://127.0.0.1:5000/", "127.0.0.1", "", instanceID},
			{machine, "http://[::1]:5000/", "::1", "", instanceID},
		} {
			options := append(withToken(tt.n.token(t, tt.url, "--interface", tt.from)), "--interface", tt.from)
			tt.n.wantAnswer(t, tt.url+"latest/meta-data/instance-id", tt.instance, options...)
			status, role := tt.n.ask(t, tt.url+rolesList, options...)
			if (status != http.StatusOK || role != tt.role) && (tt.role != "" || status != http.StatusNotFound) {
				t.Errorf("%s has the role %q (%d), want %q", tt.from, role, status, tt.role)
			}
			for _, other := range []string{"myrole", "web", "jobs"} {
				if status, _ := tt.n.ask(t, tt.url+rolesList+other, options...); (status == http.StatusOK) != (other == tt.role) {
					t.Errorf("%s gets %d for %s", tt.from, status, other)
				}
			}
		}
	})
	t.Run("clients", func(t *testing.T) {
		for name, tt := range map[string]struct {
			n         netns
			url, url6 string
			want      string
		}{
			"vm":  {vm, vmURL, vmURL6, sessionOf("jobs", vmInstance)},
			"pod": {pod, podURL, podURL6, sessionOf("web", podInstance)},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				tt.n.wantWho(t, tt.url, whoByCLI(sts.URL()), tt.want)
				tt.n.wantWho(t, tt.url, whoByBoto3(sts.URL()), tt.want)
				tt.n.wantWho(t, tt.url6, whoByBoto3(sts.URL()), tt.want)
			})
		}
	})
	t.Run("session tokens", func(t *testing.T) { testTokensOfInstances(t, vm, pod) })
	t.Run("identity document", func(t *testing.T) {
		cert := identityCert(t, home)
		verifyIdentity(t, vm.relay(t, "10.244.1.1:5000"), cert, `"instanceId" : "`+vmInstance+`"`)
		if _, document := vm.ask(t, vmURL+"latest/dynamic/instance-identity/document"); !strings.Contains(document, `"instanceType" : "m5.large"`) {
			t.Errorf("vm: %s", document)
		}
		_, document := pod.ask(t, podURL+"latest/dynamic/instance-identity/document", withToken(pod.token(t, podURL))...)
		for _, want := range []string{podInstance, "ap-southeast-2c", "t3.micro"} {
			if !strings.Contains(document, `" : "`+want+`"`) {
				t.Errorf("pod: no %s in %s", want, document)
			}
		}
	})
	t.Run("calls", func(t *testing.T) {
		// One session for each role and name of the session, which is the instance's id.
		for role, want := range map[string]int{"myrole": 1, "jobs": 1, "web": 2} {
			if got := callsFor(sts, role); got != want {
				t.Errorf("%d calls of STS for %s, want %d", got, role, want)
			}
		}
		d.waitFor(t, `"client":"10.244.1.2","method":"GET","path":"/latest/meta-data/iam/security-credentials/jobs","status":200`)
	})
}

// testTokensOfInstances checks that a session token is for its instance alone, and that one instance needs one.
func testTokensOfInstances(t *testing.T, vm, pod netns) {
	const path = "latest/meta-data/instance-id"
	ofVM, ofPod := vm.token(t, vmURL), pod.token(t, podURL)
	vm.wantAnswer(t, vmURL+path, vmInstance, withToken(ofVM)...)
	vm.wantAnswer(t, vmURL6+path, vmInstance, withToken(ofVM)...)
	vm.wantAnswer(t, vmURL+path, vmInstance) // IMDSv1
	pod.wantAnswer(t, podURL+path, podInstance, withToken(ofPod)...)
	for _, tt := range []struct {
		name    string
		n       netns
		url     string
		options []string
	}{
		{"pod without token", pod, podURL, nil},
		{"pod without token, by IPv6", pod, podURL6, nil},
		{"pod with the token of vm", pod, podURL, withToken(ofVM)},
		{"vm with the token of pod", vm, vmURL, withToken(ofPod)},
		{"vm's other address with the token of vm", vm, vmURL, append(withToken(ofVM), "--interface", "10.244.1.3")},
	} {
		if status, body := tt.n.ask(t, tt.url+path, tt.options...); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s, want 401", tt.name, status, body)
		}
	}
}

// relay makes an address of this machine that leads to one in a namespace.
func (n netns) relay(t *testing.T, address string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			far, err := n.dial(context.Background(), "", address)
			if err != nil {
				_ = c.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{c, far}, {far, c}} {
				go func() {
					_, _ = io.Copy(way[0], way[1])
					_, _ = way[0].Close(), way[1].Close()
				}()
			}
		}
	}()
	return "http://" + l.Addr().String() + "/"
}
