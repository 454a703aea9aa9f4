//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

const podIdentityIPv6 = "fd00:ec2::23"

// servicesBlock enables both services for containers.
const servicesBlock = "ecs: {enabled: true}\npod_identity: {enabled: true, verify: none}\n"

// wantOwn compares the addresses of the interface mock-imds.
func (n netns) wantOwn(t *testing.T, addresses ...string) {
	t.Helper()
	var got []string
	for line := range strings.Lines(n.output(t, nil, "ip", "-o", "address", "show", "dev", ownInterface)) {
		address, _, _ := strings.Cut(strings.Fields(line)[3], "/")
		got = append(got, address)
	}
	slices.Sort(got)
	slices.Sort(addresses)
	if !slices.Equal(got, addresses) {
		t.Errorf("%s has %q, want %q", ownInterface, got, addresses)
	}
}

// answer gets the status and the body of a URL by curl.
func (n netns) answer(t *testing.T, url string) string {
	t.Helper()
	return n.run(t, nil, "curl", "-qsSg", "--max-time", "5", "-w", " %{http_code}", url).stdout
}

// The answers of the services to requests without an id or a token.
const (
	ecsWithoutID         = `{"code":"NoIdInRequest","message":"CredentialsV2Request: No Credential ID in the request","HTTPErrorCode":400} 400`
	podIdentityWithoutID = "Service account token cannot be empty\n 400"
)

// TestLinkLocal_ServesContainersAtTheirAddresses has both services on, and asks each at its own addresses.
func TestLinkLocal_ServesContainersAtTheirAddresses(t *testing.T) {
	needTools(t)
	machine := newNamespace(t, "machine")
	before := machine.state(t)
	d := machine.serveLinkLocal(t, mockHome(t, servicesBlock))
	machine.wantOwn(t, serviceIPv4, serviceIPv6, ecsAddress, podIdentityAddress, podIdentityIPv6)
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", machine.helper(t, d)))
	if want := "mock-ec2-metadata\x00route\x00hold\x00ecs\x00pod-identity\x00"; err != nil || string(line) != want {
		t.Errorf("the helper is %q, %v", line, err)
	}
	for url, want := range map[string]string{
		"http://169.254.170.2/v2/credentials/":  ecsWithoutID,
		"http://169.254.170.23/v1/credentials":  podIdentityWithoutID,
		"http://[fd00:ec2::23]/v1/credentials":  podIdentityWithoutID,
		"http://169.254.170.2/latest/":          "404 page not found\n 404",
		"http://169.254.170.23/v2/credentials/": "404 page not found\n 404",
	} {
		if got := machine.answer(t, url); got != want {
			t.Errorf("%s answers %q, want %q", url, got, want)
		}
	}
	if got := machine.run(t, nil, buildDaemon(t), "route", "status", "--set", "ecs.enabled=true"); got.code != 0 ||
		!strings.HasSuffix(got.stdout, "ECS answers at http://169.254.170.2/\n") {
		t.Errorf("route status: %+v", got)
	}
	d.stop(t)
	machine.want(t, "after the end", before)
}

// TestLinkLocal_ServesContainersWithoutIPv6 disables IPv6 on the machine.
func TestLinkLocal_ServesContainersWithoutIPv6(t *testing.T) {
	needTools(t)
	machine := newNamespace(t, "machine")
	for _, scope := range []string{"all", "default"} {
		machine.kernel(t, "ipv6/conf/"+scope+"/disable_ipv6", "1")
	}
	d := machine.serveLinkLocal(t, mockHome(t, servicesBlock))
	machine.wantOwn(t, serviceIPv4, ecsAddress, podIdentityAddress)
	const notice = `msg="not listening at an address of containers" key=pod_identity.listen ` +
		`error="listen tcp [fd00:ec2::23]:80: bind: cannot assign requested address" ` +
		`hint="to put the address on this machine and listen there, start as root with --link-local; where IPv6 is off, leave it out of pod_identity.listen"`
	if log := d.logged(); strings.Count(log, notice) != 1 || strings.Count(log, "not listening at") != 1 {
		t.Errorf("the log has not one notice about IPv6:\n%s", log)
	}
	if got := machine.answer(t, "http://169.254.170.23/v1/credentials"); got != podIdentityWithoutID {
		t.Errorf("Pod Identity answers %q", got)
	}
	d.stop(t)
}

