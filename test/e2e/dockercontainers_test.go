//go:build e2e && linux

package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// TestContainers_LabelsChooseRoles runs prd with CONTAINERS=1 beside an engine of its own, in a network namespace of its own.
// The daemon is another user than root, so that it needs the group of the engine's socket.
func TestContainers_LabelsChooseRoles(t *testing.T) {
	const owner, group = 1234, 4321
	needTools(t)
	machine := newNamespace(t, "machine")
	docker, env := startEngine(t, machine)
	importImage(t, docker)
	socket := strings.TrimPrefix(env[1], "DOCKER_HOST=unix://")
	if err := os.Chown(socket, 0, group); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(socket, 0o660); err != nil {
		t.Fatal(err)
	}
	repo, home := t.TempDir(), t.TempDir()
	copyFile(t, "../../run-docker.sh", filepath.Join(repo, "run-docker.sh"), 0o755)
	writeMockConfig(t, repo, instance+"roles: {web: {iam_role: 'arn:aws:iam::123456789012:role/web'}}\ncontainers: {allow: [web]}\n")
	testutil.Write(t, filepath.Join(home, ".aws/config"), "")
	give(t, repo, owner)
	give(t, home, owner)

	for _, test := range []struct {
		name      string
		linkLocal string // of run-docker.sh
		endpoint  string // that clients ask; "": 169.254.169.254
		adds      string // capabilities
	}{
		{"with CONTAINERS", "0", "http://172.17.0.1:5005/", "[]"},
		{"with LINK_LOCAL, too", "1", "", "[NET_ADMIN NET_BIND_SERVICE SETUID SETGID DAC_OVERRIDE]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			variables := append(env, "HOME="+home, "PORT=5005", "CONTAINERS=1", "LINK_LOCAL="+test.linkLocal)
			r := finish(t, machine.command(t, variables, filepath.Join(repo, "run-docker.sh"), "prd"))
			if want := "run-docker.sh: the daemon gets " + socket + ": who controls it controls Docker\n"; r.code != 0 || r.stderr != want {
				t.Fatalf("exit %d, %q\n%s", r.code, r.stderr, r.stdout)
			}
			for label, want := range map[string]string{
				"web":   " role=web",
				"":      " role=myrole",
				"none":  " imds=v2", // no role
				"admin": " role=admin",
			} {
				args := []string{"run", "--rm", "--env", "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + test.endpoint, "--entrypoint", "/client"}
				if label != "" {
					args = append(args, "--label", "mock-ec2-metadata.role="+label)
				}
				out, err := docker(append(args, "mock-ec2-metadata:latest")...)
				if served := err == nil; served != (label == "web" || label == "") {
					t.Errorf("label %q: %v\n%s", label, err, out)
				}
				log, _ := docker("logs", container)
				line := ""
				for l := range strings.SplitSeq(log, "\n") {
					if strings.Contains(l, "client=172.17.0.2 ") && strings.Contains(l, "path=/latest/meta-data/iam/") {
						line = l
					}
				}
				if !strings.HasSuffix(line, want) {
					t.Errorf("label %q: the access log says\n%s, want an end of %s", label, line, want)
				}
			}
			log, _ := docker("logs", container)
			if !strings.Contains(log, `msg="role of a container denied"`) {
				t.Errorf("the log does not say who is denied\n%s", log)
			}
			status := strings.ReplaceAll(processStatus(t, docker, container), "\t", " ") // the groups may begin with the user's own
			for _, want := range []string{"Uid: 1234 1234 1234 1234\n", " 4321 \n", "CapEff: 0000000000000000\n"} {
				if !strings.Contains(status, want) {
					t.Errorf("no %q in\n%s", want, status)
				}
			}
			const format = `{{.HostConfig.NetworkMode}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.CapAdd}}`
			if got, err := docker("inspect", "--format", format, container); err != nil || strings.ReplaceAll(got, "CAP_", "") != "host true [ALL] "+test.adds {
				t.Errorf("the container runs as %q, %v", got, err)
			}
		})
	}
}

// TestContainers_RefusesWhatCannotWork puts a docker on the PATH that says which engine it is.
func TestContainers_RefusesWhatCannotWork(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for _, test := range []struct {
		security string
		env      []string
		want     string
	}{
		{"seccomp", []string{"CONTAINERS=yes"}, `CONTAINERS is "yes", but must be 1 or 0`},
		{
			"rootless",
			[]string{"CONTAINERS=1", "DOCKER_HOST=unix://" + socket},
			"CONTAINERS=1 needs an engine that runs as root, and this one does not; without Docker: make run, with containers.engine in conf/config.yaml",
		},
		{
			"seccomp",
			[]string{"CONTAINERS=1", "DOCKER_HOST=ssh://you@build"},
			"CONTAINERS=1 needs the engine's socket on this machine, but DOCKER_HOST is ssh://you@build",
		},
		{
			"seccomp",
			[]string{"CONTAINERS=1", "DOCKER_HOST=unix://" + socket + ".old"},
			"CONTAINERS=1 needs the engine's socket, but " + socket + ".old is none; name it: DOCKER_HOST=unix:///path",
		},
	} {
		tools := t.TempDir()
		testutil.Write(t, filepath.Join(tools, "docker"), "#!/bin/sh\ncase $1 in\ninfo) echo '[name="+test.security+"]' ;;\nimage) ;;\n*) exit 1 ;;\nesac\n")
		if err := os.Chmod(filepath.Join(tools, "docker"), 0o755); err != nil {
			t.Fatal(err)
		}
		r := script(t, "../..", append(test.env, "HOME="+dir, "LINK_LOCAL=0", "PATH="+tools+":"+systemPath), "./run-docker.sh", "prd")
		wantRun(t, r, 1, "", "run-docker.sh: "+test.want+"\n")
	}
}
