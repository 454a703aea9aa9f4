//go:build e2e && linux

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// policyRoutes are the scripts of amazon-ec2-net-utils for one interface, which write files for systemd-networkd.
type policyRoutes struct {
	site     netns
	dir, nic string
}

// newPolicyRoutes gives the site an interface as DHCP and router advertisements would have left it.
func (n netns) newPolicyRoutes(t *testing.T, name, mac string, addresses ...string) policyRoutes {
	t.Helper()
	needFile(t, "/usr/bin/setup-policy-routes", "amazon-ec2-net-utils")
	n.attach(t, name, mac)
	for _, address := range addresses {
		mustIP(t, "-n", string(n), "address", "add", address, "dev", name)
	}
	return policyRoutes{n, t.TempDir(), name}
}

// attach gives the site a further network interface.
func (n netns) attach(t *testing.T, name, mac string) {
	t.Helper()
	mustIP(t, "-n", string(n), "link", "add", name, "address", mac, "type", "veth", "peer", "name", name+"-peer")
	for _, end := range []string{name, name + "-peer"} {
		mustIP(t, "-n", string(n), "link", "set", end, "up")
	}
}

// attached runs what the interface's unit runs at the attachment, refreshed what its timer runs.
func (p policyRoutes) attached(t *testing.T) { p.start(t, "EC2_IF_INITIAL_SETUP=true") }

func (p policyRoutes) refreshed(t *testing.T) { p.start(t) }

func (p policyRoutes) start(t *testing.T, env ...string) {
	t.Helper()
	script, err := filepath.Abs("testdata/policyroutes.sh")
	if err != nil {
		t.Fatal(err)
	}
	p.site.output(t, env, script, p.dir, p.nic)
}

// file is one of the files for systemd-networkd; "" if it is not there.
func (p policyRoutes) file(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(p.dir, "run/systemd/network/70-"+p.nic+".network.d", name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(content)
}

// values are those of a key in one of the files.
func (p policyRoutes) values(t *testing.T, name, key string) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(p.file(t, name)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+"="); ok {
			all = append(all, value)
		}
	}
	return all
}

func (p policyRoutes) want(t *testing.T, name, key string, want ...string) {
	t.Helper()
	if got := p.values(t, name, key); !slices.Equal(got, want) {
		t.Errorf("%s of %s is %q, want %q; the file is\n%s", key, name, got, want, p.file(t, name))
	}
}

// TestEvents_NetUtilsConfigureTheAttachedInterface attaches an interface with a partial phase. The scripts get through it, and the
// refresh by their timer completes the configuration.
func TestEvents_NetUtilsConfigureTheAttachedInterface(t *testing.T) {
	site := newSite(t, serviceIPv4)
	s := site.simulate(t, mockHome(t, instance), listenIPv4)
	s.event(t, "n", `{"network":"attach","interface":`+attachment+`,"lag":"8s"}`)
	p := site.newPolicyRoutes(t, "eth2", mac2, "10.20.3.10/24", "2001:db8:20:102::10/64")

	p.attached(t)
	if early := p.values(t, "ec2net_policy_6.conf", "From"); len(early) > 0 {
		t.Errorf("there are rules for %q while the attachment is partial", early)
	}
	s.wait(t, "n", "complete")
	p.refreshed(t)
	p.want(t, "ec2net_alias.conf", "Address", "10.20.3.11/32")
	p.want(t, "ec2net_policy_4.conf", "From", "10.20.3.10", "10.20.3.11", "10.20.3.32/28")
	p.want(t, "ec2net_policy_6.conf", "From", "2001:db8:20:102::10")
	for _, name := range []string{"ec2net_policy_4.conf", "ec2net_policy_6.conf"} {
		if tables := slices.Compact(p.values(t, name, "Table")); !slices.Equal(tables, []string{"10002"}) {
			t.Errorf("the tables of %s are %q, want that of device 2", name, tables)
		}
	}

	s.event(t, "ip", `{"network":"add-ip","address":"10.20.3.12","mac":"`+mac2+`"}`)
	p.refreshed(t)
	p.want(t, "ec2net_alias.conf", "Address", "10.20.3.11/32", "10.20.3.12/32")
	s.call(t, "DELETE", "/v1/events/ip", "", 204)
	p.refreshed(t)
	p.want(t, "ec2net_alias.conf", "Address", "10.20.3.11/32")
}

// TestEvents_NetUtilsConfigureTheInterfaceOfTheFile needs no event.
func TestEvents_NetUtilsConfigureTheInterfaceOfTheFile(t *testing.T) {
	site := newSite(t, serviceIPv4)
	site.serve(t, mockHome(t, instance), listenIPv4)
	p := site.newPolicyRoutes(t, "eth1", mac1, "10.20.2.10/24", "2001:db8:20:101::10/64")
	p.attached(t)
	p.want(t, "ec2net_alias.conf", "Address", "10.20.2.11/32")
	p.want(t, "ec2net_policy_4.conf", "From", "10.20.2.10", "10.20.2.11", "10.20.2.32/28")
	p.want(t, "ec2net_policy_6.conf", "From", "2001:db8:20:101::10", "2001:db8:20:101:a::/80")
	p.want(t, "eni.conf", "RouteMetric", "522", "522")
	if names := site.output(t, nil, "ip", "link", "show", "dev", "eth1"); !strings.Contains(names, "altname eni-0b0b0b0b0b0b0b0b0") || !strings.Contains(names, "altname device-number-1") {
		t.Errorf("the names of eth1 are\n%s", names)
	}
}
