//go:build e2e && linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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
	"time"

	"mock-ec2-metadata/internal/testutil"
	"mock-ec2-metadata/test/stsfake"
)

const (
	container    = "mock-ec2-metadata"
	devContainer = "mock-ec2-metadata-dev"
	baseImage    = "mock-ec2-metadata-base:test"
)

// TestDocker builds the images by the script, with a stand-in for the Go base image, and runs them by the script.
func TestDocker(t *testing.T) {
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
	t.Run("binary", func(t *testing.T) { testImageBinary(t, docker, repo) })
	t.Run("prd", func(t *testing.T) { testPrd(t, docker, repo) })
	t.Run("control", func(t *testing.T) { testDockerControl(t, docker, repo) })
	t.Run("dev", func(t *testing.T) { testDev(t, docker, repo) })
	t.Run("it", func(t *testing.T) {
		home := t.TempDir()
		writeFile(t, filepath.Join(home, ".aws/config"), "")
		give(t, home, 1234)
		wantConfined(t, mustScript(t, repo, []string{"HOME=" + home}, "./run-docker.sh", "it", "cat", "/proc/self/status"), 1234)
	})
}

// testPrd has an ~/.aws that only its owner, another user than root, can read.
func testPrd(t *testing.T, docker dockerCLI, repo string) {
	const owner = 1234
	l, err := net.Listen("tcp", net.JoinHostPort(bridgeAddress(t, docker), "0"))
	if err != nil {
		t.Fatal(err)
	}
	fake := stsfake.StartOn(t, l)
	home := newHome(t, fake, "")
	writeFile(t, filepath.Join(home, ".aws/config"), "[profile unused]\nsso_session = s\n")
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
	env := []string{"HOME=" + home, "PORT=" + freePort(t), "AWS_ENDPOINT_URL_STS=" + fake.URL()}
	port := strings.TrimPrefix(env[1], "PORT=")
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
	waitUntil(t, "credentials are valid", func() bool {
		_, body = fetch(t, url+"status")
		var s struct {
			Status      string
			Version     string
			Credentials struct{ State string }
		}
		return json.Unmarshal([]byte(body), &s) == nil && s.Status == "ok" && s.Credentials.State == "valid" && s.Version == "e2e"
	})
	header, document := fetch(t, url+"latest/meta-data/iam/security-credentials/myrole")
	if header.Get("Server") != "EC2ws" || !strings.Contains(document, `"Code" : "Success"`) {
		t.Errorf("credentials: %v %s", header, document)
	}
	// A virtual machine comes with an address of its own, and is let in.
	if r := vm.run(t, nil, "curl", "-sS", "--max-time", "5", "http://"+guestGateway+":"+port+"/latest/meta-data/instance-id"); r.stdout != "i-0123456789abcdef0" {
		t.Errorf("a virtual machine gets %q %s", r.stdout, r.stderr)
	}
	const format = `{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}} {{if .HostConfig.CapAdd}}CapAdd {{end}}{{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Tmpfs}} {{.Config.User}} {{range .NetworkSettings.Ports}}{{(index . 0).HostIp}}{{end}}`
	if got, err := docker("inspect", "--format", format, container); err != nil || got != "true false [ALL] [no-new-privileges] map[/tmp:rw,noexec,nosuid,nodev,size=16m,mode=1777] 1234:1234 0.0.0.0" {
		t.Errorf("the container runs as %q, %v", got, err)
	}
	wantConfined(t, processStatus(t, docker, container), owner)
	if out, err := docker("exec", container, "/mock-ec2-metadata", "healthcheck"); err != nil || out != "ok" {
		t.Errorf("healthcheck: %q, %v", out, err)
	}
	cache := filepath.Join(home, ".aws/sso/cache")
	if info, err := os.Stat(cache); err != nil || info.Mode().Perm() != 0o700 || info.Sys().(*syscall.Stat_t).Uid != owner {
		t.Errorf("%s: %v, %v; want 0700 of %d", cache, info, err, owner)
	}
	const mounts = `{{range .Mounts}}{{if .RW}}{{.Destination}} {{end}}{{end}}`
	if got, err := docker("inspect", "--format", mounts, container); err != nil || !sameWords(got, "/home/mock/.aws/sso/cache /home/mock/.local/state/mock-ec2-metadata") {
		t.Errorf("writable mounts are %q, %v; want the SSO cache and the state", got, err)
	}
	if _, signature := fetch(t, url+"latest/dynamic/instance-identity/rsa2048"); len(signature) < 500 {
		t.Errorf("signature %q", signature)
	}
	state := filepath.Join(home, ".local/state/mock-ec2-metadata/identity.pem")
	if info, err := os.Stat(state); err != nil || info.Mode().Perm() != 0o600 || info.Sys().(*syscall.Stat_t).Uid != owner {
		t.Errorf("%s: %v, %v; want 0600 of %d", state, info, err, owner)
	}
	log, err := docker("logs", container)
	for _, want := range []string{"config=conf/config.yaml ", "method=GET path=/latest/meta-data/iam/security-credentials/myrole status=200"} {
		if err != nil || !strings.Contains(log, want) {
			t.Errorf("docker logs has no %q: %v\n%s", want, err, log)
		}
	}

	// A changed configuration is used, saved by renaming as editors do.
	changed := filepath.Join(repo, "conf/new.yaml")
	if err := os.WriteFile(changed, append(config, "ec2: {hostname: changed}\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(changed, filepath.Join(repo, "conf/config.yaml")); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the changed configuration is used", func() bool { _, body := fetch(t, url+"latest/meta-data/hostname"); return body == "changed" })

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
	start := time.Now()
	if _, err := docker("stop", container); err != nil {
		t.Error(err)
	}
	if code, err := docker("inspect", "--format", "{{.State.ExitCode}}", container); err != nil || code != "0" {
		t.Errorf("stopped with %q, %v after %v", code, err, time.Since(start))
	}
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
	_, port, _ := strings.Cut(testutil.FreeAddr(t), ":")
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

// testDev edits a source file and sees the daemon change.
func testDev(t *testing.T, docker dockerCLI, repo string) {
	port := freePort(t)
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
	waitUntil(t, "dev serves", func() bool { return server() == "EC2ws" })
	wantConfined(t, processStatus(t, docker, devContainer), 0)
	source := filepath.Join(repo, "internal/app/handler.go")
	code, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(source, []byte(strings.ReplaceAll(string(code), `"EC2ws"`, `"edited"`)), 0o644); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the edited daemon serves", func() bool { return server() == "edited" })
	if said, err := os.ReadFile(log.Name()); err != nil || !strings.Contains(string(said), "msg=request") {
		t.Errorf("dev prints no access log: %v\n%s", err, said)
	}
}

// processStatus is what the kernel says of a container's first process.
func processStatus(t *testing.T, docker dockerCLI, name string) string {
	t.Helper()
	pid, err := docker("inspect", "--format", "{{.State.Pid}}", name)
	if err != nil {
		t.Fatalf("%s: %v", pid, err)
	}
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	return string(status)
}

// wantConfined wants a process to be a user's, and to have no capability and no way to one.
func wantConfined(t *testing.T, status string, uid int) {
	t.Helper()
	got := rights(t, status)
	for _, capabilities := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if got[capabilities] != noCapabilities {
			t.Errorf("%s is %s, want none", capabilities, got[capabilities])
		}
	}
	if id := strconv.Itoa(uid); got["NoNewPrivs"] != "1" || !strings.HasPrefix(got["Uid"], id+" ") || !strings.HasPrefix(got["Gid"], id+" ") {
		t.Errorf("NoNewPrivs %s, Uid %s, Gid %s; want 1 and %s", got["NoNewPrivs"], got["Uid"], got["Gid"], id)
	}
}

// TestRootlessDocker has an engine that only says it is rootless, and keeps what it is asked to run.
func TestRootlessDocker(t *testing.T) {
	tools, home := t.TempDir(), t.TempDir()
	said := filepath.Join(tools, "said")
	writeFile(t, filepath.Join(tools, "docker"), `#!/bin/sh
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
	writeFile(t, filepath.Join(home, ".aws/config"), "")
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

// dockerCLI runs docker and gives what it printed, without the newline at the end.
type dockerCLI func(args ...string) (string, error)

// needDocker checks for an engine, and that the names that the scripts use are free.
func needDocker(t *testing.T) dockerCLI {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("a stand-in image and files of another user are made by root: run this as root")
	}
	docker := func(args ...string) (string, error) {
		out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "docker", args...).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if out, err := docker("info"); err != nil {
		t.Fatalf("no Docker engine answers; apt-get install docker.io and start dockerd: %s", out)
	}
	for _, name := range []string{container, devContainer} {
		if id, _ := docker("ps", "--all", "--quiet", "--filter", "name=^/?"+name+"$"); id != "" {
			t.Fatalf("there is a container %s already; remove it first: docker rm --force %s", name, name)
		}
	}
	t.Cleanup(func() { _, _ = docker("rm", "--force", container) })
	return docker
}

// sameWords says whether two texts have the same words, in any order.
func sameWords(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// bridgeAddress is this machine's address on Docker's default network.
func bridgeAddress(t *testing.T, docker dockerCLI) string {
	t.Helper()
	name, err := docker("network", "inspect", "--format", `{{index .Options "com.docker.network.bridge.name"}}`, "bridge")
	if err != nil {
		t.Fatal(err)
	}
	bridge, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatalf("interface %q: %v", name, err)
	}
	addrs, err := bridge.Addrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range addrs {
		if ip, ok := addr.(*net.IPNet); ok && ip.IP.To4() != nil {
			return ip.IP.String()
		}
	}
	t.Fatalf("%s has no IPv4 address", name)
	return ""
}

// copyRepository gives a copy of what git knows, so that its conf/ and sources can be changed.
func copyRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil { // the container's user comes by
			t.Fatal(err)
		}
	}
	copied := exec.CommandContext(t.Context(), "sh", "-c",
		`cd ../.. && git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read --files-from - | tar -x -C "$0"`, dir)
	if out, err := copied.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// script runs a script of the repository to its end, for at most 15 minutes: it may build images.
func script(t *testing.T, dir string, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

func mustScript(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	r := script(t, dir, env, args...)
	if r.code != 0 {
		t.Fatalf("%s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func fetch(t *testing.T, url string) (http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Header, string(body)
}

// waitUntil waits until ok, for at most a minute.
func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
