//go:build e2e && linux

package e2e

import (
	"context"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// dockerCLI runs docker and returns what it printed, without the newline at the end.
type dockerCLI func(args ...string) (string, error)

// needDocker checks that an engine runs, and that the names that the scripts use are free.
func needDocker(t *testing.T) dockerCLI {
	t.Helper()
	docker := needEngine(t)
	for _, name := range []string{container, devContainer} {
		if id, _ := docker("ps", "--all", "--quiet", "--filter", "name=^/?"+name+"$"); id != "" {
			t.Fatalf("there is a container %s already; remove it first: docker rm --force %s", name, name)
		}
	}
	t.Cleanup(func() { _, _ = docker("rm", "--force", container) })
	return docker
}

// needEngine checks that an engine runs.
func needEngine(t *testing.T) dockerCLI {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root can make a stand-in image and files of another user: run this as root")
	}
	docker := func(args ...string) (string, error) {
		out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "docker", args...).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if out, err := docker("info"); err != nil {
		t.Fatalf("no Docker engine answers; apt-get install docker.io and start dockerd: %s", out)
	}
	return docker
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

// processStatus is /proc/PID/status of a container's first process.
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

// sameWords tells whether two texts have the same words, in any order.
func sameWords(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}
