package kubecli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// stubKubectl answers as a cluster without any object of ours, whose nodes are in a file. Other commands fail.
const stubKubectl = `#!/bin/sh
case "$*" in
config\ view*) echo '{"current-context":"test","clusters":[{"cluster":{"server":"https://127.0.0.1:6443"}}]}' ;;
get\ nodes*) cat "$STUB_NODES" ;;
get\ *) echo '{"items":[]}' ;;
*) echo "error: $*" >&2; exit 1 ;;
esac
`

// useStub puts the stub on the PATH. nodes is a file of testdata of package cluster.
func useStub(t *testing.T, nodes string) {
	t.Helper()
	file, err := filepath.Abs("../cluster/testdata/nodes/" + nodes + ".json")
	if err != nil {
		t.Fatal(err)
	}
	testutil.IsolateHome(t)
	dir := t.TempDir()
	if err := os.Chmod(testutil.Write(t, filepath.Join(dir, "kubectl"), stubKubectl), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("STUB_NODES", file)
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// Tests have no terminal.
func TestProgram_ExitCodesTellScriptsWhatIsThere(t *testing.T) {
	const notYours = "mock-ec2-metadata: the cluster of context test at https://127.0.0.1:6443: it may not be your own, and there is no terminal to ask at; use --yes to "
	for _, tt := range []struct {
		name, nodes, line string
		code              int
		stdout, stderr    string // parts
	}{
		{
			name: "status without a daemon", nodes: "kind", line: "status", code: 3,
			stderr: "mock-ec2-metadata: the cluster has no mock-ec2-metadata; install it: mock-ec2-metadata-kube up\n",
		},
		{
			name: "status in JSON without a daemon", nodes: "kind", line: "status --json", code: 3,
			stderr: "mock-ec2-metadata: the cluster has no mock-ec2-metadata; install it: mock-ec2-metadata-kube up\n",
		},
		{name: "down where nothing is", nodes: "kind", line: "down", stdout: "ok    objects   there is nothing to take away\n"},
		{name: "down of a cluster that is not local", nodes: "unknown", line: "down", code: 1, stderr: notYours + "take mock-ec2-metadata away, or name another with --context\n"},
		{name: "down --yes of it", nodes: "unknown", line: "down --yes", stdout: "there is nothing to take away\n"},
		{
			name: "up to a cluster that is not local", nodes: "unknown", line: "up --credentials mock", code: 1,
			stderr: notYours + "install mock-ec2-metadata, or name another with --context\n",
		},
		{
			name: "up to EC2", nodes: "eks", line: "up --credentials mock --yes", code: 1,
			stderr: "its nodes are EC2 instances, where a real metadata service answers at 169.254.169.254; use another context, or --on-ec2 to take its place\n",
		},
		{name: "down of EC2", nodes: "eks", line: "down --yes", code: 1, stderr: "or --on-ec2 to take its place\n"},
		{name: "down with an argument", nodes: "kind", line: "down now", code: 2, stderr: `down takes no arguments, but got "now"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			useStub(t, tt.nodes)
			code, stdout, stderr := run(t, os.Environ(), strings.Fields(tt.line)...)
			if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) || tt.code == 0 && stderr != "" {
				t.Errorf("exit %d, want %d\n%s%s\nwant %s%s", code, tt.code, stdout, stderr, tt.stdout, tt.stderr)
			}
		})
	}
}
