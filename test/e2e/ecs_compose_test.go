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
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	ecsApp   = "mock-ec2-metadata-ecs-app:test"
	ecsToken = "a-token-of-containers"
)

// moreECSServices adds EKS Pod Identity, a service that starts before the daemon, and one without the token.
const moreECSServices = `services:
  mock-ec2-metadata:
    environment: {AWS_ENDPOINT_URL_STS: "FAKE"}
    networks: {ecs: {link_local_ips: [169.254.170.23]}}
    depends_on: [early]
  early:
    image: ` + ecsApp + `
    networks: [ecs]
  stranger:
    image: ` + ecsApp + `
    environment: {AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: /role/web, AWS_MAX_ATTEMPTS: "1"}
    networks: [ecs]
    depends_on: {mock-ec2-metadata: {condition: service_healthy}}
`

// TestComposeECS_ServicesAreContainersOfATask runs the example, with clients that know ECS' variables only.
func TestComposeECS_ServicesAreContainersOfATask(t *testing.T) {
	docker := needEngine(t)
	findTool(t, "docker-compose", "docker-compose")
	for _, network := range []string{"ec2-metadata", "ecs-metadata"} {
		if out, err := docker("network", "inspect", network); err == nil {
			t.Fatalf("there is a network %s already; remove it first: docker network rm %[1]s\n%s", network, out)
		}
	}
	scratchImage(t, docker, composeImage, "../../cmd/mock-ec2-metadata", "mock-ec2-metadata")
	scratchImage(t, docker, ecsApp, "testdata/ecsapp", "app")
	l, err := net.Listen("tcp", net.JoinHostPort(bridgeAddress(t, docker), "0"))
	if err != nil {
		t.Fatal(err)
	}
	fake := stsfake.StartOn(t, l)
	dir := rolesHome(t, fake, []string{"web", "jobs"}, `ecs: {containers: {web: {name: web}, jobs: {name: jobs}}}
pod_identity: {enabled: true, listen: ["169.254.170.23:80"], verify: jwks, jwks: keys.json, issuer: "https://issuer.example"}
`)
	testutil.Write(t, filepath.Join(dir, "conf/keys.json"), `{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	if err := os.CopyFS(filepath.Join(dir, "deploy/compose"), os.DirFS("../../deploy/compose")); err != nil {
		t.Fatal(err)
	}
	testutil.Write(t, filepath.Join(dir, "more.yaml"), strings.Replace(moreECSServices, "FAKE", fake.URL(), 1))
	give(t, dir, 1234)
	before := hostRoute(t)

	options := []string{"--project-name", composeName, "--file", "deploy/compose/compose.ecs.yaml", "--file", filepath.Join(dir, "more.yaml")}
	compose := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(findTool(t, "docker-compose", "docker-compose"), slices.Concat(options, args)...)
		cmd.Dir = dir
		cmd.Env = []string{
			"PATH=" + systemPath, "HOME=" + dir, "OWNER=1234:1234", "IMAGE=" + composeImage, "APP_IMAGE=" + ecsApp, "ECS_TOKEN=" + ecsToken,
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
	for _, name := range []string{"web", "jobs"} {
		code, printed := ended(name)
		var got struct {
			Source                       string
			Credentials                  map[string]string
			Container, Task, PodIdentity string
		}
		if err := json.Unmarshal([]byte(printed), &got); code != "0" || err != nil {
			t.Errorf("%s ended with %s, %v\n%s", name, code, err, printed)
			continue
		}
		keys, _ := json.Marshal([]string{got.Credentials["AccessKeyId"], got.Credentials["SecretAccessKey"], got.Credentials["Token"]})
		if who := ownerOf(t, fake, http.DefaultClient, string(keys)); got.Source != "CredentialsEndpointProvider" || who != sessionOf(name, instanceID) {
			t.Errorf("%s is %s by %s", name, who, got.Source)
		}
		if !strings.HasPrefix(got.Container, "200 {") || !strings.Contains(got.Container, `"Name":"`+name+`"`) {
			t.Errorf("the container of %s is %s", name, got.Container)
		}
		if !strings.HasPrefix(got.Task, "200 {") || !strings.Contains(got.Task, `"Name":"web"`) || !strings.Contains(got.Task, `"Name":"jobs"`) {
			t.Errorf("the task of %s is %s", name, got.Task)
		}
		if got.PodIdentity != "400 Service account token cannot be empty\n" {
			t.Errorf("EKS Pod Identity answers %s with %s", name, got.PodIdentity)
		}
	}
	if code, printed := ended("stranger"); code == "0" || !strings.Contains(printed, "Unauthorized") {
		t.Errorf("a service without the token ended with %s\n%s", code, printed)
	}
	if log := compose("logs", "--no-color", "mock-ec2-metadata"); strings.Contains(log, ecsToken) {
		t.Error("the daemon's log has the token")
	}
	// Another service that starts first does not get the daemon's address.
	const address = `{{(index .NetworkSettings.Networks "ecs-metadata").IPAddress}}`
	if got, err := docker("inspect", "--format", address, compose("ps", "--quiet", "mock-ec2-metadata")); err != nil || got != ecsAddress {
		t.Errorf("the daemon's address is %s, %v", got, err)
	}
	if after := hostRoute(t); after != before {
		t.Errorf("this machine's route to 169.254.169.254 changed from\n%sto\n%s", before, after)
	}
}
