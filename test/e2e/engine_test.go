//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/docker"
	"mock-ec2-metadata/internal/testutil"
)

const engineNet = "mock-ec2-metadata-engine"

// TestEngine_TellsAboutAProject asks a real engine for a running container and one that has ended.
func TestEngine_TellsAboutAProject(t *testing.T) {
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
		_, _ = cli("rm", "--force", "--volumes", "engine-web", "engine-job")
		_, _ = cli("network", "rm", engineNet)
	}
	remove()
	t.Cleanup(remove)

	l, err := docker.New(docker.Options{
		Engine: "unix:///var/run/docker.sock", Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); l.Run(t.Context()) }()
	t.Cleanup(func() { <-done })

	must("network", "create", "--subnet", "172.31.252.0/24", engineNet)
	const project = "com.docker.compose.project=engine-test"
	must("run", "--detach", "--name", "engine-job", "--label", project, locatorImage, "sh", "-c", "exit 3")
	id := must("run", "--detach", "--name", "engine-web", "--label", project, "--network", engineNet, "--ip", "172.31.252.7",
		"--env", "ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/web", "--publish", "127.0.0.1::80", "--volume", "/data",
		"--cpus", "0.5", "--memory", "64m", "--restart", "on-failure", "--log-opt", "max-size=1m", locatorImage, "sleep", "1000")
	var web caller.Running
	testutil.Eventually(t, "the container runs", func() bool {
		for _, r := range l.Running() {
			if r.ID == id {
				web = r
			}
		}
		return web.ID != ""
	})
	if web.Project != "engine-test" || web.Endpoint != "web" || len(web.Addrs) != 1 || web.Addrs[0].String() != "172.31.252.7" || web.Workload.ID != id {
		t.Errorf("it runs as %+v", web)
	}

	var job, c *caller.Container
	testutil.Eventually(t, "the other has ended", func() bool {
		all, err := l.Group(t.Context(), "engine-test")
		if err != nil || len(all) != 2 {
			t.Fatalf("the project has %d containers: %v", len(all), err)
		}
		job, c = all[0], all[1]
		return job.ExitCode != nil
	})
	if job.Name != "engine-job" || job.Status != "exited" || *job.ExitCode != 3 || job.Finished.IsZero() {
		t.Errorf("the one that ended is %+v", job)
	}
	if c.Status != "running" || c.CPUs != 0.5 || c.Memory != 64<<20 || c.RestartCount == nil || len(c.Volumes) != 1 || c.Started.IsZero() || c.ExitCode != nil {
		t.Errorf("the one that runs is %+v", c)
	}
	if len(c.Ports) != 1 || c.Ports[0].ContainerPort != 80 || c.Ports[0].HostPort == 0 || c.Ports[0].HostIP != "127.0.0.1" {
		t.Errorf("its ports are %+v", c.Ports)
	}
	if n := c.Networks; len(n) != 1 || n[0].Mode != "bridge" || n[0].Subnet4 != "172.31.252.0/24" || n[0].Gateway4 != "172.31.252.1/24" || n[0].MAC == "" {
		t.Errorf("its networks are %+v", n)
	}

	testutil.Eventually(t, "there are rates", func() bool {
		start := time.Now()
		s, err := l.Stats(t.Context(), id)
		if err != nil || time.Since(start) > caller.Wait {
			t.Fatalf("statistics after %v: %v", time.Since(start), err)
		}
		if !s.Rates {
			return false
		}
		var figures struct {
			Before struct {
				System uint64 `json:"system_cpu_usage"`
			} `json:"precpu_stats"`
		}
		if err := json.Unmarshal(s.Docker, &figures); err != nil || figures.Before.System == 0 {
			t.Errorf("%v in %s", err, s.Docker)
		}
		return true
	})
	if s, err := l.Stats(t.Context(), job.ID); s != nil || err != nil {
		t.Errorf("the one that ended has statistics: %v", err)
	}
}
