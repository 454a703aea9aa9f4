//go:build e2e && linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestRoute_AddsShowsAndRemovesTheAddresses runs the route commands for a daemon without --link-local.
func TestRoute_AddsShowsAndRemovesTheAddresses(t *testing.T) {
	needTools(t)
	machine := newNamespace(t, "machine")
	bin, home := buildDaemon(t), mockHome(t, "")
	before := machine.state(t)
	command := func(code int, stdout, stderr string, args ...string) {
		t.Helper()
		cmd := machine.command(t, []string{"HOME=" + home}, append([]string{bin, "route"}, args...)...)
		cmd.Dir = home
		wantRun(t, finish(t, cmd), code, stdout, stderr)
	}
	command(0, "there was nothing to remove\n", "", "remove")
	command(1, "169.254.169.254 is on no interface of this machine\nfd00:ec2::254 is on no interface of this machine\n",
		"mock-ec2-metadata: nothing answers at http://169.254.169.254/status: dial tcp 169.254.169.254:80: connect: network is unreachable; to put a daemon there: sudo mock-ec2-metadata serve --link-local\n", "status")
	command(0, "# by netlink, without these programs:\nip link add mock-imds type dummy\nip link set mock-imds addrgenmode none\nip link set mock-imds up\n"+
		"ip address add 169.254.169.254/32 dev mock-imds\nip address add fd00:ec2::254/128 dev mock-imds nodad\n", "", "add", "--dry-run")
	machine.want(t, "after a dry run", before)

	const advice = "nothing answers there yet. Start the daemon there; port 80 needs root, which it drops, or CAP_NET_BIND_SERVICE:\n" +
		"  sudo mock-ec2-metadata serve --listen 127.0.0.1:5000 --listen 169.254.169.254:80 --listen '[fd00:ec2::254]:80'\n"
	for range 2 {
		cmd := machine.command(t, []string{"HOME=" + home}, bin, "route", "add", "--listen", "127.0.0.1:5000")
		wantRun(t, finish(t, cmd), 0, machine.placesAfter(t)+advice, "")
		machine.wantOneOfEach(t)
	}
	command(1, machine.places(t), "mock-ec2-metadata: nothing answers at http://169.254.169.254/status: dial tcp 169.254.169.254:80: connect: connection refused; the address is in place, so start the daemon there: sudo mock-ec2-metadata serve --listen 0.0.0.0:5000 --listen 169.254.169.254:80 --listen '[fd00:ec2::254]:80'\n", "status")
	const answers = "mock-ec2-metadata answers there: i-0123456789abcdef0 with role myrole (conf/config.yaml)\n"
	t.Run("with a daemon", func(t *testing.T) {
		machine.serve(t, home, "127.0.0.1:5000", listenIPv4, listenIPv6)
		command(0, machine.places(t)+answers, "", "status")
		command(0, machine.places(t)+answers, "", "add")
	})
	t.Run("with another program", func(t *testing.T) {
		serveAs(t, machine.listen(t, listenIPv4), "Other")
		command(1, machine.places(t), `mock-ec2-metadata: http://169.254.169.254/status answers 404 Not Found, but not as mock-ec2-metadata does (it is "Other"); stop it, since clients ask there`+"\n", "add")
	})
	// The address of a daemon with --link-local stays.
	d := machine.serveLinkLocal(t, home)
	helper := machine.helper(t, d)
	held := fmt.Sprintf("mock-ec2-metadata: process %d holds 169.254.169.254, as a daemon with --link-local does; stop that first\n", helper)
	command(1, "", held, "remove")
	command(1, "", held, "add")
	d.stop(t) // it took over what was there
	machine.want(t, "after the daemon", before)

	command(0, machine.placesAfter(t)+strings.Replace(advice, "127.0.0.1:5000", "0.0.0.0:5000", 1), "", "add")
	command(0, "removed 169.254.169.254 and fd00:ec2::254\n", "", "remove")
	machine.want(t, "after remove", before)
	t.Run("another mock is there", func(t *testing.T) {
		site := newSite(t, serviceIPv4)
		serveAs(t, site.listen(t, listenIPv4), "Mock/1.0")
		wantRun(t, site.run(t, nil, bin, "route", "add"), 1, "", `mock-ec2-metadata: http://169.254.169.254/status answers 404 Not Found, but not as mock-ec2-metadata does (it is "Mock/1.0"); stop it, or leave out route add`+"\n")
		wantRun(t, site.run(t, nil, bin, "route", "status"), 1, "169.254.169.254 is on lo (device)\nfd00:ec2::254 is on no interface of this machine\n",
			`mock-ec2-metadata: http://169.254.169.254/status answers 404 Not Found, but not as mock-ec2-metadata does (it is "Mock/1.0")`+"\n")
	})
}

// places is what route prints when the addresses are in place. The kernel may lack dummy interfaces.
func (n netns) places(t *testing.T) string {
	t.Helper()
	kind := "bridge"
	if strings.Contains(n.output(t, nil, "ip", "-d", "link", "show", "dev", ownInterface), "dummy") {
		kind = "dummy"
	}
	return strings.ReplaceAll("169.254.169.254 is on mock-imds (KIND)\nfd00:ec2::254 is on mock-imds (KIND)\n", "KIND", kind)
}

// placesAfter is what places will be when the interface is there.
func (n netns) placesAfter(t *testing.T) string {
	t.Helper()
	kind := "bridge"
	other := newNamespace(t, "kind")
	if other.run(t, nil, "ip", "link", "add", "any", "type", "dummy").code == 0 {
		kind = "dummy"
	}
	return strings.ReplaceAll("169.254.169.254 is on mock-imds (KIND)\nfd00:ec2::254 is on mock-imds (KIND)\n", "KIND", kind)
}
