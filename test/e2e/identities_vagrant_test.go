//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/test/stsfake"
)

// vagrantBox is a virtual machine that reaches 169.254.169.254 by nat.sh.
type vagrantBox struct {
	netns
	address, instance, role string
}

// TestIdentities_VagrantBoxesAreInstancesOfTheirOwn runs three boxes with the addresses of a private network of Vagrant, and one
// that the configuration does not name. Their clients have no configuration.
func TestIdentities_VagrantBoxesAreInstancesOfTheirOwn(t *testing.T) {
	needClients(t)
	needFile(t, "/usr/bin/ec2-metadata", "amazon-ec2-utils")
	needFile(t, "/usr/lib/python3/dist-packages/cloudinit", "cloud-init")
	host := newNamespace(t, "host")
	mustIP(t, "-n", string(host), "link", "add", "vboxnet0", "type", "bridge")
	mustIP(t, "-n", string(host), "address", "add", "192.168.56.1/24", "dev", "vboxnet0")
	mustIP(t, "-n", string(host), "link", "set", "vboxnet0", "up")
	boxes := []vagrantBox{
		{address: "192.168.56.11", instance: "i-0aaaaaaaaaaaaaaaa", role: "db"},
		{address: "192.168.56.12", instance: "i-0bbbbbbbbbbbbbbbb", role: "web"},
		{address: "192.168.56.13", instance: "i-0cccccccccccccccc"},
		{address: "192.168.56.14", instance: instanceID, role: "myrole"},
	}
	for i := range boxes {
		b := &boxes[i]
		b.netns = newNamespace(t, fmt.Sprintf("box%d", i))
		end := fmt.Sprintf("vnet%d", i)
		mustIP(t, "-n", string(host), "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", string(b.netns))
		mustIP(t, "-n", string(host), "link", "set", end, "master", "vboxnet0", "up")
		mustIP(t, "-n", string(b.netns), "address", "add", b.address+"/24", "dev", "eth0")
		mustIP(t, "-n", string(b.netns), "link", "set", "eth0", "up")
		b.route(t, "default", "via", "192.168.56.1")
		b.route(t, serviceIPv4, "via", "192.168.56.1")
		for _, half := range []string{"0.0.0.0/1", "128.0.0.0/1"} {
			b.route(t, "unreachable", half) // so that names, which nobody answers for, fail at once
		}
	}

	sts := stsfake.StartOn(t, host.listen(t, "192.168.56.1:0"))
	home := rolesHome(t, sts, []string{"db", "web"}, `ec2: {user_data: "#cloud-config"}
clients:
  - {from: 192.168.56.11, role: db, ec2: {instance_id: i-0aaaaaaaaaaaaaaaa, instance_type: m5.large, hostname: db.example.com}}
  - {from: 192.168.56.12, role: web, ec2: {instance_id: i-0bbbbbbbbbbbbbbbb, tags: {Name: web}, user_data: "#!/bin/sh"}}
  - {from: 192.168.56.13, role: none, ec2: {instance_id: i-0cccccccccccccccc}}
`)
	cmd := host.command(t, []string{"HOME=" + home, "AWS_ENDPOINT_URL_STS=" + sts.URL()}, buildDaemon(t), "--log-format", "json", "--listen", "0.0.0.0:5000")
	cmd.Dir = home
	follow(t, cmd)

	for i, b := range boxes {
		t.Run(b.address, func(t *testing.T) {
			natBox{t: t, box: b.netns, path: systemPath}.nat(nil, 0, "nat.sh: redirected 169.254.169.254:80 to 192.168.56.1:5000\n"+
				"nat.sh: the daemon answers at 192.168.56.1:5000\n", "")
			testVagrantBox(t, b, sts, i)
		})
	}
	// Still each its own, after all have asked.
	macs := map[string]string{}
	for _, b := range boxes {
		if got := b.get(t, "/latest/meta-data/instance-id"); got != b.instance {
			t.Errorf("%s is %s, want %s", b.address, got, b.instance)
		}
		mac := b.get(t, "/latest/meta-data/mac")
		if other, taken := macs[mac]; taken {
			t.Errorf("%s and %s have the MAC %s", b.address, other, mac)
		}
		macs[mac] = b.address
	}
}

// testVagrantBox runs clients in a box, by its number.
func testVagrantBox(t *testing.T, b vagrantBox, sts *stsfake.Server, number int) {
	b.prints(t, "instance-id: "+b.instance+"\n", "/usr/bin/ec2-metadata", "--instance-id")
	if document := b.get(t, "/latest/dynamic/instance-identity/document"); !strings.Contains(document, `"instanceId" : "`+b.instance+`"`) {
		t.Errorf("identity document: %s", document)
	}
	const url = "http://" + serviceIPv4 + "/"
	if b.role == "" {
		if status, _ := b.ask(t, url+rolesList); status != http.StatusNotFound {
			t.Errorf("the listing of roles: %d", status)
		}
		r := b.run(t, nil, whoByBoto3(sts.URL())...)
		if r.code == 0 || strings.Contains(r.stdout, "assumed-role") {
			t.Errorf("boto3 has credentials: %s", r.stdout)
		}
	} else {
		b.wantAnswer(t, url+rolesList, b.role)
		command := whoByBoto3(sts.URL())
		if number == 0 {
			command = whoByCLI(sts.URL())
		}
		b.wantWho(t, "", command, sessionOf(b.role, b.instance))
	}
	if number < 2 {
		got := b.cloudInit(t, "ec2e1916-9099-7caf-fd21-012345abcdef", cloudInitVersions[0])[0]
		if got.InstanceID != b.instance || got.Region != region {
			t.Errorf("cloud-init finds %+v", got)
		}
		want := [][]string{{"db.example.com", "#cloud-config"}, {"ip-10-0-0-10." + region + ".compute.internal", "#!/bin/sh"}}[number]
		if found := []string{got.Hostname, got.UserData}; !slices.Equal(found, want) {
			t.Errorf("cloud-init finds the name and user data %q, want %q", found, want)
		}
	}
}
