//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const dockerEngine = "unix:///var/run/docker.sock"

// TestIdentities_ContainersGetTheRolesThatTheyName runs containers that name roles by a label or a variable, and clients in them.
func TestIdentities_ContainersGetTheRolesThatTheyName(t *testing.T) {
	needClients(t)
	w := newContainerWorld(t, dockerEngine)
	w.start("identities-web", "--label", roleLabel+"=web")
	w.start("identities-jobs", "--label", roleLabel+"=jobs")
	web, jobs := w.enter("identities-web"), w.enter("identities-jobs")

	t.Run("two at the same time", func(t *testing.T) { testTwoContainers(t, w, web, jobs) })
	t.Run("variable", func(t *testing.T) {
		if env := w.must("image", "inspect", "--format", "{{json .Config.Env}}", locatorImage); env != "null" {
			t.Errorf("the image has the variables %s, want null", env)
		}
		w.start("identities-variable", "--env", "IAM_ROLE=jobs")
		w.start("identities-pattern", "--env", "IAM_ROLE="+arnOf("dev-7"))
		w.start("identities-both", "--env", "IAM_ROLE=jobs", "--label", roleLabel+"=web")
		w.start("identities-neither")
		w.start("identities-none", "--env", "IAM_ROLE=none")
		w.wantRole(w.enter("identities-variable"), "jobs")
		w.wantRole(w.enter("identities-both"), "web")
		w.wantRole(w.enter("identities-neither"), "myrole")
		pattern := w.enter("identities-pattern")
		w.wantRole(pattern, "dev-7")
		pattern.wantWho(t, w.url, whoByBoto3(w.sts.URL()), sessionOf("dev-7", instanceID))
		none := w.enter("identities-none")
		if status, _ := none.ask(t, w.url+rolesList); status != http.StatusNotFound {
			t.Errorf("the role none: %d, want 404", status)
		}
		none.wantAnswer(t, w.url+"latest/meta-data/instance-id", instanceID)
	})
	t.Run("role that is not allowed", func(t *testing.T) { testDeniedContainer(t, w) })
	t.Run("two networks", func(t *testing.T) { testTwoNetworks(t, w) })
	t.Run("unknown address", func(t *testing.T) { testUnknownAddress(t, w, web) })
	t.Run("host network", func(t *testing.T) {
		for _, host := range []string{"127.0.0.1", containersGateway, bridgeAddress(t, w.docker)} {
			got := w.create([]string{"--rm", "--network", "host", "--label", roleLabel + "=web"},
				"wget", "-q", "-O", "-", "http://"+net.JoinHostPort(host, w.port)+"/"+rolesList)
			if got != "myrole" {
				t.Errorf("at %s it has the role %q, want this machine's", host, got)
			}
		}
	})
	t.Run("this machine", func(t *testing.T) {
		if _, got := fetch(t, w.url+rolesList); got != "myrole" {
			t.Errorf("it has the role %q", got)
		}
	})
	for role, want := range map[string]int{"myrole": 1, "web": 1, "jobs": 1, "dev-7": 1, "secret": 0} {
		if got := callsFor(w.sts, role); got != want {
			t.Errorf("%d calls of STS for %s, want %d", got, role, want)
		}
	}
}

// testTwoContainers runs clients in both containers at once.
func testTwoContainers(t *testing.T, w *containerWorld, web, jobs netns) {
	t.Run("clients", func(t *testing.T) { // ends with all of them
		for role, n := range map[string]netns{"web": web, "jobs": jobs} {
			for tool, command := range map[string][]string{"aws-cli": whoByCLI(w.sts.URL()), "boto3": whoByBoto3(w.sts.URL())} {
				t.Run(tool+" as "+role, func(t *testing.T) {
					t.Parallel()
					n.wantWho(t, w.url, command, sessionOf(role, instanceID))
				})
			}
			t.Run("curl as "+role, func(t *testing.T) {
				t.Parallel()
				const times = 200
				got := n.output(t, nil, append([]string{"curl", "-qfsS"}, slices.Repeat([]string{w.url + rolesList}, times)...)...)
				if got != strings.Repeat(role, times) {
					t.Errorf("%d answers are not all %s: %s", times, role, got)
				}
			})
		}
	})
	for name, tt := range map[string]struct {
		n     netns
		other string
	}{"web": {web, "jobs"}, "jobs": {jobs, "web"}} {
		w.wantRole(tt.n, name)
		for _, other := range []string{tt.other, "myrole", "secret"} {
			if status, body := tt.n.ask(t, w.url+rolesList+other); status != http.StatusNotFound {
				t.Errorf("%s gets %s: %d %s", name, other, status, body)
			}
		}
		if _, info := tt.n.ask(t, w.url+"latest/meta-data/iam/info"); !strings.Contains(info, ":instance-profile/"+name+`"`) {
			t.Errorf("iam/info of %s: %s", name, info)
		}
		var status struct {
			Role       string
			Identities []json.RawMessage
		}
		if _, body := tt.n.ask(t, w.url+"status"); json.Unmarshal([]byte(body), &status) != nil || status.Role != name || len(status.Identities) > 0 ||
			strings.Contains(body, tt.other) {
			t.Errorf("the status for %s: %s", name, body)
		}
	}
}

