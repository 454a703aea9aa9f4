//go:build e2e && linux

package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/docker"
	"mock-ec2-metadata/internal/testutil"
)

const (
	locatorImage = "mock-ec2-metadata-locator:test"
	locatorNet   = "mock-ec2-metadata-locator"
)

// TestLocator_FollowsARealEngine starts, replaces, connects, pauses and stops containers, and looks their addresses up.
func TestLocator_FollowsARealEngine(t *testing.T) {
	cli := needDocker(t)
	must := func(args ...string) string {
		t.Helper()
		out, err := cli(args...)
		if err != nil {
			t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return out
	}
	importBusybox(t)
	remove := func() {
		for _, name := range []string{"locator-a", "locator-b", "locator-c"} {
			_, _ = cli("rm", "--force", name)
		}
		_, _ = cli("network", "rm", locatorNet)
	}
	remove()
	t.Cleanup(remove)
	run := func(name string, args ...string) {
		t.Helper()
		must(append(append([]string{"run", "--detach", "--name", name}, args...), locatorImage, "sleep", "1000")...)
	}

	l, err := docker.New(docker.Options{
		Engine: "unix:///var/run/docker.sock", Role: []string{"label:mock-ec2-metadata.role", "env:IAM_ROLE"},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	want := func(address, want string) {
		t.Helper()
		if got := whatRunsAt(t, l, address); got != want {
			t.Errorf("%s is %s, want %s", address, got, want)
		}
	}

	must("network", "create", "--ipv6", "--subnet", "172.31.251.0/24", "--gateway", "172.31.251.1", "--subnet", "fd00:5ca1:ab1e::/64", locatorNet)
	run("locator-a", "--network", locatorNet, "--ip", "172.31.251.7", "--label", "mock-ec2-metadata.role=web")
	want("172.31.251.7", "container locator-a as web by label mock-ec2-metadata.role")
	run("locator-b", "--network", locatorNet, "--env", "IAM_ROLE=jobs")
	for _, address := range addressesOf(t, must, "locator-b") {
		want(address, "container locator-b as jobs by variable IAM_ROLE")
	}
	want("172.31.251.1", "nothing") // the gateway
	want("172.31.251.99", "no running container has 172.31.251.99")
	want("192.0.2.7", "nothing")

	t.Run("the next container at the address", func(t *testing.T) {
		must("rm", "--force", "locator-a")
		run("locator-c", "--network", locatorNet, "--ip", "172.31.251.7", "--label", "mock-ec2-metadata.role=admin")
		start := time.Now()
		want("172.31.251.7", "container locator-c as admin by label mock-ec2-metadata.role")
		t.Logf("%v after docker run", time.Since(start))
	})
	t.Run("a second network", func(t *testing.T) {
		must("network", "connect", "bridge", "locator-c")
		all := addressesOf(t, must, "locator-c")
		for _, address := range all {
			want(address, "container locator-c as admin by label mock-ec2-metadata.role")
		}
		if len(all) < 4 { // IPv4 twice, IPv6, link-local; more if the default bridge has IPv6
			t.Errorf("it has the addresses %v only", all)
		}
		second := must("inspect", "--format", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "locator-c")
		must("network", "disconnect", "bridge", "locator-c")
		want(second, "no running container has "+second)
	})
	t.Run("paused, renamed, stopped, started", func(t *testing.T) {
		must("pause", "locator-c")
		want("172.31.251.7", "container locator-c as admin by label mock-ec2-metadata.role")
		must("unpause", "locator-c")
		must("rename", "locator-c", "locator-a")
		testutil.Eventually(t, "the new name is known", func() bool {
			return whatRunsAt(t, l, "172.31.251.7") == "container locator-a as admin by label mock-ec2-metadata.role"
		})
		must("kill", "locator-a")
		want("172.31.251.7", "no running container has 172.31.251.7")
		must("start", "locator-a")
		want("172.31.251.7", "container locator-a as admin by label mock-ec2-metadata.role")
	})
}

// whatRunsAt is what a Locator says, as text.
func whatRunsAt(t *testing.T, l caller.Locator, address string) string {
	t.Helper()
	w, err := l.Locate(t.Context(), netip.MustParseAddr(address))
	switch {
	case err != nil:
		return err.Error()
	case w == nil:
		return "nothing"
	}
	return fmt.Sprintf("%s as %s by %s", w.Name, w.Role, w.Source)
}

// addressesOf are all that the kernel gave the interfaces of a container, but loopback.
func addressesOf(t *testing.T, must func(...string) string, name string) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(must("exec", name, "ip", "-o", "addr")) {
		fields := strings.Fields(line) // 2: eth0    inet 172.31.251.2/24 ...
		if len(fields) > 3 && fields[1] != "lo" {
			address, _, _ := strings.Cut(fields[3], "/")
			all = append(all, address)
		}
	}
	if len(all) < 3 {
		t.Fatalf("%s has the addresses %v only", name, all)
	}
	return all
}

// importBusybox makes an image of nothing but busybox.
func importBusybox(t *testing.T) {
	t.Helper()
	binary, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatalf("apt-get install busybox-static: %v", err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, name := range []string{"bin/sleep", "bin/ip", "bin/sh", "bin/wget"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(binary))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(binary); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "docker", "import", "-", locatorImage)
	cmd.Stdin = &archive
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("docker import: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("docker", "image", "rm", "--force", locatorImage).Run() })
}
