//go:build e2e && linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	container    = "mock-ec2-metadata"
	devContainer = "mock-ec2-metadata-dev"
	baseImage    = "mock-ec2-metadata-base:test"
)

// TestDocker_ScriptsBuildAndRunTheImages builds the images by build-docker.sh, with a stand-in for the Go base image, and runs
// them by run-docker.sh.
func TestDocker_ScriptsBuildAndRunTheImages(t *testing.T) {
	docker := needDocker(t)
	repo := copyRepository(t)

	_, _ = docker("image", "rm", "mock-ec2-metadata:latest", "mock-ec2-metadata:dev")
	for _, mode := range []string{"prd", "dev", "it"} {
		r := script(t, repo, nil, "./run-docker.sh", mode)
		image := map[string]string{"prd": "latest", "dev": "dev", "it": "dev"}[mode]
		if want := "run-docker.sh: there is no image mock-ec2-metadata:" + image + " yet; build it: ./build-docker.sh\n"; r.code != 1 || r.stderr != want {
			t.Errorf("%s without image: exit %d, %q; want 1, %q", mode, r.code, r.stderr, want)
		}
	}
	for _, args := range [][]string{{"./run-docker.sh"}, {"./run-docker.sh", "nonsense"}} {
		if r := script(t, repo, nil, args...); r.code != 2 || !strings.HasPrefix(r.stderr, "Usage: ./run-docker.sh dev|prd|it") {
			t.Errorf("%v: exit %d, %q; want 2 and the usage", args, r.code, r.stderr)
		}
	}

	mustScript(t, repo, nil, "test/image/standin.sh", baseImage)
	built := mustScript(t, repo, []string{"VERSION=e2e"}, "./build-docker.sh", "--build-arg", "GO_IMAGE="+baseImage, "--network", "host")
	size, err := docker("image", "inspect", "--format", "{{.Size}}", "mock-ec2-metadata:latest")
	if err != nil {
		t.Fatal(err)
	}
	bytes, _ := strconv.Atoi(size)
	t.Logf("the image has %.1f MB", float64(bytes)/1e6)
	if !strings.Contains(built, fmt.Sprintf("mock-ec2-metadata:latest  %.1f MB  (version e2e)", float64(bytes)/1e6)) {
		t.Errorf("build-docker.sh does not print the size of the image:\n%s", built[max(0, len(built)-500):])
	}
	t.Run("kube", func(t *testing.T) {
		mustScript(t, repo, []string{"VERSION=e2e"}, "./build-docker.sh", "kube", "--build-arg", "GO_IMAGE="+baseImage, "--network", "host")
		for _, program := range []string{"/mock-ec2-metadata", "/mock-ec2-metadata-kube"} {
			if out, err := docker("run", "--rm", "--entrypoint", program, "mock-ec2-metadata-kube:e2e", "version"); err != nil || !strings.Contains(out, "e2e") {
				t.Errorf("%s in the image for Kubernetes: %q, %v", program, out, err)
			}
		}
	})
	t.Run("binary", func(t *testing.T) { testImageBinary(t, docker, repo) })
	t.Run("prd", func(t *testing.T) { testPrd(t, docker, repo) })
	t.Run("control", func(t *testing.T) { testDockerControl(t, docker, repo) })
	t.Run("dev", func(t *testing.T) { testDev(t, docker, repo) })
	t.Run("it", func(t *testing.T) {
		home := t.TempDir()
		testutil.Write(t, filepath.Join(home, ".aws/config"), "")
		give(t, home, 1234)
		wantConfined(t, mustScript(t, repo, []string{"HOME=" + home}, "./run-docker.sh", "it", "cat", "/proc/self/status"), 1234)
	})
}