// testDeniedContainer checks what containers get that name a role that containers.allow does not have.
func testDeniedContainer(t *testing.T, w *containerWorld) {
	for _, tt := range []struct{ name, listed, option, value, source string }{
		{name: "secret", listed: "secret", option: "--label", value: roleLabel + "=secret", source: "label " + roleLabel},
		{name: arnOf("prod"), listed: "prod", option: "--env", value: "IAM_ROLE=" + arnOf("prod"), source: "variable IAM_ROLE"},
	} {
		container := "identities-denied-" + tt.listed
		w.start(container, tt.option, tt.value)
		n := w.enter(container)
		n.wantAnswer(t, w.url+rolesList, tt.listed)
		for range 3 {
			status, body := n.ask(t, w.url+rolesList+tt.listed)
			var document struct{ Code, Message, AccessKeyID string }
			if err := json.Unmarshal([]byte(body), &document); err != nil || status != http.StatusOK || document.Code != "AccessDenied" || document.AccessKeyID != "" {
				t.Errorf("the document of %s: %d %s", tt.listed, status, body)
			}
			if want := tt.source + ` names the role "` + tt.name + `", which containers.allow does not permit; add it there`; document.Message != want {
				t.Errorf("its message is %q, want %q", document.Message, want)
			}
		}
		n.wantAnswer(t, w.url+"latest/meta-data/instance-id", instanceID)
		n.wantAnswer(t, w.url+"latest/meta-data/placement/region", region)
		n.wantAnswer(t, w.url+"latest/meta-data/instance-id", instanceID, withToken(n.token(t, w.url))...)
		if lines := w.daemon.logLines(`"container":"container ` + container + `"`); len(lines) != 1 || !strings.Contains(lines[0], `"hint":"add it to containers.allow"`) {
			t.Errorf("the log has of %s\n%s", container, strings.Join(lines, "\n"))
		}
		if r := n.run(t, []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + w.url}, whoByBoto3(w.sts.URL())...); r.code == 0 || strings.Contains(r.stdout, "assumed-role") {
			t.Errorf("boto3 has credentials: %s", r.stdout)
		}
	}
}

// testTwoNetworks connects a container to a second network, and asks from each of its addresses.
func testTwoNetworks(t *testing.T, w *containerWorld) {
	w.start("identities-two", "--label", roleLabel+"=web")
	w.must("network", "connect", "bridge", "identities-two")
	n := w.enter("identities-two")
	kinds := 0
	for _, address := range addressesOf(t, w.must, "identities-two") {
		host := containersGateway
		switch ip := net.ParseIP(address); {
		case ip.IsLinkLocalUnicast():
			continue
		case ip.To4() == nil && strings.HasPrefix(address, "fd00:5ca1:ab1f:"):
			host = containersGateway6
		case ip.To4() == nil:
			continue // of the default network, if that has IPv6
		case !strings.HasPrefix(address, "172.31.250."):
			host = bridgeAddress(t, w.docker)
		}
		kinds++
		n.wantAnswer(t, "http://"+net.JoinHostPort(host, w.port)+"/"+rolesList, "web", "--interface", address)
	}
	if kinds != 3 {
		t.Errorf("it asked from %d addresses, want 3", kinds)
	}
	n.wantWho(t, "http://"+net.JoinHostPort(containersGateway6, w.port)+"/", whoByBoto3(w.sts.URL()), sessionOf("web", instanceID))
}
