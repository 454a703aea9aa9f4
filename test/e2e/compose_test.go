//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	composeImage = "mock-ec2-metadata-compose:test"
	composeApp   = "mock-ec2-metadata-app:test"
	composeName  = "mock-ec2-metadata-test"
)

// TestCompose_ApplicationNeedsNoChange runs the examples of deploy/compose with an application that is not told where its metadata
// service is.
func TestCompose_ApplicationNeedsNoChange(t *testing.T) {
	docker := needDocker(t)
	findTool(t, "docker-compose", "docker-compose")
	if out, err := docker("network", "inspect", "ec2-metadata"); err == nil {
		t.Fatalf("there is a network ec2-metadata already; remove it first: docker network rm ec2-metadata\n%s", out)
	}
	scratchImage(t, docker, composeImage, "../../cmd/mock-ec2-metadata", "mock-ec2-metadata")
	scratchImage(t, docker, composeApp, "../clients/go-v2", "app")
	for _, file := range []string{"compose.yaml", "compose.sidecar.yaml"} {
		t.Run(file, func(t *testing.T) { testCompose(t, docker, file) })
	}
}

func testCompose(t *testing.T, docker dockerCLI, file string) {
	l, err := net.Listen("tcp", net.JoinHostPort(bridgeAddress(t, docker), "0"))
	if err != nil {
		t.Fatal(err)
	}
	fake := stsfake.StartOn(t, l)
	dir := newHome(t, fake, instance+requireTokens)
	if err := os.CopyFS(filepath.Join(dir, "deploy/compose"), os.DirFS("../../deploy/compose")); err != nil {
		t.Fatal(err)
	}
	testutil.Write(t, filepath.Join(dir, "sts.yaml"), "services: {mock-ec2-metadata: {environment: {AWS_ENDPOINT_URL_STS: '"+fake.URL()+"'}}}\n")
	give(t, dir, 1234)
	before := hostRoute(t)

	compose := func(args ...string) string {
		t.Helper()
		options := []string{"--project-name", composeName, "--file", "deploy/compose/" + file, "--file", filepath.Join(dir, "sts.yaml")}
		cmd := exec.Command(findTool(t, "docker-compose", "docker-compose"), append(options, args...)...)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + systemPath, "HOME=" + dir, "OWNER=1234:1234", "IMAGE=" + composeImage, "APP_IMAGE=" + composeApp}
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
		compose("down")
	})
	compose("up", "--detach")
	daemon, app := compose("ps", "--quiet", "mock-ec2-metadata"), compose("ps", "--quiet", "app")
	code, err := docker("wait", app)
	printed, logErr := docker("logs", app)
	if code != "0" || err != nil || logErr != nil {
		t.Fatalf("the application ended with %s, %v, %v\n%s", code, err, logErr, printed)
	}
	var got seen
	if err := json.Unmarshal([]byte(printed), &got); err != nil || len(got.Credentials) != 3 {
		t.Fatalf("%v in\n%s", err, printed)
	}
	c := got.Credentials
	wantSeen(t, printed, fmt.Sprintf(`{"AccessKeyId": %q, "SecretAccessKey": %q, "Token": %q}`, c[0], c[1], c[2]))
	who := sts.New(sts.Options{
		Region: region, BaseEndpoint: aws.String(fake.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(c[0], c[1], c[2]),
	})
	if out, err := who.GetCallerIdentity(t.Context(), nil); err != nil || aws.ToString(out.Arn) != sessionARN {
		t.Errorf("the application's credentials are those of %+v, %v", out, err)
	}

	const format = `{{with .HostConfig}}{{.Privileged}} {{.ReadonlyRootfs}} {{.CapAdd}} {{.CapDrop}} {{.SecurityOpt}}{{end}} {{.Config.User}}`
	if got, err := docker("inspect", "--format", format, daemon); err != nil || got != "false true [] [ALL] [no-new-privileges:true] 1234:1234" {
		t.Errorf("the daemon runs as %q, %v", got, err)
	}
	if out, err := docker("exec", daemon, "/mock-ec2-metadata", "healthcheck"); err != nil || out != "ok" {
		t.Errorf("healthcheck: %q, %v", out, err)
	}
	if got, want := socketOf(t, inContainer(t, docker, daemon).status()), "/tmp/mock-ec2-metadata-1234/80.sock"; got != want {
		t.Errorf("status names the socket %s, want %s", got, want)
	}
	const addresses = `{{range $name, $n := .NetworkSettings.Networks}}{{if ne $name "ec2-metadata"}}{{$n.IPAddress}}{{end}}{{end}}`
	elsewhere, err := docker("inspect", "--format", addresses, daemon)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := net.DialTimeout("tcp", net.JoinHostPort(elsewhere, "80"), 5*time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("on its other network, %s, the daemon answers: %v, %v", elsewhere, conn, err)
	}
	if after := hostRoute(t); after != before {
		t.Errorf("this machine's route to 169.254.169.254 changed from\n%sto\n%s", before, after)
	}
	if file != "compose.sidecar.yaml" {
		return
	}
	// Another container in the same network.
	out, err := docker("run", "--rm", "--network", "ec2-metadata", "--env", "AWS_MAX_ATTEMPTS=1", composeApp)
	if err == nil || !strings.Contains(out, "403") {
		t.Errorf("another container is allowed: %v\n%s", err, out)
	}
}

// scratchImage makes an image of a program of this repository and nothing else.
func scratchImage(t *testing.T, docker dockerCLI, tag, source, name string) {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, name), ".")
	build.Dir = source
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	testutil.Write(t, filepath.Join(dir, "Dockerfile"), "FROM scratch\nCOPY "+name+" /\nENV HOME=/home/mock\nENTRYPOINT [\"/"+name+"\"]\n")
	if out, err := docker("build", "--tag", tag, dir); err != nil {
		t.Fatalf("docker build: %v\n%s", err, out)
	}
	t.Cleanup(func() { _, _ = docker("image", "rm", "--force", tag) })
}

// hostRoute is this machine's route to 169.254.169.254.
func hostRoute(t *testing.T) string {
	t.Helper()
	out, _ := exec.CommandContext(t.Context(), "ip", "route", "get", "169.254.169.254").CombinedOutput() // there may be no route
	return string(out)
}