// testPrd runs prd with an ~/.aws that only its owner can read, a user other than root.
func testPrd(t *testing.T, docker dockerCLI, repo string) {
	const owner = 1234
	l, err := net.Listen("tcp", net.JoinHostPort(bridgeAddress(t, docker), "0"))
	if err != nil {
		t.Fatal(err)
	}
	fake := stsfake.StartOn(t, l)
	home := newHome(t, fake, "")
	testutil.Write(t, filepath.Join(home, ".aws/config"), "[profile unused]\nsso_session = s\n")
	for _, name := range []string{".aws", ".aws/config", ".aws/credentials"} {
		if err := os.Chown(filepath.Join(home, name), owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	config, err := os.ReadFile(filepath.Join(home, "conf/config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(repo, "conf/config.yaml"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	port := portOf(testutil.FreeAddr(t))
	env := []string{"HOME=" + home, "PORT=" + port, "AWS_ENDPOINT_URL_STS=" + fake.URL()}
	url := "http://127.0.0.1:" + port + "/"

	vm := newGuest(t)

	// From another directory, through a link.
	link := filepath.Join(t.TempDir(), "run")
	if err := os.Symlink(filepath.Join(repo, "run-docker.sh"), link); err != nil {
		t.Fatal(err)
	}
	if out := mustScript(t, "/", env, link, "prd"); !strings.Contains(out, "mock-ec2-metadata answers at "+url+"\n") || strings.Contains(out, "Replacing") {
		t.Errorf("prd printed\n%s", out)
	}
	var body string
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := docker("logs", container)
			t.Logf("last status: %s\nlog:\n%s", body, log)
		}
	})
	testutil.EventuallyWithin(t, time.Minute, "credentials are valid", func() bool {
		_, body = fetch(t, url+"status")
		var s struct {
			Status      string
			Version     string
			Credentials struct{ State string }
		}
		return json.Unmarshal([]byte(body), &s) == nil && s.Status == "ok" && s.Credentials.State == "valid" && s.Version == "e2e"
	})
	t.Run("serves credentials", func(t *testing.T) {
		header, document := fetch(t, url+"latest/meta-data/iam/security-credentials/myrole")
		if header.Get("Server") != "EC2ws" || !strings.Contains(document, `"Code" : "Success"`) {
			t.Errorf("credentials: %v %s", header, document)
		}
		for _, want := range []string{"config=conf/config.yaml ", "method=GET path=/latest/meta-data/iam/security-credentials/myrole status=200"} {
			testutil.Eventually(t, "docker logs has "+want, func() bool { // the access log is written every 20 ms
				log, err := docker("logs", container)
				return err == nil && strings.Contains(log, want)
			})
		}
	})
	t.Run("allows a virtual machine", func(t *testing.T) {
		r := vm.run(t, nil, "curl", "-sS", "--max-time", "5", "http://"+guestGateway+":"+port+"/latest/meta-data/instance-id")
		if r.stdout != instanceID {
			t.Errorf("it gets %q %s", r.stdout, r.stderr)
		}
	})
	t.Run("is confined", func(t *testing.T) {
		const format = `{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}} {{if .HostConfig.CapAdd}}CapAdd {{end}}{{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Tmpfs}} {{.Config.User}} {{range .NetworkSettings.Ports}}{{(index . 0).HostIp}}{{end}}`
		const want = "true false [ALL] [no-new-privileges] map[/tmp:rw,noexec,nosuid,nodev,size=16m,mode=1777] 1234:1234 0.0.0.0"
		if got, err := docker("inspect", "--format", format, container); err != nil || got != want {
			t.Errorf("the container runs as %q, %v", got, err)
		}
		wantConfined(t, processStatus(t, docker, container), owner)
	})
	t.Run("is healthy", func(t *testing.T) {
		if out, err := docker("exec", container, "/mock-ec2-metadata", "healthcheck"); err != nil || out != "ok" {
			t.Errorf("healthcheck: %q, %v", out, err)
		}
	})
	t.Run("writes the SSO cache and its state only", func(t *testing.T) {
		wantMode(t, filepath.Join(home, ".aws/sso/cache"), os.ModeDir|0o700, owner)
		const mounts = `{{range .Mounts}}{{if .RW}}{{.Destination}} {{end}}{{end}}`
		if got, err := docker("inspect", "--format", mounts, container); err != nil || !sameWords(got, "/home/mock/.aws/sso/cache /home/mock/.local/state/mock-ec2-metadata") {
			t.Errorf("writable mounts are %q, %v", got, err)
		}
		if _, signature := fetch(t, url+"latest/dynamic/instance-identity/rsa2048"); len(signature) < 500 {
			t.Errorf("signature %q", signature)
		}
		wantMode(t, filepath.Join(home, ".local/state/mock-ec2-metadata/identity.pem"), 0o600, owner)
	})
	t.Run("follows the configuration", func(t *testing.T) { // which an editor saves by renaming
		changed := filepath.Join(repo, "conf/new.yaml")
		if err := os.WriteFile(changed, append(config, "ec2: {hostname: changed}\n"...), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(changed, filepath.Join(repo, "conf/config.yaml")); err != nil {
			t.Fatal(err)
		}
		testutil.EventuallyWithin(t, time.Minute, "the changed configuration is in force", func() bool {
			_, body := fetch(t, url+"latest/meta-data/hostname")
			return body == "changed"
		})
	})
	t.Run("a second call replaces the container", func(t *testing.T) {
		out := mustScript(t, repo, append(env, "BIND=127.0.0.1"), "./run-docker.sh", "prd", "--set", "ec2.hostname=argument")
		if !strings.Contains(out, "Replacing the container mock-ec2-metadata that was there.\n") {
			t.Errorf("the second prd printed\n%s", out)
		}
		if got, err := docker("port", container); err != nil || got != "5000/tcp -> 127.0.0.1:"+port {
			t.Errorf("BIND=127.0.0.1 publishes %q, %v", got, err)
		}
		if _, body := fetch(t, url+"latest/meta-data/hostname"); body != "argument" {
			t.Errorf("an argument after prd does not reach the daemon: hostname %q", body)
		}
	})
	t.Run("stops with success", func(t *testing.T) {
		start := time.Now()
		if _, err := docker("stop", container); err != nil {
			t.Error(err)
		}
		if code, err := docker("inspect", "--format", "{{.State.ExitCode}}", container); err != nil || code != "0" {
			t.Errorf("stopped with %q, %v after %v", code, err, time.Since(start))
		}
	})
}

// testDockerControl runs the commands of the control socket in the container of a daemon that waits for an MFA code.
func testDockerControl(t *testing.T, docker dockerCLI, repo string) {
	const owner = 1234
	l, err := net.Listen("tcp", net.JoinHostPort(bridgeAddress(t, docker), "0"))
	if err != nil {
		t.Fatal(err)
	}
	sts := stsfake.StartOn(t, l)
	home, _ := mfaHome(t, sts)
	give(t, home, owner)
	file := filepath.Join(repo, "conf/config.yaml")
	copyFile(t, filepath.Join(home, "conf/config.yaml"), file, 0o644)
	port := portOf(testutil.FreeAddr(t))
	mustScript(t, repo, []string{"HOME=" + home, "PORT=" + port, "BIND=127.0.0.1", "AWS_ENDPOINT_URL_STS=" + sts.URL()}, "./run-docker.sh", "prd")

	c := inContainer(t, docker, container)
	if got, want := socketOf(t, c.status()), "/tmp/mock-ec2-metadata-1234/5000.sock"; got != want {
		t.Errorf("status names the socket %s, want %s", got, want)
	}
	c.want(0, "credentials of "+sessionARN+" until TIME\n", "", "mfa", "123456")
	testutil.Write(t, file, "log: {level: loud}\n")
	c.want(1, "", `mock-ec2-metadata: conf/config.yaml:1: log.level: "loud" is not one of debug, info, warn, error`+"\n", "reload")
	copyFile(t, filepath.Join(home, "conf/config.yaml"), file, 0o644)
	c.want(0, "reloaded conf/config.yaml\n", "", "reload")
	if got := sts.Calls("AssumeRole"); got != 1 {
		t.Errorf("%d AssumeRole calls, want 1", got)
	}
}

// testDev edits a source file, and waits until the changed daemon answers.
func testDev(t *testing.T, docker dockerCLI, repo string) {
	port := portOf(testutil.FreeAddr(t))
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "./run-docker.sh", "dev")
	cmd.Dir = repo
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "PORT="+port, "BIND=127.0.0.1")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("dev printed\n%s", said)
		}
		if left, _ := docker("ps", "--all", "--quiet", "--filter", "name="+devContainer); left != "" {
			t.Errorf("dev left the container %s", left)
			_, _ = docker("rm", "--force", devContainer)
		}
	})
	server := func() string {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/status", nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return ""
		}
		_ = resp.Body.Close()
		return resp.Header.Get("Server")
	}
	testutil.EventuallyWithin(t, time.Minute, "dev serves", func() bool { return server() == "EC2ws" })
	wantConfined(t, processStatus(t, docker, devContainer), 0)
	source := filepath.Join(repo, "internal/app/handler.go")
	code, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(source, []byte(strings.ReplaceAll(string(code), `"EC2ws"`, `"edited"`)), 0o644); err != nil {
		t.Fatal(err)
	}
	testutil.EventuallyWithin(t, time.Minute, "the edited daemon serves", func() bool { return server() == "edited" })
	if said, err := os.ReadFile(log.Name()); err != nil || !strings.Contains(string(said), "msg=request") {
		t.Errorf("dev prints no access log: %v\n%s", err, said)
	}
}

// TestDocker_RootlessEngineRunsTheDaemonAsRoot puts a docker on the PATH that says it is rootless and notes what it should run.
func TestDocker_RootlessEngineRunsTheDaemonAsRoot(t *testing.T) {
	tools, home := t.TempDir(), t.TempDir()
	said := filepath.Join(tools, "said")
	testutil.Write(t, filepath.Join(tools, "docker"), `#!/bin/sh
case $1 in
info) echo '[name=seccomp,profile=builtin name=rootless name=cgroupns]' ;;
image) ;;
run) echo "$*" >'`+said+`' ;;
*) exit 1 ;;
esac
`)
	if err := os.Chmod(filepath.Join(tools, "docker"), 0o755); err != nil {
		t.Fatal(err)
	}
	testutil.Write(t, filepath.Join(home, ".aws/config"), "")
	mustScript(t, "../..", []string{"HOME=" + home, "PATH=" + tools + ":" + systemPath}, "./run-docker.sh", "it", "true")
	got, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"run --cap-drop ALL --security-opt no-new-privileges ",
		" --env MOCK_EC2_METADATA__SERVER__USER=root --user 0:0 ",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in docker %s", want, got)
		}
	}
}