// TestRoute_AddsWhatIsEnabledLater adds the services' addresses to those that are in place, and removes all of them.
func TestRoute_AddsWhatIsEnabledLater(t *testing.T) {
	needTools(t)
	machine := newNamespace(t, "machine")
	before := machine.state(t)
	home := mockHome(t, "")
	run := func(args ...string) result {
		t.Helper()
		cmd := machine.command(t, []string{"HOME=" + home}, append([]string{buildDaemon(t), "route"}, args...)...)
		cmd.Dir = home
		return finish(t, cmd)
	}
	if got := run("add"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	machine.wantOwn(t, serviceIPv4, serviceIPv6)
	machine.serve(t, home, listenIPv4)
	testutil.Eventually(t, "the daemon answers", func() bool { return run("status").code == 0 })

	kind := strings.Contains(machine.places(t), "dummy")
	where := map[bool]string{true: " is on mock-imds (dummy)\n", false: " is on mock-imds (bridge)\n"}[kind]
	daemon := "mock-ec2-metadata answers there: i-0123456789abcdef0 with role myrole (conf/config.yaml)\n"
	const silent = "nothing answers as ECS at http://169.254.170.2/; start or restart the daemon with ecs.enabled: true and 169.254.170.2:80 in ecs.listen\n"
	const missing = "nothing answers as ECS at http://169.254.170.2/; restart the daemon if it has --link-local, else put the address in place with: sudo mock-ec2-metadata route add\n"
	wantRun(t, run("status", "--set", "ecs.enabled=true"), 1, machine.places(t)+"169.254.170.2 is on no interface of this machine\n"+daemon, "mock-ec2-metadata: "+missing)
	for range 2 {
		wantRun(t, run("add", "--set", "ecs.enabled=true"), 0, machine.places(t)+"169.254.170.2"+where+daemon+silent, "")
		machine.wantOwn(t, serviceIPv4, serviceIPv6, ecsAddress)
	}
	wantRun(t, run("status"), 0, machine.places(t)+"169.254.170.2"+where+daemon, "") // left by another configuration
	wantRun(t, run("remove"), 0, "removed 169.254.169.254, fd00:ec2::254 and 169.254.170.2\n", "")
	machine.want(t, "after remove", before)
	wantRun(t, run("remove"), 0, "there was nothing to remove\n", "")
}

// TestRoute_HidesNoAgent has an agent of ECS and one of EKS where a machine would have them. Nothing is changed.
func TestRoute_HidesNoAgent(t *testing.T) {
	needTools(t)
	bin, home := buildDaemon(t), mockHome(t, servicesBlock)
	refused := func(t *testing.T, machine netns, want string) {
		t.Helper()
		before := machine.state(t)
		for doing, args := range map[string][]string{"route add": {"route", "add"}, "--link-local": {"serve", "--link-local"}} {
			cmd := machine.command(t, []string{"HOME=" + home}, append([]string{bin}, args...)...)
			cmd.Dir = home
			wantRun(t, finish(t, cmd), 1, "", "mock-ec2-metadata: "+strings.ReplaceAll(want, "DOING", doing)+"\n")
		}
		machine.want(t, "after the refusal", before)
	}
	agent := func(t *testing.T, address, path, body string) netns {
		machine, vm, _ := newNetwork(t)
		machine.own(t, address)
		l := machine.listen(t, address+":80")
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != path {
				http.NotFound(w, r)
				return
			}
			http.Error(w, body, http.StatusBadRequest)
		})}
		go func() { _ = s.Serve(l) }()
		t.Cleanup(func() { _ = s.Close() })
		testutil.Eventually(t, "it answers", func() bool { return vm.run(t, nil, "curl", "-qsS", "--max-time", "2", "http://"+address+"/").code == 0 })
		return vm
	}
	t.Run("ECS", func(t *testing.T) {
		refused(t, agent(t, ecsAddress, "/v2/credentials/", `{"code":"NoIdInRequest"}`),
			"a real ECS agent, or an imitation, already answers at http://169.254.170.2/, and DOING would hide it from this machine; stop it, or set ecs.enabled: false")
	})
	t.Run("EKS", func(t *testing.T) {
		refused(t, agent(t, podIdentityAddress, "/v1/credentials", "Service account token cannot be empty"),
			"a real agent of EKS Pod Identity, or an imitation, already answers at http://169.254.170.23/, and DOING would hide it from this machine; stop it, or set pod_identity.enabled: false")
	})
	t.Run("another program", func(t *testing.T) {
		refused(t, agent(t, ecsAddress, "/", ""),
			"http://169.254.170.2/status answers 404 Not Found, but not as mock-ec2-metadata does; stop it, or set ecs.enabled: false")
	})
	t.Run("on another interface", func(t *testing.T) {
		refused(t, newSite(t, podIdentityAddress),
			"169.254.170.23 is already on the interface lo; remove it there first: ip address delete 169.254.170.23/32 dev lo")
	})
}
