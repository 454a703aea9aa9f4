//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const composeProxy = "mock-ec2-metadata-socket-proxy:test"

// TestCompose_ServicesGetTheRolesOfTheirLabels runs the example with two roles, with Docker's socket and with the proxy between. It
// adds a service without a label, and one whose role is not allowed.
func TestCompose_ServicesGetTheRolesOfTheirLabels(t *testing.T) {
	docker := needEngine(t)
	findTool(t, "docker-compose", "docker-compose")
	if out, err := docker("network", "inspect", "ec2-metadata"); err == nil {
		t.Fatalf("there is a network ec2-metadata already; remove it first: docker network rm ec2-metadata\n%s", out)
	}
	scratchImage(t, docker, composeImage, "../../cmd/mock-ec2-metadata", "mock-ec2-metadata")
	scratchImage(t, docker, composeApp, "../clients/go-v2", "app")
	scratchImage(t, docker, composeProxy, "testdata/socketproxy", "socket-proxy")
	for name, files := range map[string][]string{
		"socket": {"compose.roles.yaml"},
		"proxy":  {"compose.roles.yaml", "compose.socket-proxy.yaml"},
	} {
		t.Run(name, func(t *testing.T) { testComposeRoles(t, docker, files) })
	}
}

func testComposeRoles(t *testing.T, docker dockerCLI, files []string) {
	l, err := net.Listen("tcp", net.JoinHostPort(bridgeAddress(t, docker), "0"))
	if err != nil {
		t.Fatal(err)
	}
	fake := stsfake.StartOn(t, l)
	roles := []string{"web", "jobs", "secret"}
	for _, role := range roles {
		fake.AddRole(arnOf(role))
	}
	dir := newHome(t, fake, instance+requireTokens+rolesBlock(roles)+"containers: {allow: [web, jobs]}\n")
	if err := os.CopyFS(filepath.Join(dir, "deploy/compose"), os.DirFS("../../deploy/compose")); err != nil {
		t.Fatal(err)
	}
	testutil.Write(t, filepath.Join(dir, "more.yaml"), `services:
  mock-ec2-metadata: {environment: {AWS_ENDPOINT_URL_STS: '`+fake.URL()+`'}}
  plain:
    image: `+composeApp+`
    networks: [metadata]
    depends_on: {mock-ec2-metadata: {condition: service_healthy}}
  secret:
    image: `+composeApp+`
    environment: {AWS_MAX_ATTEMPTS: "1"}
    labels: {`+roleLabel+`: secret}
    networks: [metadata]
    depends_on: {mock-ec2-metadata: {condition: service_healthy}}
`)
	give(t, dir, 1234)
	before := hostRoute(t)

	options := []string{"--project-name", composeName}
	for _, file := range files {
		options = append(options, "--file", "deploy/compose/"+file)
	}
	options = append(options, "--file", filepath.Join(dir, "more.yaml"))
	compose := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(findTool(t, "docker-compose", "docker-compose"), slices.Concat(options, args)...)
		cmd.Dir = dir
		cmd.Env = []string{
			"PATH=" + systemPath, "HOME=" + dir, "OWNER=1234:1234", "DOCKER_GID=" + engineGroup(t),
			"IMAGE=" + composeImage, "APP_IMAGE=" + composeApp, "PROXY_IMAGE=" + composeProxy,
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("docker-compose %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(compose("logs", "--no-color"))
		}
		compose("down", "--volumes")
	})
	compose("up", "--detach")
	// ended is what a service's program printed, and its exit code.
	ended := func(service string) (code, printed string) {
		t.Helper()
		id := compose("ps", "--quiet", service)
		code, err := docker("wait", id)
		printed, logErr := docker("logs", id)
		if err != nil || logErr != nil {
			t.Fatalf("%s: %v, %v", service, err, logErr)
		}
		return code, printed
	}
	for service, role := range map[string]string{"web": "web", "jobs": "jobs", "plain": "myrole"} {
		code, printed := ended(service)
		var got seen
		if err := json.Unmarshal([]byte(printed), &got); code != "0" || err != nil {
			t.Errorf("%s ended with %s, %v\n%s", service, code, err, printed)
			continue
		}
		credentials, _ := json.Marshal(got.Credentials)
		if who := ownerOf(t, fake, http.DefaultClient, string(credentials)); who != sessionOf(role, instanceID) || !strings.HasSuffix(got.Profile, ":instance-profile/"+role) {
			t.Errorf("%s is %s with the profile %s, want %s", service, who, got.Profile, role)
		}
	}
	if code, printed := ended("secret"); code == "0" || strings.Contains(printed, "credentials\":[") {
		t.Errorf("the service whose role is not allowed ended with %s\n%s", code, printed)
	}
	if got := callsFor(fake, "secret"); got != 0 {
		t.Errorf("%d calls of STS for the role that is not allowed", got)
	}

	daemon := compose("ps", "--quiet", "mock-ec2-metadata")
	const format = `{{with .HostConfig}}{{.Privileged}} {{.ReadonlyRootfs}} {{.CapAdd}} {{.CapDrop}} {{.SecurityOpt}}{{end}} {{.Config.User}}`
	if got, err := docker("inspect", "--format", format, daemon); err != nil || got != "false true [] [ALL] [no-new-privileges:true] 1234:1234" {
		t.Errorf("the daemon runs as %q, %v", got, err)
	}
	if slices.Contains(files, "compose.socket-proxy.yaml") {
		mounts, err := docker("inspect", "--format", `{{range .Mounts}}{{.Source}} {{end}}`, daemon)
		if err != nil || strings.Contains(mounts, "docker.sock") {
			t.Errorf("behind the proxy, the daemon has %s, %v", mounts, err)
		}
		if log := compose("logs", "--no-color", "socket-proxy"); strings.Contains(log, "refused") {
			t.Errorf("the proxy refuses requests of the daemon:\n%s", log)
		}
	}
	if after := hostRoute(t); after != before {
		t.Errorf("this machine's route to 169.254.169.254 changed from\n%sto\n%s", before, after)
	}
}

// engineGroup is the id of the group of the engine's socket.
func engineGroup(t *testing.T) string {
	t.Helper()
	info, err := os.Stat(strings.TrimPrefix(dockerEngine, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Gid))
}
