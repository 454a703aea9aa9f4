//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

// TestLinkLocal_WorksInAContainer runs a Docker engine of its own in a network namespace of its own, so that nothing asks
// 169.254.169.254 of this machine.
func TestLinkLocal_WorksInAContainer(t *testing.T) {
	needTools(t)
	machine := newNamespace(t, "machine")
	docker, env := startEngine(t, machine)
	importImage(t, docker)
	repo, home := t.TempDir(), t.TempDir()
	copyFile(t, "../../run-docker.sh", filepath.Join(repo, "run-docker.sh"), 0o755)
	writeMockConfig(t, repo, instance)
	const owner = 1234 // the only user that can read the files
	for _, file := range []string{filepath.Join(repo, "conf"), filepath.Join(repo, "conf/config.yaml"), home} {
		if err := os.Chown(file, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(home, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(home, ".aws"), owner, owner); err != nil {
		t.Fatal(err)
	}
	prd := func(more ...string) result {
		cmd := machine.command(t, append(append(env, "HOME="+home), more...), filepath.Join(repo, "run-docker.sh"), "prd")
		return finish(t, cmd)
	}
	client := func() string {
		t.Helper()
		out, err := docker("run", "--rm", "--entrypoint", "/client", "mock-ec2-metadata:latest")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return out
	}
	before, rules := machine.state(t), machine.rules(t)

	wantRun(t, prd("LINK_LOCAL=yes"), 1, "", "run-docker.sh: LINK_LOCAL is \"yes\", but must be 1 or 0\n")
	const started = "mock-ec2-metadata answers at http://127.0.0.1:5005/ and http://169.254.169.254/\n" +
		"  state:  curl http://127.0.0.1:5005/status\n  log:    docker logs -f mock-ec2-metadata\n  stop:   docker stop mock-ec2-metadata\n"
	wantRun(t, prd("LINK_LOCAL=1", "PORT=5005"), 0, started, "")
	machine.wantOneOfEach(t)
	if diff := cmp.Diff(rules, machine.rules(t)); diff != "" {
		t.Errorf("iptables-save, before and while serving (-before +while):\n%s", diff)
	}
	wantSeen(t, client(), machine.get(t, "/latest/meta-data/iam/security-credentials/myrole"))
	if log, err := docker("logs", container); err != nil || !strings.Contains(log, "client=172.17.0.2 method=GET path=/latest/meta-data/iam/security-credentials/myrole") {
		t.Errorf("the container's own address is not in the log: %v\n%s", err, log)
	}
	const format = `{{.HostConfig.NetworkMode}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.CapAdd}} {{.HostConfig.SecurityOpt}} {{.Config.User}}`
	if got, err := docker("inspect", "--format", format, container); err != nil ||
		strings.ReplaceAll(got, "CAP_", "") != "host true [ALL] [NET_ADMIN NET_BIND_SERVICE SETUID SETGID DAC_OVERRIDE] [no-new-privileges] 0:0" {
		t.Errorf("the container runs as %q, %v", got, err)
	}

	commands := inContainer(t, docker, container)
	if got := socketOf(t, commands.status()); got != "/run/mock-ec2-metadata/5005.sock" {
		t.Errorf("the control socket is %s", got)
	}
	commands.want(0, "reloaded conf/config.yaml\n", "", "reload")
	commands.want(1, "", "mock-ec2-metadata: no MFA code is wanted now\n", "mfa", "123456")

	// A second call replaces the first container.
	wantRun(t, prd("LINK_LOCAL=1", "PORT=5005", "BIND=127.0.0.1"), 0, "Replacing the container mock-ec2-metadata that was there.\n"+started, "")
	machine.wantOneOfEach(t)
	if _, err := docker("stop", container); err != nil {
		t.Error(err)
	}
	if code, err := docker("inspect", "--format", "{{.State.ExitCode}}", container); err != nil || code != "0" {
		t.Errorf("stopped with %q, %v", code, err)
	}
	machine.want(t, "after docker stop", before)

	// docker kill kills the helper, too, so that the addresses may stay. The next daemon takes them over.
	for range 3 {
		if out, err := docker("start", container); err != nil {
			t.Fatal(out)
		}
		testutil.EventuallyWithin(t, time.Minute, "the container serves", func() bool {
			return machine.run(t, nil, "curl", "-qfsS", "--max-time", "1", "http://"+serviceIPv4+"/status").code == 0
		})
		machine.wantOneOfEach(t)
		if out, err := docker("kill", container); err != nil {
			t.Fatal(out)
		}
	}
	machine.run(t, nil, buildDaemon(t), "route", "remove")
	machine.want(t, "after route remove", before)
}

// startEngine runs a Docker engine in the namespace until the test ends. env tells clients where it is.
func startEngine(t *testing.T, n netns) (docker dockerCLI, env []string) {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	log, err := os.Create(at("log"))
	if err != nil {
		t.Fatal(err)
	}
	// nsenter leaves the control groups as they are.
	engine := exec.Command(findTool(t, "nsenter", "util-linux"), "--net=/run/netns/"+string(n), findTool(t, "dockerd", "docker.io"),
		"--data-root", at("data"), "--exec-root", at("exec"), "--pidfile", at("pid"), "--host", "unix://"+at("socket"))
	engine.Env = []string{"PATH=" + systemPath, "HOME=" + dir}
	engine.Stdout, engine.Stderr = log, log
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = engine.Wait()
		close(ended)
	}()
	env = []string{"PATH=" + systemPath, "DOCKER_HOST=unix://" + at("socket")}
	docker = func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, findTool(t, "docker", "docker.io"), args...)
		cmd.Env = append(env, "HOME="+dir)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	t.Cleanup(func() {
		_, _ = docker("rm", "--force", container)
		_ = engine.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = engine.Process.Kill()
			<-ended
		}
		// The engine has mounted the namespace for containers with --network host.
		if err := syscall.Unmount(at("exec/netns/default"), syscall.MNT_DETACH); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.EINVAL) {
			t.Error(err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(at("log"))
			t.Logf("the engine's log ends with\n%s", log[max(0, len(log)-4000):])
		}
	})
	testutil.EventuallyWithin(t, time.Minute, "the engine answers", func() bool {
		select {
		case <-ended:
			log, _ := os.ReadFile(at("log"))
			t.Fatalf("dockerd has ended:\n%s", log)
		default:
		}
		_, err := docker("info")
		return err == nil
	})
	return docker, env
}

// importImage makes an image with the layout of the real one, of the daemon and a client with the AWS SDK for Go.
func importImage(t *testing.T, docker dockerCLI) {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"home/mock/.aws", "home/mock/.local/state/mock-ec2-metadata", "tmp", "conf"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, dir := range map[string]string{"mock-ec2-metadata": "../../cmd/mock-ec2-metadata", "client": "../clients/go-v2"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(root, name), ".")
		build.Dir = dir
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	}
	archive := filepath.Join(t.TempDir(), "image.tar")
	if out, err := exec.CommandContext(t.Context(), "tar", "-C", root, "-cf", archive, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := docker("import", "--change", "ENV HOME=/home/mock", "--change", "USER 65532:65532", "--change", "WORKDIR /",
		"--change", `ENTRYPOINT ["/mock-ec2-metadata"]`, archive, "mock-ec2-metadata:latest")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
